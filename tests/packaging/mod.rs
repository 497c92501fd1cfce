//! The man page and the completions in `packaging/` say what `epicme help` says, and those who read them understand
//! them.
//!
//! `UPDATE_PACKAGING=1 cargo test packaging` writes them anew. bash is there wherever the tests are; what needs zsh,
//! fish or a reader of man pages is tried where they are.

mod completions;
mod help;
mod man;

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use self::help::{Choice, pages};
use crate::support::{EPICME, Folder};

const MAN: &str = "packaging/epicme.1";
const BASH: &str = "packaging/completions/epicme.bash";
const ZSH: &str = "packaging/completions/_epicme";
const FISH: &str = "packaging/completions/epicme.fish";

#[test]
fn has_a_man_page_and_completions_of_every_command() {
    let pages = pages();
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let made = [
        (MAN, man::page(&read(MAN), &pages)),
        (BASH, completions::bash(&pages)),
        (ZSH, completions::zsh(&pages)),
        (FISH, completions::fish(&pages)),
    ];
    for (path, made) in made {
        if std::env::var_os("UPDATE_PACKAGING").is_some() {
            fs::write(path, &made).expect("the file can be written");
        }
        assert!(
            read(path) == made,
            "{path} isn't what epicme help says: UPDATE_PACKAGING=1 cargo test packaging writes it anew"
        );
    }
}

#[test]
fn reads_the_help_as_a_person_does() {
    let pages = pages();
    let page = |name: &str| pages.iter().find(|page| page.name == name).expect("a page");
    assert_eq!(page("user").verbs(), ["add", "list", "passwd", "zone", "remove", "remove-factor"]);
    assert_eq!(page("client").verbs(), ["add", "list", "remove"]);
    assert!(page("explain").verbs().is_empty() && page("health").verbs().is_empty());
    let options = |name: &str, verb: &str| {
        page(name).options_of(verb).iter().map(|row| row.name.clone()).collect::<Vec<_>>()
    };
    assert_eq!(options("user", "passwd"), ["--public-url", "--password-stdin", "--database"]);
    assert_eq!(options("user", "list"), ["--database"]);
    assert_eq!(options("doctor", ""), ["--connect", "--diagram", "--json"]);
    for (name, verb, expected) in [
        ("backup", "", Choice::File),
        ("check", "", Choice::File),
        ("import", "", Choice::File),
        ("client", "add", Choice::Other),
        ("user", "add", Choice::Other),
    ] {
        assert_eq!(page(name).argument(verb, &pages), expected, "{name} {verb}");
    }
    let values = help::values(&pages);
    let words = |words: &[&str]| Choice::Words(words.iter().map(|word| (*word).to_owned()).collect());
    for (name, expected) in [
        ("--format", words(&["json", "markdown"])),
        ("--log-level", words(&["info", "warn", "error"])),
        ("--explain", words(&["json"])),
        ("--scope", words(&["user:read", "entries:read", "entries:write", "tags:read", "tags:write"])),
        ("--database", Choice::File),
        ("--metadata", Choice::File),
        ("--backup-to", Choice::Folder),
        ("--listen", Choice::Other),
        ("--at", Choice::Other),
        ("--trusted-proxies", Choice::Other),
    ] {
        let found = values.iter().find(|(row, _)| row.name == name).map(|(_, choice)| choice);
        assert_eq!(found, Some(&expected), "{name}");
    }
}

/// Runs a program if it is there; `None`, and a line that says so, if it isn't.
fn run(program: &str, arguments: &[&str], folder: &Path) -> Option<Output> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().env("HOME", folder).env("TERM", "dumb");
    command.env("PATH", std::env::var_os("PATH").unwrap_or_default()).env("LC_ALL", "C.UTF-8");
    match command.stdin(Stdio::null()).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("not tried, since {program} isn't here: {error}");
            None
        }
    }
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr)
}

