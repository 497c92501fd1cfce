//! The peers of `make bench`: what a straightforward author builds on the crates that epicme does without.
//! Usage: epicme-bench-peers rmcp DATABASE | hyper
//!
//! Each prints `listening on http://ADDRESS` and serves until it is killed.

mod bare;
mod journal;
mod mcp;
mod search;
#[path = "../../statements.rs"]
mod statements;

use std::env;
use std::path::Path;

use tokio::net::TcpListener;

/// The challenge of a 401, as epicme writes it.
fn challenge(address: std::net::SocketAddr) -> String {
    format!(
        "Bearer realm=\"EpicMe\", resource_metadata=\"http://{address}/.well-known/oauth-protected-resource/mcp\", \
         scope=\"user:read entries:read tags:read\""
    )
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port on loopback");
    let address = listener.local_addr().expect("it is bound");
    println!("listening on http://{address}");
    match *arguments {
        ["rmcp", database] => mcp::serve(listener, Path::new(database), challenge(address)).await,
        ["hyper"] => bare::serve(listener, challenge(address)).await,
        _ => panic!("usage: epicme-bench-peers rmcp DATABASE | hyper"),
    }
}
