//! What isn't a whole journal is refused with the way out, is left as it was, and never becomes a new, empty journal.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::backup::{chance, enlarge, kills, names, run_until_killed};
use crate::cli::{fails, password, stderr, stdout};
use crate::durability::check_integrity;
use crate::support::{Client, EPICME, Folder, PASSWORD, Server};

const SERVE: &[&str] = &["serve", "--listen", "127.0.0.1:0"];
const ADD: &[&str] = &["user", "add", "eve@example.com", "--password-stdin"];
const RESTORE: &str = "epicme restore FILE";

/// The files of a folder, each with what it holds; but for the index of a log, which every reader makes.
fn state(folder: &Folder) -> Vec<(String, Vec<u8>)> {
    let names = names(folder.path(), "").into_iter().filter(|name| !name.ends_with("-shm"));
    names.map(|name| (name.clone(), fs::read(folder.path().join(name)).expect("a file"))).collect()
}

/// A server and the commands refuse the file with these words, and change nothing.
#[track_caller]
fn refuses(folder: &Folder, commands: &[&[&str]], says: &[&str]) {
    let before = state(folder);
    for command in commands {
        let output = within_time(folder, command);
        for part in says {
            fails(&output, 1, part);
        }
        assert_eq!(stderr(&output).lines().count(), 1, "{}", stderr(&output));
        assert!(state(folder) == before, "{command:?} changed something");
    }
}

/// Runs a command that might serve, which would never end.
fn within_time(folder: &Folder, command: &[&str]) -> Output {
    let mut timed = Command::new("timeout");
    timed.args(["-k", "1", "10", EPICME]).args(command).arg("--database").arg(folder.database());
    timed.env_clear().stdin(password()).output().expect("timeout runs")
}

#[track_caller]
fn succeeds(output: &Output) {
    assert_eq!(output.status.code(), Some(0), "{}", stderr(output));
}

/// A folder with a journal, whose server was killed: the file and its log.
fn crashed(entries: usize) -> (Arc<Folder>, String) {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    write(&folder, &token, entries);
    (folder, token)
}

/// Serves the folder, writes so many entries, and kills the server.
fn write(folder: &Arc<Folder>, token: &str, entries: usize) {
    let mut server = Server::start_in(folder.clone(), &[]);
    let mut client = Client::new(&server, token);
    for number in 0..entries {
        let content = "some words of it ".repeat(20);
        client.ok("create_entry", json!({ "title": format!("entry {number}"), "content": content }));
    }
    server.kill();
}

fn log_of(folder: &Folder) -> PathBuf {
    folder.database().with_extension("db-wal")
}

#[test]
fn makes_no_journal_of_an_empty_file_unless_it_is_told_to() {
    let folder = Arc::new(Folder::new());
    fs::write(folder.database(), "").expect("a file");
    refuses(&folder, &[SERVE, ADD, &["user", "list"]], &["it is empty", RESTORE, "--create"]);
    succeeds(&folder.epicme(&[ADD, &["--create"]].concat(), PASSWORD));
    assert!(stdout(&folder.epicme(&["user", "list"], "")).contains("eve@example.com"));
    // It changes nothing of a journal that is there.
    let server = Server::start_in(folder.clone(), &["--create"]);
    assert!(stdout(&folder.epicme(&["user", "list"], "")).contains("eve@example.com"));
    drop(server);
    // A database without a table is as empty.
    let folder = Folder::new();
    let empty = Connection::open(folder.database()).expect("a file");
    empty.execute_batch("CREATE TABLE t (n); DROP TABLE t").expect("a page");
    drop(empty);
    refuses(&folder, &[SERVE, ADD, &["user", "list"]], &["it is empty", RESTORE, "--create"]);
    succeeds(&folder.epicme(&[ADD, &["--create"]].concat(), PASSWORD));
}

#[test]
fn recognizes_the_beginning_of_a_journal_whose_log_is_missing() {
    let folder = Folder::new();
    let begun = Connection::open(folder.database()).expect("a file");
    begun.query_row("PRAGMA journal_mode = wal", [], |_| Ok(())).expect("a header");
    drop(begun);
    assert!(fs::metadata(folder.database()).expect("a file").len() > 0);
    let says = ["only the beginning of a journal", "copied while epicme served it", RESTORE, "epicme backup"];
    refuses(&folder, &[SERVE, ADD, &["user", "list"]], &says);
    succeeds(&folder.epicme(&[ADD, &["--create"]].concat(), PASSWORD));
}