#[test]
fn has_a_man_page_without_a_fault() {
    let here = Path::new(".");
    if let Some(lint) = run("mandoc", &["-T", "lint", MAN], here) {
        // The system is the program itself, and which other pages are on this machine isn't this page's.
        let aside = ["operating system explicitly", "referenced manual not found", "outdated mandoc.db"];
        let text = text(&lint);
        let faults = text.lines().filter(|line| !aside.iter().any(|aside| line.contains(aside)));
        assert_eq!(faults.collect::<Vec<_>>(), [""; 0]);
    }
    if let Some(set) = run("groff", &["-ww", "-mandoc", "-Tutf8", "-z", MAN], here) {
        assert_eq!(text(&set), "");
    }
    let readers: [(&str, &[&str]); 2] =
        [("mandoc", &["-T", "ascii", MAN]), ("groff", &["-mandoc", "-Tascii", "-P-cbou", MAN])];
    for (reader, arguments) in readers {
        let Some(read) = run(reader, arguments, here) else { continue };
        // A letter in bold is that letter, a backspace and the letter once more.
        let page = text(&read).replace("_\u{8}", "");
        let letters: Vec<_> = page.chars().collect();
        let page: String = letters
            .iter()
            .enumerate()
            .filter(|(at, letter)| **letter != '\u{8}' && letters.get(at + 1) != Some(&'\u{8}'))
            .map(|(_, letter)| letter)
            .collect();
        for shown in [
            "user zone EMAIL ZONE",
            "check [FILE]",
            "health [http://ADDRESS:PORT]",
            "explain TOKEN | -",
            "--explain[=json]",
            "--format json | markdown",
            "EPICME_INTROSPECTION_SECRET",
            "For add, passwd: take the password from standard input.",
            "--public-url https://journal.example --trusted-proxies 127.0.0.1,::1 \\",
        ] {
            assert!(page.contains(shown), "{reader}: {shown} is not in\n{page}");
        }
    }
}

/// What is typed, and what a Tab offers for it. In a folder with a file `journal.db`, a folder `folder` and a file in
/// that.
const TYPED: [(&str, &[&str]); 18] = [
    ("epicme sta", &["status"]),
    ("epicme he", &["health", "help"]),
    ("epicme help sta", &["status"]),
    ("epicme user ", &["add", "list", "passwd", "zone", "remove", "remove-factor"]),
    ("epicme token cr", &["create"]),
    ("epicme client --", &[]),
    ("epicme user add --c", &["--create"]),
    ("epicme user passwd --c", &[]),
    ("epicme user add ada@example.com --pass", &["--password-stdin"]),
    ("epicme serve --backup-to folder --ke", &["--keep"]),
    ("epicme doctor --", &["--connect", "--diagram", "--json"]),
    ("epicme export --format ", &["json", "markdown"]),
    ("epicme export --format=m", &["markdown"]),
    ("epicme serve --log-level w", &["warn"]),
    ("epicme token create ada@example.com --scope tags:w", &["tags:write"]),
    ("epicme check j", &["journal.db"]),
    ("epicme serve --database j", &["journal.db"]),
    ("epicme serve --listen ", &[]),
];

/// A folder as [`TYPED`] says.
fn folder() -> Folder {
    let folder = Folder::new();
    fs::write(folder.path().join("journal.db"), "").expect("a file");
    fs::create_dir(folder.path().join("folder")).expect("a folder");
    fs::write(folder.path().join("folder/file"), "").expect("a file");
    folder
}

/// Compares what a shell offers: what stands before the last `=` or `:` may be left out, since it is typed.
fn check_offered(shell: &str, typed: &str, offered: &str, expected: &[&str]) {
    let whole = |word: &str| {
        let last = typed.rsplit(' ').next().unwrap_or_default();
        let word = word.trim_end();
        match last.rfind([':', '=']) {
            Some(at) if !word.contains([':', '=']) => last[..=at].to_owned() + word,
            _ => word.to_owned(),
        }
    };
    let after = |word: String| word.split_once('=').map_or(word.clone(), |(_, value)| value.to_owned());
    let mut offered: Vec<_> =
        offered.lines().filter(|line| !line.is_empty()).map(|line| after(whole(line))).collect();
    let mut expected: Vec<_> = expected.iter().map(|word| (*word).to_owned()).collect();
    offered.sort();
    expected.sort();
    assert_eq!(offered, expected, "{shell}: {typed:?}");
}

#[test]
fn completes_in_bash() {
    let folder = folder();
    let script = fs::canonicalize(BASH).expect("the script");
    let script = script.to_str().expect("UTF-8");
    for (typed, expected) in TYPED {
        // Readline itself completes the names of files, where the function has offered nothing and hasn't said that
        // there are none; `compopt` says so.
        let program = format!(
            "source {script}; files=yes; compopt() {{ case $* in '+o default') files= ;; esac; }}
             COMP_LINE={typed:?} COMP_POINT={}; _epicme epicme
             if [[ -n $files && -z ${{COMPREPLY[*]}} ]]; then compgen -f -- \"${{COMP_LINE##*[ =]}}\"
             else printf '%s\\n' \"${{COMPREPLY[@]}}\"; fi",
            typed.len()
        );
        let offered = run("bash", &["--norc", "-c", &program], folder.path()).expect("bash");
        check_offered("bash", typed, &text(&offered), expected);
    }
}

