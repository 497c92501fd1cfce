//! Why the gate refuses a request.

/// The reasons, each with its facts in [`Refusal::facts`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// No token, or credentials of another scheme. The client doesn't know yet what this server wants.
    NoCredentials,
    /// More than one `Authorization` field.
    TwoFields,
    /// A token that isn't good, for whatever reason.
    InvalidToken,
    /// The token can't be looked up now. Step 8 needs it.
    NoLookUp,
}

/// What the response to a refusal says.
pub struct Facts {
    /// The status.
    pub status: u16,
    /// The error code of RFC 6750 §3.1. A request without credentials has none: its sender made no mistake.
    pub error: Option<&'static str>,
    /// One sentence for the person who reads the client's log.
    pub description: &'static str,
}

impl Refusal {
    /// Returns what the response says.
    pub fn facts(self) -> Facts {
        let (status, error, description) = match self {
            Refusal::NoCredentials => (401, None, "Unauthorized"),
            Refusal::TwoFields => (400, Some("invalid_request"), "There must be one Authorization header"),
            Refusal::InvalidToken => (401, Some("invalid_token"), "The access token is invalid or expired"),
            Refusal::NoLookUp => {
                (503, Some("temporarily_unavailable"), "The access token can't be checked now; try again")
            }
        };
        Facts { status, error, description }
    }
}
