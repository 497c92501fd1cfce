//! Runs every `sh` block of the README against the server that `make run` starts, in one shell, and compares what
//! is printed with the block that follows it. `…` stands for what varies.

mod support;

use std::process::Command;
use std::sync::Arc;

use support::{EPICME, Folder, Server};

/// The fenced blocks of a document: language and text.
fn blocks(document: &str) -> Vec<(&str, &str)> {
    let fenced = document.split("```").skip(1).step_by(2);
    fenced.map(|block| block.split_once('\n').expect("a language line")).collect()
}

/// Whether `text` is `pattern`, in which each `…` stands for anything.
fn matches(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('…');
    let Some(mut rest) = text.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    while let Some(part) = parts.next() {
        let found = if parts.peek().is_none() {
            rest.ends_with(part).then(|| rest.len() - part.len())
        } else {
            rest.find(part)
        };
        let Some(at) = found else { return false };
        rest = &rest[at + part.len()..];
    }
    rest.is_empty()
}

/// Lines without what only lays them out.
fn plain(text: &str) -> String {
    let lines = text.trim().lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

#[test]
fn does_what_it_says() {
    let readme = std::fs::read_to_string("README.md").expect("the README");
    let folder = Arc::new(Folder::new());
    let server = Server::start_in(folder.clone(), &["--demo"]);
    server.output_with("Search for it");
    // The reader stands in the checkout, next to `make run`: `target/epicme`, its database and its port.
    std::fs::create_dir(folder.path().join("target")).expect("a folder");
    std::os::unix::fs::symlink(EPICME, folder.path().join("target/epicme")).expect("a link");
    let (mut script, mut expected) = (String::from("set -eu\n"), Vec::new());
    let blocks = blocks(&readme);
    for (place, (language, text)) in blocks.iter().enumerate() {
        if *language == "sh" {
            let answer =
                blocks.get(place + 1).filter(|(language, _)| ["http", "json", ""].contains(language));
            let last = text.contains("token revoke"); // what follows it is another matter
            expected.push(answer.filter(|_| !last).map_or(String::new(), |(_, text)| plain(text)));
            script += &format!("{text}\nprintf '\\036'\n");
        }
    }
    assert!(expected.len() >= 4, "the README has commands");
    let script = script.replace("127.0.0.1:8787", &server.address.to_string());
    let ran = Command::new("sh").args(["-c", &script]).current_dir(folder.path()).output().expect("a shell");
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success(), "{errors}");
    let printed =
        String::from_utf8(ran.stdout).expect("text").replace(&server.address.to_string(), "127.0.0.1:8787");
    let printed: Vec<_> = printed.split('\u{1e}').map(plain).collect();
    assert_eq!(printed.len(), expected.len() + 1);
    for (expected, printed) in expected.iter().zip(&printed) {
        assert!(matches(expected, printed), "the README says\n{expected}\nand this came\n{printed}");
    }
}

#[test]
fn names_targets_and_a_server_that_start() {
    let readme = std::fs::read_to_string("README.md").expect("the README");
    let makefile = std::fs::read_to_string("Makefile").expect("the Makefile");
    let lines: Vec<_> = blocks(&readme)
        .into_iter()
        .filter(|(language, _)| language.is_empty())
        .flat_map(|(_, text)| text.lines())
        .collect();
    let targets: Vec<_> =
        lines.iter().filter_map(|line| line.strip_prefix("make ")?.split(' ').next()).collect();
    assert!(targets.contains(&"run") && targets.contains(&"test"), "{targets:?}");
    for target in targets {
        assert!(makefile.contains(&format!("\n{target}: ")), "there is no make {target}");
    }
    let served: Vec<_> = lines.iter().filter_map(|line| line.strip_prefix("target/epicme serve ")).collect();
    assert!(!served.is_empty());
    for options in served {
        let options = options.replace("--listen 127.0.0.1:8787 ", ""); // the test's server takes a free port
        let options: Vec<_> = options.split(' ').collect();
        assert!(Server::start_in(Arc::new(Folder::new()), &options).address.port() > 0);
    }
}

#[test]
fn names_files_that_are_there() {
    let readme = std::fs::read_to_string("README.md").expect("the README");
    let named: Vec<_> = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(named.len() > 5);
    for path in named {
        assert!(std::path::Path::new(path).exists(), "{path}");
    }
    let first_screen: Vec<_> = readme.lines().take(40).collect();
    for needed in [
        "make run",
        "make test",
        "curl -i",
        "WWW-Authenticate: Bearer",
        "src/gate.rs",
        "Authorization: Bearer $TOKEN",
    ] {
        assert!(first_screen.iter().any(|line| line.contains(needed)), "{needed} is not on the first screen");
    }
}
