//! The five who speak when a client gets access: the columns of every picture of an exchange.
//!
//! Knows no format of a picture, and not who speaks in which request: `pages/watch` decides that for this server's own
//! exchanges, and `doctor/` for those with another server.

/// One of the five. Their order is that of the columns, from the left.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Actor {
    WebBrowser,
    Client,
    Gate,
    AuthorizationServer,
    Journal,
}

impl Actor {
    pub(crate) const ALL: [Actor; 5] =
        [Actor::WebBrowser, Actor::Client, Actor::Gate, Actor::AuthorizationServer, Actor::Journal];

    pub(crate) fn name(self) -> &'static str {
        match self {
            Actor::WebBrowser => "browser",
            Actor::Client => "client",
            Actor::Gate => "gate",
            Actor::AuthorizationServer => "authorization server",
            Actor::Journal => "journal",
        }
    }
}