#[test]
fn completes_in_fish() {
    let folder = folder();
    let script = fs::canonicalize(FISH).expect("the script");
    for (typed, expected) in TYPED {
        let program = format!("source {}; complete -C {typed:?}", script.display());
        let Some(offered) = run("fish", &["--no-config", "-c", &program], folder.path()) else { return };
        // Behind a tab stands what the word means.
        let offered: String = text(&offered)
            .lines()
            .map(|line| line.split('\t').next().unwrap_or_default().to_owned() + "\n")
            .collect();
        check_offered("fish", typed, &offered, expected);
    }
}

/// What zsh reads when it starts: a Tab writes what it would offer into a file, and the next key leaves the shell.
const ZSHRC: &str = r#"
fpath=($HOME/functions $fpath)
autoload -U compinit && compinit -u -D
compadd() {
    if [[ ${@[1,(i)(-|--)]} != *-(O|A|D)\ * ]]; then
        local -a offered
        builtin compadd -A offered "$@"
        print -rl -- $offered >>$HOME/offered
    fi
    builtin compadd "$@"
}
bindkey '^I' complete-word
leave() { exit }
zle -N leave && bindkey '^B' leave
"#;

#[test]
fn completes_in_zsh() {
    for (typed, expected) in TYPED {
        let folder = folder();
        let functions = folder.path().join("functions");
        fs::create_dir(&functions).expect("a folder");
        fs::copy(ZSH, functions.join("_epicme")).expect("a copy");
        fs::write(folder.path().join(".zshrc"), ZSHRC).expect("a file");
        // A terminal of zsh's own, since a Tab works on a terminal alone.
        let program = format!(
            "zmodload zsh/zpty && zpty shell timeout --foreground 60 zsh -i && zpty -w -n shell {typed:?}$'\\t\\x02' && \
             while zpty -r shell part; do :; done; cat offered 2>/dev/null"
        );
        let Some(offered) = run("zsh", &["-f", "-c", &program], folder.path()) else { return };
        check_offered("zsh", typed, &text(&offered), expected);
    }
}

/// Runs make here, as a person does who wasn't started by make, with another mask for the modes of new files.
#[track_caller]
fn make(mask: &str, arguments: &[&str]) {
    let mut shell = Command::new("sh");
    shell.args(["-c", "umask $0 && exec make --silent \"$@\"", mask]).args(arguments);
    let output = shell.env_remove("MAKEFLAGS").env_remove("MAKELEVEL").output().expect("make runs");
    assert!(output.status.success(), "{arguments:?}: {}", text(&output));
}

/// Every file below a folder.
fn files(folder: &Path) -> Vec<String> {
    let found = run("find", &[".", "-type", "f"], folder).expect("find");
    let mut found: Vec<_> =
        text(&found).lines().map(|path| path.trim_start_matches("./").to_owned()).collect();
    found.sort();
    found
}

const INSTALLED: [&str; 6] = [
    "bin/epicme",
    "lib/systemd/system/epicme.service",
    "share/bash-completion/completions/epicme",
    "share/fish/vendor_completions.d/epicme.fish",
    "share/man/man1/epicme.1",
    "share/zsh/site-functions/_epicme",
];

#[test]
fn installs_below_a_prefix_and_takes_all_of_it_away() {
    // Also where a folder has a blank in its name, and another file is called as the part before the blank.
    for (prefix, program) in
        [("/opt/epicme", "/opt/epicme/bin/epicme"), ("/opt/my apps", "\"/opt/my apps/bin/epicme\"")]
    {
        let folder = Folder::new();
        fs::write(folder.path().join("a"), "somebody's").expect("a file");
        let destination = format!("DESTDIR={}/a root", folder.path().display());
        let options = [&destination, &format!("PREFIX={prefix}"), &format!("BINARY={EPICME}")];
        let options = options.map(String::as_str);
        make("077", &[&["install"], &options[..]].concat());
        let installed = INSTALLED.map(|path| format!("a root{prefix}/{path}"));
        assert_eq!(files(folder.path()), [&["a".to_owned()], &installed[..]].concat());
        let root = folder.path().join(format!("a root{prefix}"));
        let unit = fs::read_to_string(root.join("lib/systemd/system/epicme.service")).expect("the unit");
        assert!(unit.contains(&format!("\nExecStart={program} serve\n")), "{unit}");
        let version = run(root.join("bin/epicme").to_str().expect("UTF-8"), &["version"], folder.path());
        assert!(text(&version.expect("the program")).starts_with("epicme "));
        make("022", &[&["uninstall"], &options[..]].concat());
        assert_eq!(files(folder.path()), ["a"]);
    }
}