#[test]
fn refuses_a_file_whose_end_is_missing() {
    let folder = Folder::new();
    folder.token("ada@example.com", &[]);
    let whole = fs::read(folder.database()).expect("the file");
    for length in [1, 99, 100, 4096, whole.len() / 2, whole.len() - 1] {
        fs::write(folder.database(), &whole[..length]).expect("a cut file");
        refuses(&folder, &[SERVE, ADD], &[&format!("its end is missing: it has {length} bytes"), RESTORE]);
        refuses(&folder, &[&[SERVE, &["--create"]].concat()], &["its end is missing"]);
    }
    fs::write(folder.database(), &whole).expect("the file");
    succeeds(&folder.epicme(ADD, PASSWORD));
}

#[test]
fn keeps_a_log_whose_file_is_missing_or_was_emptied() {
    let (folder, _) = crashed(3);
    let whole = fs::read(folder.database()).expect("the file");
    fs::remove_file(folder.database()).expect("the file");
    let says = ["there is no such file", "has changes of it", RESTORE];
    let reading: [&[&str]; 3] = [&["check"], &["status"], &["user", "list"]];
    refuses(&folder, &[&[SERVE, &[SERVE, &["--create"]].concat(), ADD], &reading[..]].concat(), &says);
    fs::write(folder.database(), "").expect("a file");
    let says = ["it is empty", "has changes of a journal which is missing", RESTORE];
    refuses(&folder, &[SERVE, &[SERVE, &["--create"]].concat(), ADD, &["user", "list"]], &says);
    fs::write(folder.database(), &whole).expect("the file");
    succeeds(&folder.epicme(ADD, PASSWORD));
    assert_eq!(folder.count("entries"), 3);
}

#[test]
fn refuses_a_log_that_is_not_of_the_file_beside_it() {
    let says = ["has changes of another file, or of another time", RESTORE];
    // A copy from before the log, since when the journal has grown.
    let (folder, token) = crashed(3);
    succeeds(&folder.epicme(ADD, PASSWORD)); // moves the log into the file
    let earlier = fs::read(folder.database()).expect("the file");
    write(&folder, &token, 40);
    succeeds(&folder.epicme(&["user", "passwd", "eve@example.com", "--password-stdin"], PASSWORD));
    write(&folder, &token, 1);
    let (last, log) =
        (fs::read(folder.database()).expect("the file"), fs::read(log_of(&folder)).expect("a log"));
    fs::write(folder.database(), &earlier).expect("a copy");
    refuses(&folder, &[SERVE, ADD], &says);
    // With its own file the same log is taken, also where both were copied.
    let copy = Arc::new(Folder::new());
    fs::write(copy.database(), &last).expect("a copy");
    fs::write(log_of(&copy), &log).expect("a copy");
    drop(Server::start_in(copy.clone(), &[]));
    check_integrity(&copy.database());
    assert_eq!(copy.count("entries"), 44);
    // A log of somebody else's journal, which is larger, or smaller. (A log that has every page that differs would make
    // that other journal of it; no file is so much like another but a copy.)
    let journal = |mebibytes: usize| {
        let (folder, token) = crashed(3);
        enlarge(&folder, mebibytes); // moves the log into the file, too
        (folder, token)
    };
    for (own, others) in [(1, 2), (2, 1)] {
        let ((one, _), (other, token)) = (journal(own), journal(others));
        write(&other, &token, 10);
        fs::copy(log_of(&other), log_of(&one)).expect("a log");
        refuses(&one, &[SERVE, ADD], &says);
        fs::remove_file(log_of(&one)).expect("the log");
        drop(Server::start_in(one.clone(), &[]));
        check_integrity(&one.database());
        assert_eq!(one.count("entries"), 3);
    }
    let (other, _) = crashed(30);
    // One that is too short for a log, and one without a commit, change nothing: SQLite ignores them.
    for log in [&b"x".repeat(4000)[..], &fs::read(log_of(&other)).expect("a log")[..5000]] {
        let folder = Folder::new();
        folder.token("ada@example.com", &[]);
        fs::write(log_of(&folder), log).expect("a log");
        succeeds(&folder.epicme(ADD, PASSWORD));
        check_integrity(&folder.database());
    }
}

