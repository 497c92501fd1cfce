//! The tool for the person's account: `whoami`.
//!
//! Knows no SQL, no sockets and no token text.

use super::{Answer, ToolContext, ToolError};
use crate::json_text::{self, JsonText};
use crate::mcp::arguments::Checked;
use crate::mcp::shapes;
use crate::scope::{Scope, UserRead};
use crate::users;

/// Says which account this is and what the token may be used for. A model that knows its scopes needn't try a call
/// to find out that it can't write.
pub(super) fn whoami(context: &ToolContext<UserRead>, _: &Checked) -> Result<Answer, ToolError> {
    let user = users::find(context.journal.store, context.journal.permit.user_id())?;
    let user = user.ok_or_else(|| ToolError::Rejected("This account no longer exists.".to_owned()))?;
    let scopes: Vec<_> = context.scopes.iter().map(Scope::name).collect();
    let data = JsonText::of(&json_text::object(|out| {
        out.member("user", shapes::user(&user));
        out.member("scopes", json_text::array(&scopes));
    }));
    Ok(Answer { text: None, links: vec![], data })
}
