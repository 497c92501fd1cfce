//! What requests are answered from, in steps 5 to 7.

use std::collections::HashMap;
use std::io;
use std::time::{Duration, SystemTime};

use step_3::Refusal;
use step_4::answer::hash;
use step_4::{Holder, new_token};

/// The server's own URL, and one token.
pub struct App {
    /// With which each URL of ours begins.
    pub base_url: String,
    tokens: HashMap<[u8; 32], Holder>,
}

impl App {
    /// Makes a token for an hour, and prints it.
    pub fn new(base_url: String) -> io::Result<App> {
        let token = new_token()?;
        let expires_at = SystemTime::now() + Duration::from_secs(3600);
        let holder = Holder { person: "ada@example.com".to_owned(), expires_at };
        println!("token for an hour: {token}");
        Ok(App { base_url, tokens: HashMap::from([(hash(&token), holder)]) })
    }

    /// Looks up a token by its hash.
    pub fn find(&self, hash: [u8; 32]) -> Result<Option<Holder>, Refusal> {
        Ok(self.tokens.get(&hash).cloned())
    }
}