#[test]
fn refuses_a_log_and_a_file_of_two_times_that_are_of_one_size() {
    let says = ["has changes of another file, or of another time", RESTORE];
    let (folder, token) = crashed(3);
    let both = || {
        let [file, log] = [folder.database(), log_of(&folder)].map(|path| fs::read(path).expect("a file"));
        (file, log)
    };
    let put = |(file, log): (&[u8], &[u8])| {
        fs::write(folder.database(), file).expect("the file");
        fs::write(log_of(&folder), log).expect("the log");
    };
    let (first, first_log) = both();
    for name in ["garden", "kitchen"] {
        let mut server = Server::start_in(folder.clone(), &[]);
        Client::new(&server, &token).ok("create_tag", json!({ "name": name }));
        server.kill();
    }
    let (last, last_log) = both();
    assert_eq!(first.len(), last.len(), "the size tells nothing");
    for (file, log) in [(&last, &first_log), (&first, &last_log)] {
        put((file, log));
        refuses(&folder, &[SERVE, ADD, &["check"], &["token", "list"]], &says);
    }
    for (file, log, tags) in [(&first, &first_log, 0), (&last, &last_log, 2)] {
        put((file, log));
        succeeds(&folder.epicme(&["check"], ""));
        drop(Server::start_in(folder.clone(), &[]));
        assert_eq!((folder.count("entries"), folder.count("tags")), (3, tags));
    }
}

/// The length of a log's header, of a frame of it, and of what each frame has before its page.
const LOG_HEADER: usize = 32;
const FRAME: usize = FRAME_HEADER + 4096;
const FRAME_HEADER: usize = 24;

/// For each frame of a log whether it ends a commit.
fn ends_of_commits(log: &[u8]) -> Vec<bool> {
    let frames = log[LOG_HEADER..].chunks_exact(FRAME);
    frames.take_while(|frame| frame[8..16] == log[16..24]).map(|frame| frame[4..8] != [0; 4]).collect()
}

#[test]
fn refuses_a_damaged_log_that_would_take_back_what_was_acknowledged() {
    let (folder, _) = crashed(6);
    let base = fs::read(folder.database()).expect("the file");
    let log = fs::read(log_of(&folder)).expect("a log");
    let ends = ends_of_commits(&log);
    let commits: Vec<_> = (0..ends.len()).filter(|frame| ends[*frame]).collect();
    let (last, before) = (commits[commits.len() - 1], commits[commits.len() - 2]);
    assert!(before + 1 < last, "the last commit has several frames");
    let with = |log: &[u8]| {
        let folder = Arc::new(Folder::new());
        fs::write(folder.database(), &base).expect("a copy");
        fs::write(log_of(&folder), log).expect("a log");
        folder
    };
    let damaged = |places: &[usize]| {
        let mut log = log.clone();
        for place in places {
            log[*place] ^= 1;
        }
        with(&log)
    };
    let at = |frame: usize| LOG_HEADER + frame * FRAME;
    // Each part of the header; and of a frame: the number of its page, the mark of a commit, the salts, the checksum,
    // and the page.
    let in_frame =
        |frame: usize| [0, 7, 8, 15, 16, 23, 24, FRAME - 1].map(|place| (at(frame), at(frame) + place));
    let in_header = [0, 7, 8, 12, 20, 24, 31].map(|place| (0, place));
    // The last commit but one is damaged within, and in the frame that ends it; but for the bytes without which it is
    // unclear that it ended there.
    let within = in_frame(before - 1).into_iter().filter(|(part, place)| !(16..24).contains(&(place - part)));
    let ending = in_frame(before).into_iter().filter(|(part, place)| !(4..16).contains(&(place - part)));
    let early = in_frame(0).into_iter().chain(in_frame(commits[2])).chain(within).chain(ending);
    for (part, place) in in_header.into_iter().chain(early) {
        let folder = damaged(&[place]);
        let says =
            ["whose name ends in -wal is damaged", &format!("from byte {part} on"), RESTORE, "epicme check"];
        refuses(&folder, &[ADD, &["check"], &["user", "list"]], &says);
    }
    let folder = damaged(&[at(commits[2]) + 100]);
    refuses(&folder, &[SERVE, &[SERVE, &["--create"]].concat()], &["is damaged"]);
    // The way out that the message names.
    fs::rename(log_of(&folder), folder.path().join("kept")).expect("the log");
    let checked = folder.epicme(&["check"], "");
    assert!(stdout(&checked).contains("sound"), "{}{}", stdout(&checked), stderr(&checked));
    drop(Server::start_in(folder, &[]));
    // States in which a power failure may leave the last commit, which nobody was told of: any of its frames may be as
    // before, or partly, or not at all. (A mark of a commit where none ends is no such state.)
    let accepts = |folder: Arc<Folder>, entries: i64| {
        drop(Server::start_in(folder.clone(), &[]));
        check_integrity(&folder.database());
        assert_eq!(folder.count("entries"), entries);
        let checked = folder.epicme(&["check"], "");
        assert!(stdout(&checked).contains("sound"), "{}{}", stdout(&checked), stderr(&checked));
    };
    accepts(with(&log), 6);
    let torn = in_frame(before + 1).into_iter().filter(|(part, place)| !(4..8).contains(&(place - part)));
    for (_, place) in torn.chain(in_frame(last)) {
        accepts(damaged(&[place]), 5);
    }
    accepts(damaged(&[at(before + 1) + 30, at(last) + 30]), 5);
    for missing in before + 1..=last {
        let mut torn = log.clone();
        torn[at(missing)..at(missing + 1)].fill(0);
        accepts(with(&torn), 5);
    }
    // A log that ends early is one that was written until there.
    accepts(with(&log[..at(before + 1)]), 5);
    accepts(with(&log[..at(before) + 100]), 4);
}

