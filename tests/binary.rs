//! The release binary: static, small, and without a resolver.

use std::path::PathBuf;
use std::process::Command;

/// The rules of all time zones, and the crate that reads them, are about 600,000 of these; the sources and chapters that
/// `serve --watch` shows are 350,000.
const BYTES_MAX: u64 = 8_200_000;
/// Files that a program reads which calls the C library's `getaddrinfo`; it can't be linked without their names.
const RESOLVER_TEXTS: [&str; 2] = ["/etc/nsswitch.conf", "/etc/gai.conf"];

/// Builds the release binary as `make build` does, and gives its bytes.
fn release() -> Vec<u8> {
    let built = Command::new(env!("CARGO")).args(["build", "--locked", "--release"]).status();
    assert!(built.expect("cargo runs").success());
    let debug = PathBuf::from(env!("CARGO_BIN_EXE_epicme"));
    let release =
        debug.parent().and_then(|folder| folder.parent()).expect("a target folder").join("release/epicme");
    std::fs::read(release).expect("the release binary")
}

fn number<const N: usize>(bytes: &[u8], at: usize) -> u64 {
    let mut eight = [0; 8];
    eight[..N].copy_from_slice(&bytes[at..at + N]);
    u64::from_le_bytes(eight)
}

/// The types of the program headers of a 64-bit little-endian ELF file.
fn segment_types(bytes: &[u8]) -> Vec<u64> {
    assert_eq!(&bytes[..6], b"\x7fELF\x02\x01");
    let (offset, size, count) = (number::<8>(bytes, 32), number::<2>(bytes, 54), number::<2>(bytes, 56));
    (0..count).map(|place| number::<4>(bytes, (offset + place * size) as usize)).collect()
}

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[test]
fn is_static_small_and_resolves_no_names() {
    const PT_LOAD: u64 = 1;
    const PT_INTERP: u64 = 3;
    let bytes = release();
    let types = segment_types(&bytes);
    assert!(types.contains(&PT_LOAD), "the file was read rightly");
    assert!(!types.contains(&PT_INTERP), "no loader is asked for: the binary is static");
    for text in RESOLVER_TEXTS {
        assert!(!contains(&bytes, text), "{text} is in the binary: something resolves names");
    }
    assert!(bytes.len() as u64 <= BYTES_MAX, "{} bytes", bytes.len());
    // A dynamic program has what was looked for, or the search is wrong.
    let shell = std::fs::read("/bin/sh").expect("a shell");
    assert!(segment_types(&shell).contains(&PT_INTERP));
}
