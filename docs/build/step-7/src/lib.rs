//! Step 7: one method of MCP, one tool.

pub mod answer;
mod rpc;
pub mod yours;

#[cfg(feature = "answer")]
pub use answer as chosen;
#[cfg(not(feature = "answer"))]
pub use yours as chosen;

pub use rpc::{Call, RpcError, Unavailable};