#[test]
fn takes_frames_of_an_earlier_turn_of_the_log_for_its_end() {
    let (folder, token) = crashed(30);
    let earlier = fs::read(log_of(&folder)).expect("a log");
    succeeds(&folder.epicme(ADD, PASSWORD)); // moves the log into the file
    let mut server = Server::start_in(folder.clone(), &[]);
    Client::new(&server, &token).ok("create_tag", json!({ "name": "later" }));
    server.kill();
    let base = fs::read(folder.database()).expect("the file");
    let log = fs::read(log_of(&folder)).expect("a log");
    assert!(log.len() < earlier.len() && log[16..24] != earlier[16..24]);
    // SQLite writes a log that starts over upon the old frames: all of it is there, or its header alone.
    for (written, tags) in [(log.len(), 1), (LOG_HEADER, 0)] {
        fs::write(folder.database(), &base).expect("a copy");
        fs::write(log_of(&folder), [&log[..written], &earlier[written..]].concat()).expect("a log");
        drop(Server::start_in(folder.clone(), &[]));
        check_integrity(&folder.database());
        assert_eq!((folder.count("entries"), folder.count("tags")), (30, tags));
    }
}

#[test]
fn makes_a_new_journal_whole_or_not_at_all() {
    let mut dice = chance();
    let begun = Instant::now();
    drop(Server::start());
    let takes = begun.elapsed();
    for _ in 0..kills() {
        let folder = Arc::new(Folder::new());
        run_until_killed(&folder, SERVE, takes, &mut dice);
        if folder.database().exists() {
            let copy = Folder::new();
            fs::copy(folder.database(), copy.database()).expect("a copy");
            let people = stdout(&folder.epicme(&["user", "list"], ""));
            assert_eq!(people, stdout(&copy.epicme(&["user", "list"], "")), "the file alone has its tables");
        }
        drop(Server::start_in(folder.clone(), &[]));
        let left = names(folder.path(), "epicme.db.");
        assert!(left.is_empty() || left == ["epicme.db.epicme-new"], "{left:?}");
        check_integrity(&folder.database());
    }
}

#[test]
fn makes_one_journal_where_several_begin_at_once() {
    let folder = Arc::new(Folder::new());
    let adding: Vec<_> = (0..6)
        .map(|number| {
            let folder = folder.clone();
            let email = format!("person-{number}@example.com");
            thread::spawn(move || folder.epicme(&["user", "add", &email, "--password-stdin"], PASSWORD))
        })
        .collect();
    for added in adding {
        succeeds(&added.join().expect("it ends"));
    }
    assert_eq!(stdout(&folder.epicme(&["user", "list"], "")).lines().count(), 7);
    check_integrity(&folder.database());
}