#[test]
fn packs_the_same_bytes_wherever_that_is_done() {
    let folders = [Folder::new(), Folder::new()];
    let sums = [("077", &folders[0]), ("002", &folders[1])].map(|(mask, folder)| {
        let dist = format!("DIST={}", folder.path().display());
        make(mask, &["tarball", &dist, &format!("BINARY={EPICME}"), "SOURCE_DATE_EPOCH=1700000000"]);
        fs::read_to_string(folder.path().join("SHA256SUMS")).expect("the checksum")
    });
    assert_eq!(sums[0], sums[1]);
    let folder = folders[0].path();
    let checked = run("sha256sum", &["--check", "--strict", "SHA256SUMS"], folder).expect("sha256sum");
    assert!(checked.status.success(), "{}", text(&checked));
    let name =
        sums[0].split_whitespace().nth(1).and_then(|name| name.strip_suffix(".tar.gz")).expect("a name");
    assert!(name.starts_with(concat!("epicme-", env!("CARGO_PKG_VERSION"), "-")), "{name}");
    let unpacked = run("tar", &["-xpzf", &format!("{name}.tar.gz")], folder).expect("tar");
    assert_eq!(text(&unpacked), "");
    let root = folder.join(name);
    let mut expected: Vec<_> = INSTALLED.to_vec();
    expected.extend(["CHANGELOG.md", "Containerfile", "LICENSE", "README.md", "THIRD-PARTY-LICENSES"]);
    expected.push("docs/operating.md");
    expected.sort_unstable();
    assert_eq!(files(&root), expected);
    // Every crate of the binary, as Cargo.toml lists them, with a text. Some are there for other systems alone.
    let licences = fs::read_to_string(root.join("THIRD-PARTY-LICENSES")).expect("the licences");
    let named: BTreeSet<_> =
        licences.lines().filter_map(|line| line.strip_prefix("=== ")?.split(' ').next()).collect();
    let manifest = fs::read_to_string("Cargo.toml").expect("the manifest");
    let crates = manifest.lines().filter_map(|line| line.strip_prefix("# runtime: "));
    let crates: BTreeSet<_> = crates.flat_map(|line| line.split(' ')).collect();
    // And the two libraries that are no crates.
    let libraries = if cfg!(target_env = "gnu") { vec!["rust-std", "glibc"] } else { vec!["rust-std"] };
    assert_eq!(named, crates.into_iter().chain(libraries).collect());
    for held in
        ["The Rust Project Developers", "GNU LESSER GENERAL PUBLIC LICENSE", "libc.a", "Permission is hereby"]
    {
        assert!(licences.contains(held) || cfg!(not(target_env = "gnu")), "{held}");
    }
    assert!(!["<p>", "</", "&#"].iter().any(|markup| licences.contains(markup)), "it is plain text");
    // What the Containerfile copies is there; the folder is empty.
    let image = fs::read_to_string(root.join("Containerfile")).expect("the Containerfile");
    for line in image.lines().filter_map(|line| line.strip_prefix("COPY ")) {
        let source = line.split(' ').find(|word| !word.starts_with("--")).expect("what is copied");
        assert!(root.join(source).exists(), "{source}");
    }
    let copied = |name: &str| image.contains(&format!("\nCOPY {name} /licenses/{name}\n"));
    assert!(["LICENSE", "THIRD-PARTY-LICENSES"].iter().all(|name| copied(name)), "{image}");
    let modes = run("find", &[".", "-printf", "%m %y\n"], &root).expect("find");
    let text = text(&modes);
    let mut modes: Vec<_> = text.lines().collect();
    modes.sort_unstable();
    modes.dedup();
    assert_eq!(modes, ["644 f", "755 d", "755 f"], "everybody may read it, and its owner alone change it");
}
