//! When step 3 is right.

use step_3::Refusal;
use step_3::chosen::{challenge, metadata, refuse};

const BASE_URL: &str = "http://127.0.0.1:8780";

#[test]
fn tells_a_client_without_a_token_where_to_get_one() {
    assert_eq!(
        challenge(Refusal::NoCredentials, BASE_URL),
        "Bearer realm=\"EpicMe\", \
         resource_metadata=\"http://127.0.0.1:8780/.well-known/oauth-protected-resource/mcp\", \
         scope=\"user:read entries:read entries:write tags:read tags:write\""
    );
}

#[test]
fn tells_a_client_with_a_bad_token_that_it_is_bad() {
    assert_eq!(
        challenge(Refusal::InvalidToken, BASE_URL),
        "Bearer realm=\"EpicMe\", error=\"invalid_token\", \
         error_description=\"The access token is invalid or expired\", \
         resource_metadata=\"http://127.0.0.1:8780/.well-known/oauth-protected-resource/mcp\", \
         scope=\"user:read entries:read entries:write tags:read tags:write\""
    );
}

#[test]
fn names_no_scope_where_none_would_help() {
    assert_eq!(
        challenge(Refusal::TwoFields, BASE_URL),
        "Bearer realm=\"EpicMe\", error=\"invalid_request\", \
         error_description=\"There must be one Authorization header\", \
         resource_metadata=\"http://127.0.0.1:8780/.well-known/oauth-protected-resource/mcp\""
    );
}

#[test]
fn says_a_word_to_a_client_without_a_token() {
    let response = refuse(Refusal::NoCredentials, BASE_URL);
    assert_eq!((response.status, response.body.as_str()), (401, "Unauthorized\n"));
    let expected = [
        ("Content-Type", "text/plain; charset=utf-8".to_owned()),
        ("Cache-Control", "no-store".to_owned()),
        ("WWW-Authenticate", challenge(Refusal::NoCredentials, BASE_URL)),
        ("Vary", "Origin".to_owned()),
    ];
    assert_eq!(response.fields, expected);
}

#[test]
fn says_the_error_as_json_too() {
    let response = refuse(Refusal::InvalidToken, BASE_URL);
    assert_eq!(response.status, 401);
    assert_eq!(response.fields[0].1, "application/json");
    let body = r#"{"error":"invalid_token","error_description":"The access token is invalid or expired"}"#;
    assert_eq!(response.body, format!("{body}\n"));
}

#[test]
fn challenges_nobody_while_it_can_look_up_no_token() {
    let response = refuse(Refusal::NoLookUp, BASE_URL);
    let names: Vec<_> = response.fields.iter().map(|(name, _)| *name).collect();
    assert_eq!((response.status, names), (503, vec!["Content-Type", "Cache-Control", "Retry-After", "Vary"]));
}

#[test]
fn describes_the_resource() {
    let expected = [
        r#"{"resource":"http://127.0.0.1:8780/mcp","#,
        r#""authorization_servers":["https://auth.example"],"#,
        r#""scopes_supported":["user:read","entries:read","entries:write","tags:read","tags:write"],"#,
        r#""bearer_methods_supported":["header"]}"#,
    ];
    assert_eq!(metadata(BASE_URL).to_string(), expected.concat());
}