/// To open a pipe is to wait for a program at its other end.
#[test]
fn waits_for_no_pipe_that_has_the_name_of_a_file() {
    let pipe = |path: &Path| {
        let made = Command::new("mkfifo").arg(path).status().expect("mkfifo runs");
        assert!(made.success(), "{}", path.display());
    };
    let other = Folder::new();
    other.token("ada@example.com", &[]);
    let named = other.path().join("pipe");
    pipe(&named);
    let named = named.to_str().expect("a path");
    let folder = Folder::new();
    let copy = other.path().join("copy.db").to_str().expect("a path").to_owned();
    let commands: [&[&str]; 11] = [
        SERVE,
        ADD,
        &["user", "list"],
        &["token", "create", "ada@example.com"],
        &["backup", &copy],
        &["check"],
        &["status"],
        &["export"],
        &["import", named],
        &["explain", "em_at_x"],
        &["restore", "tests/version_4.db"],
    ];
    let refuse = |says: &str, commands: &[&[&str]]| {
        for command in commands {
            fails(&within_time(&folder, command), 1, says);
        }
    };
    pipe(&folder.database());
    refuse("it is a directory, a device or a pipe; name a file", &commands);
    fs::remove_file(folder.database()).expect("the pipe");
    for journal_is_there in [false, true] {
        if journal_is_there {
            folder.token("ada@example.com", &[]);
        }
        for end in ["db-wal", "db-shm", "db-journal"] {
            let beside = folder.database().with_extension(end);
            pipe(&beside);
            let says = format!("SQLite keeps changes of it in {}, and that is a directory", beside.display());
            refuse(&says, if journal_is_there { &commands[..10] } else { &commands[..2] });
            fs::remove_file(beside).expect("the pipe");
            assert_eq!(folder.database().exists(), journal_is_there);
        }
    }
    refuse("it is a directory, a device or a pipe", &[&["check", named], &["restore", named]]);
    refuse("is no backup, and it stays as it is", &[&["backup", named]]);
    refuse("it is neither a file nor a folder", &[&["import", named]]);
    refuse("exists already", &[&["export", "--output", named]]);
    refuse("there is no such folder", &[&[SERVE, &["--backup-to", named]].concat()]);
}

#[test]
fn refuses_a_second_name_of_a_file_that_a_server_has() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    // A copy has no log before a server begins with it.
    let copy = Folder::new();
    succeeds(&folder.epicme(&["backup", copy.database().to_str().expect("UTF-8")], ""));
    let held = fs::File::open(copy.database()).expect("the file");
    held.lock().expect("a lock");
    succeeds(&copy.epicme(&["user", "list"], ""));

    let mut server = Server::start_in(folder.clone(), &[]);
    Client::new(&server, &token).ok("create_tag", json!({ "name": "garden" }));
    let other = Folder::new();
    fs::hard_link(folder.database(), other.database()).expect("a second name");
    let commands: [&[&str]; 5] = [ADD, SERVE, &["user", "list"], &["check"], &["backup", "b.db"]];
    refuses(&other, &commands[..1], &["has it open by another name", "would be lost"]);
    for command in &commands[1..] {
        assert_eq!(within_time(&other, command).status.code(), Some(1), "{command:?}");
    }
    succeeds(&folder.epicme(ADD, PASSWORD));
    assert_eq!(server.signal("TERM"), Some(0));
    // Once nobody has it, either name leads to all of it.
    assert!(stdout(&other.epicme(&["user", "list"], "")).contains("eve@example.com"));
    assert_eq!(other.count("tags"), 1);
}

#[test]
fn leaves_a_file_that_a_server_has_as_it_is() {
    let folder = Folder::new();
    fs::copy("tests/version_4.db", folder.database()).expect("the file");
    let before = fs::read(folder.database()).expect("the file");
    // What a server has beside its lock: the index of the log. (A command takes away one that nobody has open.)
    let index = |folder: &Folder| fs::write(folder.database().with_extension("db-shm"), "").expect("a file");
    let lock = fs::File::open(folder.database()).expect("the file");
    lock.lock().expect("a lock");
    // A command that writes would bring it up to date too.
    for command in [SERVE, ADD, &["user", "passwd", "ada@example.com", "--password-stdin"]] {
        index(&folder);
        fails(&folder.epicme(command, PASSWORD), 1, "another epicme serves it");
        assert!(fs::read(folder.database()).expect("the file") == before, "it was migrated");
        let names = names(folder.path(), "");
        assert!(names.iter().all(|name| ["epicme.db", "epicme.db-shm"].contains(&&**name)), "{names:?}");
    }
    index(&folder);
    succeeds(&folder.epicme(&["user", "list"], ""));
    // Of a file that is up to date it is no matter.
    let current = Folder::new();
    current.token("ada@example.com", &[]);
    let served = fs::File::open(current.database()).expect("the file");
    served.lock().expect("a lock");
    index(&current);
    succeeds(&current.epicme(ADD, PASSWORD));
    // A command has the lock for a moment only.
    lock.unlock().expect("no lock");
    lock.lock_shared().expect("a lock");
    let folder = Arc::new(folder);
    let begins = thread::spawn({
        let folder = folder.clone();
        move || Server::start_in(folder, &[])
    });
    thread::sleep(Duration::from_millis(50));
    drop(lock);
    drop(begins.join().expect("it starts"));
}
