//! The whole OAuth flow through the Rust SDK client, from nothing but the URL.

use std::process::Command;

use rmcp::ClientServiceExt;
use rmcp::transport::StreamableHttpClientTransport;
use rmcp::transport::auth::{
    AuthClient, AuthorizationCallback, AuthorizationManager, AuthorizationRequest, OAuthState,
};
use serde_json::{Value, json};

use crate::expect::{Tally, Worked, expect};
use crate::{Client, Person, call, config, connect, lifecycle, variable, version};

const CALLBACK: &str = "http://localhost:1/callback";
const INITIAL: [&str; 3] = ["user:read", "entries:read", "tags:read"];

/// The person at the browser, who allows it; gives the URL that the browser is sent to in the end.
fn allow(url: &str) -> Worked<String> {
    let person = format!("{}/../person.mjs", env!("CARGO_MANIFEST_DIR"));
    let script = format!(
        "const {{ allow }} = await import({person:?}); console.log((await allow(process.argv[1])).redirect.href)"
    );
    let browser =
        Command::new(variable("NODE")).args(["--input-type=module", "-e", &script, url]).output()?;
    expect(browser.status.success(), || String::from_utf8_lossy(&browser.stderr).into_owned())?;
    Ok(String::from_utf8(browser.stdout)?.trim().to_owned())
}

fn sorted(scopes: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    let mut scopes: Vec<_> = scopes.into_iter().map(Into::into).collect();
    scopes.sort();
    scopes
}

/// Registers, signs in, and gives the manager that has the tokens.
async fn authorize(tally: &mut Tally, challenge: &str) -> Worked<AuthorizationManager> {
    let mut state = OAuthState::new(variable("MCP_URL"), None).await?;
    let request =
        AuthorizationRequest::new(CALLBACK).with_client_name("epicme-interop rmcp").with_challenge(challenge);
    state.start_authorization(request.with_initial_scope_selection()).await?;
    let back = allow(&state.get_authorization_url().await?)?;
    state.handle_callback_url(&back).await?;
    let manager = state.into_authorization_manager().ok_or("nothing was authorized")?;
    let granted = sorted(manager.get_current_scopes().await);
    let fits = expect(granted == sorted(INITIAL), || format!("the scopes are {granted:?}"));
    tally.check("registration, sign-in and consent give tokens of the initial scopes", async { fits }).await;
    Ok(manager)
}

async fn tool(client: &Client, name: &str, arguments: Value) -> Worked<Value> {
    let result = call(client, &json!({ "tool": name, "arguments": arguments })).await?;
    expect(result["isError"] != true, || result.to_string())?;
    Ok(result["structuredContent"].clone())
}

pub async fn walk(tally: &mut Tally) -> Worked<()> {
    println!("rmcp {}, OAuth from nothing", version());
    let refused = connect(true, None, Person::default()).await;
    let error = refused.err().ok_or("it was let in without a token")?;
    let challenge = error.auth_challenge().ok_or("no challenge")?;

    let http = AuthClient::new(reqwest::Client::new(), authorize(tally, challenge).await?);
    let manager = http.auth_manager.clone();
    let transport = StreamableHttpClientTransport::with_client(http, config());
    let client = Person::default().serve_with_lifecycle(transport, lifecycle(true)).await?;
    let is_known = async {
        let held = tool(&client, "whoami", json!({})).await?;
        expect(held["user"]["email"] == variable("EMAIL"), || held.to_string())
    };
    tally.check("the tokens are good for a call", is_known).await;

    let entry = || json!({ "title": "Allowed later", "content": "x" });
    let steps_up = async {
        let refused = call(&client, &json!({ "tool": "create_entry", "arguments": entry() })).await;
        let error = refused.err().ok_or("it was not refused")?;
        let challenge = error.auth_challenge().ok_or_else(|| format!("no challenge but {error:?}"))?;
        let scopes = r#"scope="user:read entries:read entries:write tags:read""#;
        expect(challenge.contains(scopes), || challenge.to_owned())?;
        let manager = manager.lock().await;
        let back = AuthorizationCallback::from_redirect_url(&allow(
            &manager.request_scope_upgrade("entries:write").await?,
        )?)?;
        let issuer = back.issuer.as_deref();
        manager.exchange_code_for_token_with_issuer(&back.code, &back.csrf_token, issuer).await?;
        let granted = sorted(manager.get_current_scopes().await);
        expect(granted == sorted([&INITIAL[..], &["entries:write"]].concat()), || {
            format!("the scopes are {granted:?}")
        })?;
        drop(manager);
        tool(&client, "create_entry", entry()).await.map(drop)
    };
    tally.check("403 step-up: the SDK is made to ask for more, and gets it", steps_up).await;

    let refreshes = async {
        let manager = manager.lock().await;
        let before = manager.get_access_token().await?;
        manager.refresh_token().await?;
        expect(manager.get_access_token().await? != before, || "the token is the same".to_owned())?;
        drop(manager);
        let held = tool(&client, "list_entries", json!({})).await?;
        expect(held["total"] == 1, || held.to_string())
    };
    tally.check("tokens are refreshed", refreshes).await;
    Ok(())
}
