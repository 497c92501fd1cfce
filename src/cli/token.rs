//! `epicme token`: access tokens for clients that can't sign in by themselves, curl among them.
//!
//! Makes no grant. Such a token isn't refreshed, so it lasts longer than those of the token endpoint: thirty days
//! unless the operator says otherwise. For that long the token opens the journal to everyone who has it. So the
//! operator can narrow its scope, and `revoke` ends it at once.

use super::{CliError, CommandLine, note, require_kept_output, show_once, table, user};
use crate::activity::{self, Event, Visit};
use crate::clock::Timestamp;
use crate::limits;
use crate::scope::Scopes;
use crate::settings;
use crate::site::{self, Site};
use crate::text;
use crate::tokens::{self, NewToken};
use crate::users;

/// Makes a token and prints it, alone on standard output, so that `TOKEN=$(epicme token create …)` works.
pub(super) fn create(line: &CommandLine, email: &str) -> Result<(), CliError> {
    let scopes = match line.value("scope") {
        None => Scopes::ALL,
        Some(text) => Scopes::parse(&text)
            .map_err(|name| CliError::Usage(format!("{name:?} is not a scope; there are {}", Scopes::ALL)))?,
    };
    if scopes.is_empty() {
        return Err(CliError::Usage(format!("--scope needs at least one of {}", Scopes::ALL)));
    }
    let seconds = match line.value("expires") {
        None => limits::TOKEN_SECONDS_DEFAULT,
        Some(text) => seconds(&text).ok_or_else(|| {
            CliError::Usage(format!("--expires takes a number and s, m, h or d, up to 3650d, not {text:?}"))
        })?,
    };
    let label = line.value("label").unwrap_or_default();
    if label.chars().count() > limits::LABEL_CHARS_MAX {
        return Err(CliError::Usage(format!("--label takes at most {} characters", limits::LABEL_CHARS_MAX)));
    }
    // `--label ''` is no label.
    let label = if label.is_empty() { Ok(label) } else { text::name(&label) };
    let label = label.map_err(|bad| CliError::Usage(format!("--label {bad}")))?;
    let public = line.value("public-url").map(|url| Site::parse_public(&url)).transpose()?;

    require_kept_output()?;
    let store = line.open_existing()?;
    let Some(users::User { id: user_id, .. }) = users::find_by_email(&store, email)? else {
        return user::require_account(false, email);
    };
    // A token is for one audience, which must be the server's. This command doesn't know how the server is started,
    // so it takes the URL from the option, or the audience that the server stored when it was started last.
    let resource = match &public {
        Some(_) => site::audience(public.as_ref()),
        None => settings::audience(&store)?,
    };
    let now = Timestamp::now();
    let token = NewToken { user_id, resource, scopes, label, seconds, grant_id: None };
    let text = store.write(move |connection| {
        let visit = Visit::of_operator(now);
        activity::record(connection, token.user_id, (Event::TokenMade, &token.label), &visit)?;
        tokens::insert(connection, &token, now)
    })?;
    show_once(text.reveal(), || tokens::withdraw(&store, &text))?;
    note(&format!("shown this once; good until {}", now.plus(seconds).iso8601()));
    Ok(())
}

/// Shows every token from the command line, without its text: the database has only the hash of the text.
pub(super) fn list(line: &CommandLine) -> Result<(), CliError> {
    let listed = tokens::list(&line.open_to_read()?)?;
    if listed.is_empty() {
        note("there are no tokens yet; epicme token create EMAIL makes one");
        return Ok(());
    }
    let now = Timestamp::now();
    let rows = listed.into_iter().map(|token| {
        let state = match token.revoked_at {
            Some(at) => format!("revoked {}", at.iso8601()),
            None if token.expires_at <= now => "expired".to_owned(),
            None => "live".to_owned(),
        };
        let dates = [token.created_at.iso8601(), token.expires_at.iso8601()];
        // The label may be of an earlier version, and the address may be what another server calls the person.
        let [email, label] = [&token.email, &token.label].map(|text| text::displayable(text));
        [vec![token.id.to_string(), email, state], dates.to_vec(), vec![token.scope, label]].concat()
    });
    table(&["ID", "EMAIL", "STATE", "MADE", "EXPIRES", "SCOPE", "LABEL"], rows.collect())
}

/// Revokes a token: also a server that is running refuses the next request with it. The operator names the token by
/// its number in the list, since its text may be lost, or in the hands of a thief.
pub(super) fn revoke(line: &CommandLine, id: &str) -> Result<(), CliError> {
    let number = id.parse().map_err(|_| CliError::Usage(format!("{id:?} is not the ID of a token")))?;
    if tokens::revoke(&line.open_existing()?, number, Timestamp::now())? {
        note(&format!("token {number} is revoked"));
        Ok(())
    } else {
        Err(CliError::Failed(format!("there is no token {number}; epicme token list shows them")))
    }
}

/// Reads a time like `30d`, in seconds. The unit is required: a bare number would be days to one person and seconds
/// to another, and a wrong guess could make a token that lives for years.
pub(super) fn seconds(text: &str) -> Option<i64> {
    let (number, unit) = text.split_at_checked(text.len().checked_sub(1)?)?;
    let factor = match unit {
        "s" => 1,
        "m" => 60,
        "h" => 60 * 60,
        "d" => 24 * 60 * 60,
        _ => return None,
    };
    let digits = number.bytes().all(|byte| byte.is_ascii_digit()); // `parse` would take a sign
    let number: i64 = number.parse().ok().filter(|_| digits)?;
    number.checked_mul(factor).filter(|seconds| (1..=limits::TOKEN_SECONDS_MAX).contains(seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_times_with_a_unit() {
        for (text, expected) in
            [("90s", Some(90)), ("15m", Some(900)), ("12h", Some(43_200)), ("30d", Some(2_592_000))]
        {
            assert_eq!(seconds(text), expected, "{text}");
        }
        for text in
            ["", "d", "0d", "30", "-1d", "+1d", "1.5h", "30 d", "4000d", "99999999999999999999s", "1é"]
        {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
