//! A server with one thread and one response.

use std::io;

use step_1::chosen::{refuse, serve};

fn main() -> io::Result<()> {
    serve(&step_1::listen()?, refuse);
    Ok(())
}
