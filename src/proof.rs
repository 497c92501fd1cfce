//! The proof that a server has this database: by it `epicme stdio` knows to which program it sends its token.
//!
//! Uses no HTTP and no database. Invariant: a proof is good for one challenge on one connection.
//!
//! The database says at which address its server listens. After a crash that may be the address of any program of this
//! machine by now, and it would receive the token. So `stdio` first sends a challenge, 256 random bits. The server
//! signs them by the key that lies in the database, which that other program can't read.
//!
//! The other program could pass the challenge on to the real server, which may listen elsewhere by now, and hand back
//! its answer. So both ends of the connection are signed too, each as one side knows it by itself: where the server
//! listens, and the client's own address and port as the server sees them. A program in between has a connection of its
//! own to the server, and so another port.

use std::net::SocketAddr;

use crate::secret::{self, Signer};

/// The length of 256 random bits in base64url.
const CHALLENGE_CHARS: usize = 43;
/// How the query of [`crate::site::PROOF`] begins; a challenge follows.
const QUERY: &str = "challenge=";

/// What a client wants to see signed.
pub(crate) struct Challenge(String);

impl Challenge {
    pub(crate) fn generate() -> Challenge {
        Challenge(secret::random_text::<32>())
    }

    /// Reads the query of a request; `None` if it isn't a challenge.
    pub(crate) fn parse(query: &str) -> Option<Challenge> {
        let text = query.strip_prefix(QUERY)?;
        let is_plain = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_".contains(&byte));
        (is_plain && text.len() == CHALLENGE_CHARS).then(|| Challenge(text.to_owned()))
    }

    pub(crate) fn query(&self) -> String {
        format!("{QUERY}{}", self.0)
    }
}

/// The connection on which a proof is given.
pub(crate) struct Ends {
    /// Where the server listens. On a server that listens on all addresses this is no address of a connection.
    pub(crate) listens: SocketAddr,
    pub(crate) client: SocketAddr,
}

impl Ends {
    pub(crate) fn prove(&self, signer: &Signer, challenge: &Challenge) -> String {
        let [listens, client] = self.texts();
        signer.sign(&[b"server", listens.as_bytes(), client.as_bytes()], challenge.0.as_bytes())
    }

    /// Returns whether a server with the same key has made this proof, in constant time.
    pub(crate) fn are_proved(&self, signer: &Signer, challenge: &Challenge, proof: &str) -> bool {
        let [listens, client] = self.texts();
        let signed = signer.verify(&[b"server", listens.as_bytes(), client.as_bytes()], proof);
        signed.is_some_and(|signed| signed == challenge.0.as_bytes())
    }

    fn texts(&self) -> [String; 2] {
        [self.listens, self.client].map(|address| address.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends(listens: &str, client: &str) -> Ends {
        let [listens, client] = [listens, client].map(|text| text.parse().expect("an address"));
        Ends { listens, client }
    }

    #[test]
    fn proves_one_challenge_on_one_connection_with_one_key() {
        let (ours, challenge) = (Signer::new([7; 32]), Challenge::generate());
        let here = ends("0.0.0.0:8787", "127.0.0.1:40000");
        let proof = here.prove(&ours, &challenge);
        assert!(here.are_proved(&ours, &challenge, &proof));
        assert!(!here.are_proved(&Signer::new([8; 32]), &challenge, &proof), "another journal");
        assert!(!here.are_proved(&ours, &Challenge::generate(), &proof), "an old proof");
        for (listens, client) in [
            ("127.0.0.1:8787", "127.0.0.1:40000"),
            ("0.0.0.0:8788", "127.0.0.1:40000"),
            ("0.0.0.0:8787", "127.0.0.1:40001"),
            ("0.0.0.0:8787", "172.17.0.1:40000"),
            ("127.0.0.1:40000", "0.0.0.0:8787"),
        ] {
            assert!(!ends(listens, client).are_proved(&ours, &challenge, &proof), "{listens} {client}");
        }
        for cut in [0, 3, proof.len() - 1] {
            assert!(!here.are_proved(&ours, &challenge, &proof[..cut]));
        }
    }

    #[test]
    fn takes_a_challenge_of_one_length_and_form() {
        let challenge = Challenge::generate();
        assert_eq!(Challenge::parse(&challenge.query()).expect("its own").0, challenge.0);
        let good = "A".repeat(CHALLENGE_CHARS);
        assert!(Challenge::parse(&format!("{QUERY}{good}")).is_some());
        for bad in [
            String::new(),
            QUERY.to_owned(),
            good.clone(),
            format!("{QUERY}{good}A"),
            format!("{QUERY}{}", &good[1..]),
            format!("{QUERY}%{}", &good[1..]),
            format!("{QUERY}{good}&{QUERY}{good}"),
        ] {
            assert!(Challenge::parse(&bad).is_none(), "{bad}");
        }
    }
}
