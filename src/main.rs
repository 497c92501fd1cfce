//! The `epicme` program: runs one command and ends with its exit code.

#![forbid(unsafe_code)]

use std::process::ExitCode;

fn main() -> ExitCode {
    epicme::cli::run(std::env::args_os().skip(1))
}
