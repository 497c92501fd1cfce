//! Step 4: a token that is looked up by its hash.

pub mod answer;
mod token;
pub mod yours;

#[cfg(feature = "answer")]
pub use answer as chosen;
#[cfg(not(feature = "answer"))]
pub use yours as chosen;

pub use token::{Holder, TOKEN_PREFIX, TOKEN_RANDOM_CHARS, new_token};
