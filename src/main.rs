//! The `epicme` program: runs one command and ends with its exit code.
//!
//! Calls nothing but `cli::run`. All of the program is in the library, so that the tests can call it.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    epicme::cli::run(std::env::args_os().skip(1))
}
