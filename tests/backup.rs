//! Copies of the whole database: made while a server writes, checked, and whole or not there, whenever a program is
//! killed.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::cli::{fails, in_shell, set_mode, stderr, stdout, unprivileged};
use crate::durability::check_integrity;
use crate::support::{Client, Dice, EPICME, Folder, Server, eventually, iso8601};

/// How often a program is killed; `EPICME_TEST_KILLS` says another number.
pub fn kills() -> usize {
    std::env::var("EPICME_TEST_KILLS").ok().and_then(|count| count.parse().ok()).unwrap_or(10)
}

/// Chance for the moments of kills, another at each run; the seed is printed where a test fails.
pub fn chance() -> Dice {
    let seed = std::env::var("EPICME_TEST_SEED").ok().and_then(|seed| seed.parse().ok());
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock");
    let seed = seed.unwrap_or(now.as_nanos() as u64 | 1);
    println!("EPICME_TEST_SEED={seed}");
    Dice(seed)
}

/// Starts a command on the folder's database, whose output nobody reads.
pub fn start(folder: &Folder, arguments: &[&str]) -> std::process::Child {
    let mut command = Command::new(EPICME);
    command.args(arguments).arg("--database").arg(folder.database()).env_clear();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.spawn().expect("the binary runs")
}

/// Has the database fill many pages with what needs no index.
pub fn enlarge(folder: &Folder, mebibytes: usize) {
    folder.tamper(&format!(
        "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {mebibytes})
         INSERT INTO settings SELECT 'bulk ' || i, randomblob(1048576) FROM n"
    ));
}

/// The names in a folder that begin like this.
pub fn names(folder: &Path, beginning: &str) -> Vec<String> {
    let entries = fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").file_name());
    let names = entries.map(|name| name.into_string().expect("text"));
    let mut names: Vec<_> = names.filter(|name| name.starts_with(beginning)).collect();
    names.sort();
    names
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path")
}

#[track_caller]
fn backs_up(folder: &Folder, to: &Path) {
    let made = folder.epicme(&["backup", text(to)], "");
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    assert!(stderr(&made).contains("; checked"), "{}", stderr(&made));
}

/// The titles of the entries in a file, and the names of its tags.
pub fn texts(database: &Path) -> Vec<String> {
    let connection = Connection::open(database).expect("a database");
    let sql = "SELECT title FROM entries UNION ALL SELECT name FROM tags";
    let mut select = connection.prepare(sql).expect("a statement");
    let rows = select.query_map([], |row| row.get(0)).expect("rows");
    rows.collect::<Result<_, _>>().expect("texts")
}

#[test]
fn copies_the_database_while_others_write_and_changes_nothing_of_it() {
    let server = Server::start();
    let token = server.token("ada@example.com", &[]);
    enlarge(&server.folder, 8);
    let mut first = Client::new(&server, &token);
    for number in 0..20 {
        first.ok("create_entry", json!({ "title": format!("before {number}"), "content": "x" }));
    }
    let copy = server.folder.path().join("copy.db");
    let (stop, written) = (&AtomicBool::new(false), &AtomicUsize::new(0));
    thread::scope(|scope| {
        for writer in 0..2 {
            let mut client = Client::new(&server, &token);
            scope.spawn(move || {
                while !stop.load(Ordering::SeqCst) {
                    let title = format!("during {writer}");
                    client.ok("create_entry", json!({ "title": title, "content": "x" }));
                    written.fetch_add(1, Ordering::SeqCst);
                }
            });
        }
        eventually("they write", || written.load(Ordering::SeqCst) > 4);
        let before = written.load(Ordering::SeqCst);
        let made = server.folder.epicme(&["backup", text(&copy)], "");
        let during = written.load(Ordering::SeqCst) - before;
        stop.store(true, Ordering::SeqCst);
        assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
        assert!(during > 2, "{during} writes came in while it was made");
        let told = stderr(&made);
        assert!(told.contains("a whole copy with 1 person, ") && told.contains(" 0 tags, "), "{told}");
        // All that was acknowledged before is in it.
        assert!(texts(&copy).len() >= 20 + before, "{} of {before}", texts(&copy).len());
    });
    assert_eq!(fs::metadata(&copy).expect("a file").permissions().mode() & 0o777, 0o600);
    assert_eq!(names(server.folder.path(), "copy.db"), ["copy.db"], "one file");
    assert_eq!(fs::read(&copy).expect("a file")[18..20], [1, 1], "that needs no log");
    check_integrity(&copy);
    assert!(texts(&server.folder.database()).len() >= 20 + written.load(Ordering::SeqCst));
    let sql = "SELECT CAST(value AS TEXT) FROM settings WHERE name = 'last_backup'";
    let noted: String = server.folder.open().query_row(sql, [], |row| row.get(0)).expect("a row");
    assert!(noted.starts_with("20") && noted.contains("Z /") && noted.ends_with("/copy.db"), "{noted}");
    // The copy is served as it is.
    let other = Arc::new(Folder::new());
    fs::copy(&copy, other.database()).expect("a copy");
    let server = Server::start_in(other.clone(), &[]);
    Client::new(&server, &token).ok("create_entry", json!({ "title": "after", "content": "x" }));
}

#[test]
fn replaces_an_earlier_backup_and_no_other_file() {
    let folder = Arc::new(Folder::new());
    folder.token("ada@example.com", &[]);
    let others = Folder::new();
    others.token("bob@example.com", &[]);
    let server = Server::start_in(Arc::new(others), &[]); // a log beside the journal of another
    let path = |name: &str| folder.path().join(name);
    fs::write(path("letter.txt"), "dear diary").expect("a file");
    fs::write(path("empty"), "").expect("a file");
    Connection::open(path("foreign.db"))
        .expect("a file")
        .execute_batch("CREATE TABLE t (n)")
        .expect("a table");
    for (link, to) in [("link", "epicme.db"), ("foreign link", "letter.txt"), ("loose", "nowhere")] {
        std::os::unix::fs::symlink(path(to), path(link)).expect("a link");
    }
    fs::hard_link(folder.database(), path("hard")).expect("a link");
    let before = |path: &Path| fs::read(path).unwrap_or_default();
    let itself = "that is the database itself, or a part of it; name another file";
    let taken = "there is a file already that is no backup, and it stays as it is; name another file";
    let rows = [
        (path("letter.txt"), taken),
        (path("empty"), taken),
        (path("foreign.db"), taken),
        (path("foreign link"), taken),
        (folder.path().to_owned(), taken),
        (server.folder.database(), taken),
        (path("nowhere/copy.db"), "there is no such folder; make it"),
        (path("loose"), "there is no such folder"),
        (path("letter.txt/copy.db"), "there is no such folder"),
        ("/dev/null".into(), taken),
    ];
    let refuses = |to: &Path, says: &str| {
        let (of_source, of_target) = (before(&folder.database()), before(to));
        let output = folder.epicme(&["backup", text(to)], "");
        fails(&output, 1, says);
        assert!(stderr(&output).starts_with(&format!("epicme: {}: ", to.display())), "{}", stderr(&output));
        assert!(before(&folder.database()) == of_source && before(to) == of_target, "{}", to.display());
    };
    for to in [folder.database(), path("link"), path("hard")] {
        refuses(&to, itself);
    }
    for (to, says) in &rows {
        refuses(to, says);
    }
    let used = Server::start_in(folder.clone(), &[]);
    for end in ["db-wal", "db-shm"] {
        fails(&folder.epicme(&["backup", text(&folder.database().with_extension(end))], ""), 1, itself);
    }
    drop(used);
    // A backup is replaced, also by a link, and the link stays one.
    let copy = path("copy.db");
    std::os::unix::fs::symlink(&copy, path("latest")).expect("a link");
    backs_up(&folder, &copy);
    for to in [&copy, &path("latest")] {
        folder.epicme(
            &["user", "add", &format!("{}@x", names(folder.path(), "").len()), "--password-stdin"],
            "a password",
        );
        let before = before(&copy);
        backs_up(&folder, to);
        assert!(before != fs::read(&copy).expect("a file"));
        fs::write(path(&format!("more {}", to.file_name().expect("a name").display())), "").expect("a file");
    }
    assert!(path("latest").is_symlink());
    assert_eq!(names(folder.path(), "copy.db"), ["copy.db"]);
}

#[test]
fn keeps_the_earlier_backup_where_there_is_no_room_or_no_permission() {
    let folder = Folder::new();
    folder.token("ada@example.com", &[]);
    let copy = folder.path().join("copy.db");
    backs_up(&folder, &copy);
    let before = fs::read(&copy).expect("a file");
    enlarge(&folder, 4);
    // No file may grow past 1 MiB, which stands in for a full disk.
    let full = in_shell(&folder, "trap '' XFSZ; ulimit -f 2048; exec \"$@\"", &["backup", text(&copy)]);
    fails(&full, 1, "can't write it: ");
    assert!(stderr(&full).contains("see that its disk has free space"), "{}", stderr(&full));
    assert!(before == fs::read(&copy).expect("a file"));
    assert_eq!(names(folder.path(), "copy.db"), ["copy.db"], "and nothing of the other");
    let closed = Folder::new();
    set_mode(closed.path(), 0o755);
    let denied = unprivileged(&folder, &["backup", text(&closed.path().join("copy.db"))]);
    fails(&denied, 1, "can't write it: Permission denied");
    assert!(names(closed.path(), "").is_empty());
    check_integrity(&folder.database());
}

#[test]
fn makes_no_backup_of_what_is_no_journal_and_none_of_a_damaged_one() {
    let folder = Folder::new();
    let copy = folder.path().join("copy.db");
    fails(&folder.epicme(&["backup", text(&copy)], ""), 1, "there is no ");
    assert!(!folder.database().exists());
    fs::write(folder.database(), "").expect("a file");
    fails(&folder.epicme(&["backup", text(&copy)], ""), 1, "it is empty");
    fs::remove_file(folder.database()).expect("the file");
    folder.token("ada@example.com", &[]);
    // A row that no foreign key allows, and a count that SQLite itself finds wrong.
    folder.tamper("PRAGMA foreign_keys = off; INSERT INTO browsers (hash, user_id, created_at, expires_at) VALUES (x'00', 77, 1, 2)");
    let unsound = folder.epicme(&["backup", text(&copy)], "");
    fails(
        &unsound,
        1,
        "the copy isn't sound, so it was thrown away: rows of browsers that refer to rows of users which aren't there: 1",
    );
    assert!(stderr(&unsound).contains("epicme check"), "{}", stderr(&unsound));
    assert!(names(folder.path(), "copy.db").is_empty());
}

#[test]
fn copies_a_database_of_an_earlier_version_and_leaves_it_one() {
    let folder = Folder::new();
    fs::copy("tests/version_4.db", folder.database()).expect("the file");
    let copy = folder.path().join("copy.db");
    backs_up(&folder, &copy);
    for path in [&copy, &folder.database()] {
        let connection = Connection::open(path).expect("a database");
        let version = connection.pragma_query_value(None, "user_version", |row| row.get::<_, i64>(0));
        assert_eq!(version, Ok(4), "{}", path.display());
    }
    assert_eq!(texts(&copy), texts(&folder.database()));
}

/// Kills a command after a time that chance chooses, up to a little longer than it takes; returns whether it had ended.
pub fn run_until_killed(folder: &Folder, arguments: &[&str], takes: Duration, dice: &mut Dice) -> bool {
    let mut child = start(folder, arguments);
    thread::sleep(Duration::from_micros(dice.below(takes.as_micros() as usize * 11 / 10) as u64));
    let has_ended = child.try_wait().expect("a process").is_some();
    let _ = child.kill();
    child.wait().expect("its end");
    has_ended
}

#[test]
fn leaves_a_whole_backup_or_the_earlier_one_when_it_is_killed() {
    let folder = Folder::new();
    folder.token("ada@example.com", &[]);
    enlarge(&folder, 8);
    let copy = folder.path().join("copy.db");
    let begun = Instant::now();
    backs_up(&folder, &copy);
    let (takes, mut dice, mut unfinished) = (begun.elapsed(), chance(), 0);
    let mut earlier = texts(&copy).len();
    for kill in 0..kills() {
        folder.tamper(&format!(
            "INSERT INTO made_tags (user_id, name, created_at, updated_at) VALUES (1, 'tag {kill}', 0, 0)"
        ));
        run_until_killed(&folder, &["backup", text(&copy)], takes, &mut dice);
        let (has, of) = (texts(&copy).len(), texts(&folder.database()).len());
        assert!(has == earlier || has == of, "{has} tags, where there were {earlier} and are {of}");
        unfinished += usize::from(has == earlier);
        earlier = has;
        check_integrity(&copy);
        assert!(names(folder.path(), "copy.db").len() <= 2, "{:?}", names(folder.path(), "copy.db"));
    }
    println!("{unfinished} of {} kills came before it was done", kills());
    assert!(unfinished > 0, "none of {} kills came in time", kills());
    backs_up(&folder, &copy);
    assert_eq!(texts(&copy), texts(&folder.database()));
    assert_eq!(names(folder.path(), "copy.db"), ["copy.db"], "what was left is gone");
}

/// Two at once would write into each other's.
#[test]
fn refuses_a_copy_that_is_being_made_already() {
    let folder = Folder::new();
    folder.token("ada@example.com", &[]);
    let part: PathBuf = folder.path().join("copy.db.epicme-part");
    let other = fs::File::create(&part).expect("a file");
    other.lock().expect("a lock");
    let copy = folder.path().join("copy.db");
    fails(
        &folder.epicme(&["backup", text(&copy)], ""),
        1,
        "another epicme is writing the same file; wait for it",
    );
    assert!(part.exists());
    drop(other); // as a killed one leaves it
    backs_up(&folder, &copy);
    assert!(!part.exists());
}

/// What a program that is killed leaves is known by how it begins.
#[test]
fn removes_no_file_of_a_person_that_has_the_name_of_an_unfinished_one() {
    let folder = Folder::new();
    folder.token("ada@example.com", &[]);
    let whole = folder.path().join("whole.db");
    backs_up(&folder, &whole);
    let path = |name: &str| folder.path().join(name);
    let (copy, linked) = (path("copy.db"), path("linked.db"));
    fs::copy(&whole, &linked).expect("a copy");
    let new = Folder::new();
    let restored = Folder::new();
    restored.token("bob@example.com", &[]);
    let rows = [
        (&folder, &["backup", text(&copy)][..], path("copy.db.epicme-part")),
        (&restored, &[RESTORE, text(&whole)], restored.path().join("epicme.db.restoring")),
        (
            &new,
            &["user", "add", "eve@example.com", "--password-stdin"],
            new.path().join("epicme.db.epicme-new"),
        ),
    ];
    for (folder, command, unfinished) in rows {
        for end in ["", "-wal", "-shm", "-journal"] {
            let own = PathBuf::from(format!("{}{end}", unfinished.display()));
            let refuses = || {
                let output = folder.epicme(command, "a password");
                fails(
                    &output,
                    1,
                    &format!("{} is in the way: it is no unfinished file of epicme", own.display()),
                );
            };
            fs::write(&own, "dear diary, ".repeat(1000)).expect("a file");
            refuses();
            assert_eq!(fs::read(&own).expect("a file"), "dear diary, ".repeat(1000).as_bytes());
            fs::remove_file(&own).expect("the file");
            fs::create_dir(&own).expect("a folder");
            refuses();
            fs::remove_dir(&own).expect("the folder");
            std::os::unix::fs::symlink(&linked, &own).expect("a link");
            refuses();
            assert!(own.is_symlink() && linked.exists());
            fs::remove_file(&own).expect("the link");
        }
        // What a killed one has left, with its journal.
        fs::write(&unfinished, &fs::read(&whole).expect("a file")[..5000]).expect("a part");
        fs::write(format!("{}-journal", unfinished.display()), "a journal").expect("a part");
        let done = folder.epicme(command, "a password");
        assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
        let name = unfinished.file_name().and_then(|name| name.to_str()).expect("a name");
        assert_eq!(names(folder.path(), name), [""; 0]);
    }
    // The database itself has such a name.
    for end in ["", "-wal", "-shm", "-journal"] {
        let itself = path(&format!("other.db.epicme-part{end}"));
        fs::rename(folder.database(), &itself).expect("the file");
        std::os::unix::fs::symlink(&itself, folder.database()).expect("a link");
        let before = fs::read(&itself).expect("a file");
        fails(&folder.epicme(&["backup", text(&path("other.db"))], ""), 1, "is in the way");
        assert!(fs::read(&itself).expect("a file") == before);
        fs::remove_file(folder.database()).expect("the link");
        fs::rename(&itself, folder.database()).expect("the file");
    }
}

const RESTORE: &str = "restore";

/// Where the journals are that restores have put aside, in the order of time; not their logs.
fn put_aside(folder: &Folder) -> Vec<PathBuf> {
    let names = names(folder.path(), "epicme.db.before-restore-");
    names.into_iter().filter(|name| !name.ends_with("-wal")).map(|name| folder.path().join(name)).collect()
}

fn add_tag(folder: &Folder, name: &str) {
    folder.tamper(&format!(
        "INSERT INTO made_tags (user_id, name, created_at, updated_at) VALUES (1, '{name}', 0, 0)"
    ));
}

#[track_caller]
fn restores(folder: &Folder, from: &Path, options: &[&str]) -> String {
    let made = folder.epicme(&[&[RESTORE, text(from)], options].concat(), "");
    assert_eq!(made.status.code(), Some(0), "{}", stderr(&made));
    stderr(&made)
}

/// Makes a journal with the tag `before`, a copy of it, and the tag `since`, which is only in the log of a server that was
/// killed. Returns the folder and the copy.
fn journal_with_a_log() -> (Arc<Folder>, PathBuf) {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    let copy = folder.path().join("copy.db");
    add_tag(&folder, "before");
    backs_up(&folder, &copy);
    let mut server = Server::start_in(folder.clone(), &[]);
    Client::new(&server, &token).ok("create_tag", json!({ "name": "since" }));
    server.kill();
    (folder, copy)
}

#[test]
fn brings_a_backup_back_and_keeps_what_was_there_whole() {
    let (folder, copy) = journal_with_a_log();
    assert!(fs::metadata(folder.database().with_extension("db-wal")).expect("a log").len() > 0);
    let of_copy = fs::read(&copy).expect("a file");
    let told = restores(&folder, &copy, &[]);
    assert_eq!(names(folder.path(), "epicme.db-"), Vec::<String>::new(), "nothing is beside it");
    let aside = put_aside(&folder);
    assert_eq!(aside.len(), 1);
    for says in [
        "copy.db was, with 1 person, 0 entries and 1 tag".to_owned(),
        format!("what was there before is {} now", aside[0].display()),
        "all tokens and sign-ins are ended".to_owned(),
        "--keep-access".to_owned(),
        "passwords are those of the time of the backup".to_owned(),
    ] {
        assert!(told.contains(&says), "{told}");
    }
    assert_eq!(texts(&folder.database()), ["before"]);
    assert_eq!(texts(&aside[0]), ["before", "since"]);
    assert!(fs::read(&copy).expect("a file") == of_copy, "the backup is as it was");
    for path in [&folder.database(), &aside[0]] {
        check_integrity(path);
        assert_eq!(fs::metadata(path).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    // It is a journal again, which no backup replaces.
    let others = Folder::new();
    others.token("bob@example.com", &[]);
    let of_journal = fs::read(folder.database()).expect("a file");
    fails(&others.epicme(&["backup", text(&folder.database())], ""), 1, "that is no backup");
    assert!(fs::read(folder.database()).expect("a file") == of_journal);
    // And back again, for the user whose file it was, if root does it: nobody else can give a file away.
    let given_away = chown(folder.database(), Some(12_345), Some(12_345)).is_ok();
    restores(&folder, &aside[0], &[]);
    let owner = fs::metadata(folder.database()).expect("a file").uid();
    assert_eq!(owner == 12_345, given_away);
    assert_eq!(texts(&folder.database()), ["before", "since"]);
    assert_eq!(put_aside(&folder).len(), 2);
    // Where there is nothing, it is a way to move a journal.
    let other = Folder::new();
    let told = restores(&other, &copy, &["--keep-access"]);
    assert!(!told.contains("what was there before"), "{told}");
    assert_eq!(texts(&other.database()), ["before"]);
    // By a link it is the file that is replaced.
    let links = Folder::new();
    std::os::unix::fs::symlink(other.database(), links.database()).expect("a link");
    restores(&links, &aside[0], &[]);
    assert!(links.database().is_symlink());
    assert_eq!(texts(&other.database()), ["before", "since"]);
}

#[test]
fn ends_all_access_that_a_backup_would_bring_back_unless_it_is_told_not_to() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    folder.tamper(
        "INSERT INTO clients VALUES ('c', 'an app', 'https://app.example/', 'none', NULL, 'operator', 0);
         INSERT INTO grants (user_id, client_id, resource, scope, created_at, used_at) VALUES (1, 'c', 'r', 's', 0, 0);
         INSERT INTO browsers (hash, user_id, created_at, expires_at) VALUES (x'00', 1, 0, 9999999999)",
    );
    let copy = folder.path().join("copy.db");
    backs_up(&folder, &copy);
    assert!(folder.epicme(&["token", "revoke", "1"], "").status.success());
    let status = |folder: &Arc<Folder>| {
        let server = Server::start_in(folder.clone(), &[]);
        Client::new(&server, &token).modern("tools/list", json!({})).status
    };
    restores(&folder, &copy, &[]);
    assert_eq!(status(&folder), 401, "what was revoked since stays revoked");
    assert_eq!(folder.count("grants WHERE revoked_at IS NULL"), 0);
    assert_eq!(folder.count("browsers"), 0);
    assert_eq!(folder.count("users") + folder.count("clients"), 2);
    let told = restores(&folder, &copy, &["--keep-access"]);
    assert!(
        told.contains("what was revoked since is good again") && told.contains("token revoke ID"),
        "{told}"
    );
    assert_eq!(status(&folder), 200);
    assert_eq!(folder.count("grants WHERE revoked_at IS NULL") + folder.count("browsers"), 2);
    // A backup of any version is brought back, and brought up to date by the next start.
    for version in 1..=4 {
        let path = Path::new("tests").join(format!("version_{version}.db"));
        let old = folder.path().join("old.db");
        fs::copy(path, &old).expect("the file");
        let told = restores(&folder, &old, &[]);
        assert!(
            told.contains(&format!("it has version {version}; epicme serve brings it up to date")),
            "{told}"
        );
        assert_eq!(folder.count("tokens WHERE revoked_at IS NULL"), 0);
        drop(Server::start_in(folder.clone(), &[]));
        check_integrity(&folder.database());
    }
}

#[test]
fn refuses_to_restore_what_is_no_backup_or_over_what_is_used() {
    let folder = Arc::new(Folder::new());
    folder.token("ada@example.com", &[]);
    let path = |name: &str| folder.path().join(name);
    let copy = path("copy.db");
    backs_up(&folder, &copy);
    let whole = fs::read(&copy).expect("a file");
    fs::write(path("letter.txt"), "dear diary").expect("a file");
    fs::write(path("noise.db"), vec![7; 20_000]).expect("a file");
    fs::write(path("empty.db"), "").expect("a file");
    fs::write(path("cut.db"), &whole[..whole.len() / 2]).expect("a file");
    Connection::open(path("foreign.db"))
        .expect("a file")
        .execute_batch("CREATE TABLE t (n)")
        .expect("a table");
    fs::write(path("newer.db"), &whole).expect("a file");
    Connection::open(path("newer.db"))
        .expect("a file")
        .pragma_update(None, "user_version", 99)
        .expect("a number");
    let mut torn = whole.clone();
    let middle = torn.len() / 2;
    torn[middle..middle + 4096].fill(0xff);
    fs::write(path("torn.db"), torn).expect("a file");
    let state = || {
        let names = names(folder.path(), "")
            .into_iter()
            .filter(|name| !name.ends_with("-shm") && !name.ends_with("-wal"));
        names.map(|name| (name.clone(), fs::read(path(&name)).expect("a file"))).collect::<Vec<_>>()
    };
    let before = state();
    for (name, says) in [
        ("nothing.db", "can't open it: No such file"),
        ("letter.txt", "its end is missing"),
        ("noise.db", "not a database"),
        ("empty.db", "it is empty"),
        ("cut.db", "its end is missing"),
        ("foreign.db", "another program's database"),
        ("newer.db", "has version 99"),
        ("torn.db", "the copy isn't sound"),
        ("epicme.db", "that is the database itself"),
        (".", "name a file"),
    ] {
        let output = folder.epicme(&[RESTORE, text(&path(name))], "");
        fails(&output, 1, says);
        assert!(state() == before, "{name}: something was changed");
    }
    let server = Server::start_in(folder.clone(), &[]);
    fails(&folder.epicme(&[RESTORE, text(&copy)], ""), 1, "another program uses it; stop that one");
    drop(server);
    let other = Connection::open(folder.database()).expect("the database");
    other.query_row("SELECT count(*) FROM users", [], |_| Ok(())).expect("it reads");
    fails(&folder.epicme(&[RESTORE, text(&copy)], ""), 1, "another program uses it; stop that one");
    drop(other);
    // Another program's database isn't put aside.
    let foreign = Folder::new();
    fs::copy(path("foreign.db"), foreign.database()).expect("a copy");
    fails(&foreign.epicme(&[RESTORE, text(&copy)], ""), 1, "another program's database");
    assert_eq!(names(foreign.path(), "").len(), 1, "{:?}", names(foreign.path(), ""));
    // No room, and no permission.
    let full = in_shell(&folder, "trap '' XFSZ; ulimit -f 256; exec \"$@\"", &[RESTORE, text(&copy)]);
    fails(&full, 1, "can't write it: ");
    assert!(
        stderr(&full).contains("free space") && stderr(&full).contains("nothing was restored"),
        "{}",
        stderr(&full)
    );
    set_mode(&copy, 0o644);
    let closed = Folder::new();
    closed.token("ada@example.com", &[]);
    let denied = unprivileged(&closed, &[RESTORE, text(&copy)]);
    fails(&denied, 1, "can't write it: Permission denied");
    assert!(put_aside(&folder).is_empty() && put_aside(&closed).is_empty());
    restores(&folder, &copy, &[]);
}

#[test]
fn puts_a_damaged_journal_aside_with_its_log() {
    let damage = |name: &str, path: &Path| match name {
        "noise" | "noise beside a damaged log" => fs::write(path, vec![9; 30_000]),
        "emptied" => fs::write(path, ""),
        "cut" => fs::File::options().write(true).open(path).and_then(|file| file.set_len(5000)),
        _ => fs::remove_file(path),
    };
    for name in ["noise", "noise beside a damaged log", "emptied", "cut", "missing"] {
        let (folder, copy) = journal_with_a_log();
        let log = folder.database().with_extension("db-wal");
        let mut bytes = fs::read(&log).expect("a log");
        bytes[20] ^= u8::from(name == "noise beside a damaged log");
        fs::write(&log, &bytes).expect("a log");
        damage(name, &folder.database()).expect(name);
        let damaged = fs::read(folder.database()).ok();
        restores(&folder, &copy, &[]);
        assert_eq!(texts(&folder.database()), ["before"], "{name}");
        let logs = names(folder.path(), "epicme.db.before-restore-");
        let kept = logs.iter().find(|name| name.ends_with("-wal")).expect("the log");
        assert!(fs::read(folder.path().join(kept)).expect("a log") == bytes, "{name}");
        assert_eq!(put_aside(&folder).first().map(|path| fs::read(path).expect("a file")), damaged, "{name}");
        drop(Server::start_in(folder.clone(), &[]));
        check_integrity(&folder.database());
    }
}

#[test]
fn restores_whole_or_says_to_restore_again_when_it_is_killed() {
    let folder = Arc::new(Folder::new());
    let token = folder.token("ada@example.com", &[]);
    enlarge(&folder, 4);
    let copy = folder.path().join("copy.db");
    add_tag(&folder, "before");
    backs_up(&folder, &copy);
    let restore: &[&str] = &[RESTORE, text(&copy), "--keep-access"];
    let begun = Instant::now();
    restores(&folder, &copy, &["--keep-access"]);
    let (takes, mut dice, mut unfinished) = (begun.elapsed(), chance(), 0);
    for kill in 0..kills() {
        let mut server = Server::start_in(folder.clone(), &[]);
        let since = format!("since {kill}");
        Client::new(&server, &token).ok("create_tag", json!({ "name": since }));
        server.kill(); // so that there is a log
        let last = [vec!["before".to_owned()], vec![since.clone()]].concat();
        run_until_killed(&folder, restore, takes, &mut dice);
        // The old journal is somewhere, with all that it had.
        let mut places = put_aside(&folder);
        places.extend(Some(folder.database()).filter(|path| path.exists()));
        let copies: Vec<_> = places.iter().map(|path| copied(path)).collect();
        assert!(copies.iter().any(|folder| texts(&folder.database()) == last), "{kill}: {places:?}");
        if folder.database().exists() {
            let texts = texts(&copied(&folder.database()).database());
            assert!(texts == last || texts == ["before"], "{kill}: {texts:?}");
            unfinished += usize::from(texts == last);
            drop(Server::start_in(folder.clone(), &[]));
        } else {
            unfinished += 1;
            let refused = folder.epicme(&["serve", "--listen", "127.0.0.1:0"], "");
            fails(&refused, 1, "epicme restore FILE");
        }
        restores(&folder, &copy, &["--keep-access"]);
        assert_eq!(texts(&folder.database()), ["before"], "{kill}");
        assert!(names(folder.path(), "epicme.db.restoring").is_empty());
        check_integrity(&folder.database());
        for path in put_aside(&folder) {
            check_integrity(&path);
            fs::remove_file(path).expect("a file");
        }
    }
    println!("{unfinished} of {} kills came before it was done", kills());
    assert!(unfinished > 0, "none of {} kills came in time", kills());
}

/// A copy of a database and of its log in a folder of its own, which may be opened.
fn copied(database: &Path) -> Folder {
    let folder = Folder::new();
    fs::copy(database, folder.database()).expect("a copy");
    let mut log = database.as_os_str().to_owned();
    log.push("-wal");
    let _ = fs::copy(log, folder.database().with_extension("db-wal"));
    folder
}

/// The states between two renames of a restore, in each of which a kill may leave it.
#[test]
fn goes_on_where_a_restore_was_interrupted() {
    let prepared = || {
        let (folder, copy) = journal_with_a_log();
        fs::write(folder.path().join("epicme.db.restoring"), &fs::read(&copy).expect("a file")[..5000])
            .expect("a file");
        (folder, copy)
    };
    let aside = "epicme.db.before-restore-20200101T000000Z";
    for log_is_moved in [false, true] {
        let (folder, copy) = prepared();
        let log = folder.database().with_extension("db-wal");
        fs::rename(folder.database(), folder.path().join(aside)).expect("the file");
        if log_is_moved {
            fs::rename(&log, folder.path().join(format!("{aside}-wal"))).expect("the log");
        }
        let before = names(folder.path(), "");
        for command in [
            &["serve", "--listen", "127.0.0.1:0"][..],
            &["user", "add", "eve@example.com", "--password-stdin"],
        ] {
            fails(&folder.epicme(command, "a password"), 1, "a restore was interrupted");
        }
        assert_eq!(names(folder.path(), ""), before);
        // Another try that fails leaves it so.
        let full = in_shell(&folder, "trap '' XFSZ; ulimit -f 256; exec \"$@\"", &[RESTORE, text(&copy)]);
        fails(&full, 1, "nothing was restored");
        assert_eq!(names(folder.path(), ""), before);
        restores(&folder, &copy, &[]);
        assert_eq!(texts(&folder.database()), ["before"]);
        assert_eq!(put_aside(&folder), [folder.path().join(aside)]);
        let path = |name: &str| folder.path().join(name).to_str().expect("UTF-8").to_owned();
        fails(&folder.epicme(&["backup", &path(aside)], ""), 1, "that is no backup");
        // Names that a start or SQLite would take for its own.
        for suffix in ["", "-wal", "-shm", "-journal", ".restoring", ".epicme-new"] {
            let name = path(&format!("epicme.db{suffix}"));
            fails(&folder.epicme(&["backup", &name], ""), 1, "the database itself, or a part of it");
        }
        let unfinished = path("epicme.db.restoring");
        fs::copy(&copy, &unfinished).expect("a copy");
        fails(&folder.epicme(&["restore", &unfinished], ""), 1, "epicme.db.restoring");
        assert!(Path::new(&unfinished).exists());
        assert_eq!(texts(&folder.path().join(aside)), ["before", "since"], "with its log");
    }
}

#[test]
fn puts_a_log_that_is_alone_beside_no_other_file() {
    let (folder, copy) = journal_with_a_log();
    let path = |name: &str| folder.path().join(name);
    restores(&folder, &copy, &[]);
    let aside = put_aside(&folder);
    let before = fs::read(&aside[0]).expect("a file");
    fs::remove_file(folder.database()).expect("the file");
    fs::write(path("epicme.db-wal"), "a log of which nobody knows the file").expect("a log");
    let told = restores(&folder, &copy, &[]);
    let logs: Vec<_> =
        names(folder.path(), "epicme.db.before").into_iter().filter(|name| name.ends_with("-wal")).collect();
    assert_eq!(logs.len(), 1, "{logs:?}");
    assert!(told.contains(&format!("before is {} now", path(&logs[0]).display())), "{told}");
    assert!(!path(logs[0].strip_suffix("-wal").expect("a log")).exists(), "{logs:?}");
    assert!(fs::read(path(&logs[0])).expect("a log").starts_with(b"a log of which"));
    assert_eq!(put_aside(&folder), aside);
    assert!(fs::read(&aside[0]).expect("a file") == before);
}

#[test]
fn says_that_a_restore_was_interrupted_which_failed_after_it_had_put_the_old_file_aside() {
    let (folder, copy) = journal_with_a_log();
    // The name of the old file can go on with the time of the restore, and that of its log can't.
    let name = "n".repeat(255 - ".before-restore-20260101T000000Z".len());
    let path = |end: &str| folder.path().join(format!("{name}{end}"));
    fs::write(path(""), vec![9; 30_000]).expect("a damaged file"); // with which its log is put aside
    fs::write(path("-wal"), "a log").expect("a log");
    let epicme = |arguments: &[&str]| {
        let mut command = Command::new("timeout");
        command.args(["10", EPICME]).args(arguments).args(["--database", text(&path(""))]).env_clear();
        command.output().expect("timeout runs")
    };
    fails(&epicme(&[RESTORE, text(&copy)]), 1, "run the restore again");
    let left = names(folder.path(), &name);
    assert!(left.len() == 3 && left[0].ends_with("-wal") && left[2].ends_with(".restoring"), "{left:?}");
    fs::remove_file(path("-wal")).expect("the log");
    fails(&epicme(&["serve", "--listen", "127.0.0.1:0"]), 1, "a restore was interrupted");
    let done = epicme(&[RESTORE, text(&copy)]);
    assert_eq!(done.status.code(), Some(0), "{}", stderr(&done));
    assert_eq!(texts(&path("")), ["before"]);
}

#[test]
fn says_in_words_what_is_wrong_with_a_database() {
    let check = |folder: &Folder, arguments: &[&str]| folder.epicme(&[&["check"], arguments].concat(), "");
    let folder = Folder::new();
    fails(&check(&folder, &[]), 1, "can't open it: No such file");
    folder.token("ada@example.com", &[]);
    let copy = folder.path().join("copy.db");
    folder.tamper(
        "INSERT INTO made_entries (user_id, title, content, created_at, updated_at) VALUES (1, 'an entry', 'x', 0, 0)",
    );
    folder.token("ada@example.com", &[]); // indexes it
    backs_up(&folder, &copy);
    for (arguments, name) in [(&[][..], "epicme.db"), (&[text(&copy)], "copy.db")] {
        let before = fs::read(folder.path().join(name)).expect("a file");
        let sound = check(&folder, arguments);
        assert_eq!(sound.status.code(), Some(0), "{}", stderr(&sound));
        let told = stdout(&sound);
        assert!(
            told.ends_with(&format!(
                "{name}: sound, of schema version 5, with 1 person, 1 entry and 0 tags\n"
            )),
            "{told}"
        );
        assert!(before == fs::read(folder.path().join(name)).expect("a file"));
    }
    let faults: [(&str, &[&str]); 11] = [
        ("DROP INDEX entries_newest", &["the index entries_newest is missing\n"]),
        ("DROP TABLE browsers", &["the table browsers is missing\n"]),
        ("DROP TABLE search_index", &["the table search_index is missing\n", "search_index_data is missing"]),
        (
            "PRAGMA writable_schema = on;
             UPDATE sqlite_schema SET sql = replace(sql, 'NOT NULL', '') WHERE name = 'browsers'",
            &["the table browsers isn't as this program makes it\n"],
        ),
        (
            "INSERT INTO settings VALUES ('audience', x'00'), ('seal_key', x'00')",
            &["(seal_key in settings): 1"],
        ),
        (
            "PRAGMA foreign_keys = off; INSERT INTO browsers (hash, user_id, created_at, expires_at) VALUES (x'00', 77, 1, 2)",
            &["rows of browsers that refer to rows of users which aren't there: 1"],
        ),
        (
            "UPDATE journal_counts SET number = 5 WHERE kind = 'entries'",
            &["numbers of rows", "(journal_counts): 1"],
        ),
        (
            "INSERT INTO made_entries (user_id, title, content, created_at, updated_at) VALUES (1, 'x', 'x', 0, 0)",
            &["entries that no search finds", "epicme serve adds when it starts: 1"],
        ),
        ("DELETE FROM entries", &["rows of the search index that are of no entry: 1"]),
        (
            "DROP INDEX entries_newest; PRAGMA writable_schema = on;
             INSERT INTO sqlite_schema SELECT 'index', 'entries_newest', 'entries',
                 (SELECT rootpage FROM sqlite_schema WHERE name = 'entries_favorite'),
                 'CREATE INDEX entries_newest ON entries (user_id, date DESC, created_at DESC, id DESC)'",
            &["entries_newest"],
        ),
        (
            "PRAGMA writable_schema = on; UPDATE sqlite_schema SET rootpage = 100000 WHERE name = 'grants'",
            &[],
        ),
    ];
    for (sql, says) in faults {
        let broken = Folder::new();
        fs::copy(&copy, broken.database()).expect("a copy");
        broken.tamper(sql);
        let output = check(&broken, &[]);
        assert_eq!(output.status.code(), Some(1), "{sql}: {}", stdout(&output));
        let told = stdout(&output) + &stderr(&output);
        for part in says.iter().chain(&["epicme restore FILE"]) {
            assert!(told.contains(part), "{sql}: {told}");
        }
    }
    // Each trigger is missed. What was added isn't wrong.
    let triggers = Connection::open(&copy).expect("the copy");
    let triggers: Vec<String> = triggers
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'trigger'")
        .and_then(|mut select| select.query_map([], |row| row.get(0))?.collect())
        .expect("names");
    assert!(!triggers.is_empty());
    let other = Folder::new();
    for name in triggers {
        fs::copy(&copy, other.database()).expect("a copy");
        other.tamper("CREATE TABLE a_program_of_replication (n)");
        assert_eq!(check(&other, &[]).status.code(), Some(0));
        other.tamper(&format!("DROP TRIGGER {name}"));
        let told = stdout(&check(&other, &[]));
        assert!(told.contains(&format!("the trigger {name} is missing\n")), "{told}");
    }
    // A file of each version is as the steps until then make it, and so is what later steps make of it.
    for version in 1..=4 {
        fs::copy(format!("tests/version_{version}.db"), other.database()).expect("a copy");
        assert_eq!(check(&other, &[]).status.code(), Some(0), "{version}");
        let brought = other.epicme(&["user", "add", "eve@example.com", "--password-stdin"], "a password");
        assert_eq!(brought.status.code(), Some(0), "{}", stderr(&brought));
        let told = stdout(&check(&other, &[]));
        assert!(told.contains("sound, of schema version 5"), "{version}: {told}");
    }
    let cut = Folder::new();
    fs::write(cut.database(), &fs::read(&copy).expect("a file")[..9000]).expect("a cut file");
    fails(&check(&cut, &[]), 1, "its end is missing");
    fs::copy("tests/version_4.db", cut.database()).expect("a copy");
    let told = stdout(&check(&cut, &[]));
    assert!(
        told.contains(": sound, of schema version 4, with ") && told.contains("; epicme serve brings it"),
        "{told}"
    );
}

/// The name of a backup that a server has made so many seconds ago.
fn name_of(seconds_ago: i64) -> String {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).expect("a clock").as_secs();
    format!("epicme-{}.db", iso8601(now as i64 - seconds_ago).replace(['-', ':'], ""))
}

/// A folder with a journal, and beside it one for backups.
fn with_backups() -> (Arc<Folder>, PathBuf) {
    let folder = Arc::new(Folder::new());
    folder.token("ada@example.com", &[]);
    let backups = folder.path().join("backups");
    fs::create_dir(&backups).expect("a folder");
    (folder, backups)
}

#[test]
fn backs_up_while_it_serves_and_deletes_only_what_it_made() {
    let (folder, backups) = with_backups();
    // What isn't its own stays, whatever its name is like.
    let others = ["epicme.db", "epicme-20200101T000000Z.db.old", "letter.txt", "epicme-20200101T000000Z.db"];
    for name in others {
        fs::write(backups.join(name), "not a backup").expect("a file");
    }
    let left = "epicme-20200101T000001Z.db.epicme-part"; // by a server that was killed
    fs::write(backups.join(left), "").expect("a file");
    let options = ["--backup-to", text(&backups), "--every", "1s", "--keep", "2"];
    let mut server = Server::start_in(folder.clone(), &options);
    let made: Vec<_> = (0..4)
        .map(|_| {
            let line = server.next_log_with("backed up to ");
            assert!(line.contains(": 1 person, 0 entries and 0 tags; checked"), "{line}");
            let name = line.split("backups/").nth(1).and_then(|rest| rest.split(':').next()).expect("a name");
            name.to_owned()
        })
        .collect();
    assert_eq!(server.signal("TERM"), Some(0));
    let kept: Vec<_> =
        names(&backups, "").into_iter().filter(|name| !others.contains(&name.as_str())).collect();
    assert_eq!(kept.len(), 2, "{kept:?}");
    assert!(!kept.contains(&made[0]) && !kept.contains(&made[1]), "the oldest go: {kept:?}");
    for name in others {
        assert_eq!(fs::read(backups.join(name)).expect(name), b"not a backup");
    }
    for name in &kept {
        check_integrity(&backups.join(name));
        assert_eq!(fs::metadata(backups.join(name)).expect("a file").permissions().mode() & 0o777, 0o600);
    }
    let sql = "SELECT CAST(value AS TEXT) FROM settings WHERE name = 'last_backup'";
    let noted: String = folder.open().query_row(sql, [], |row| row.get(0)).expect("a row");
    assert!(noted.contains("/backups/epicme-"), "{noted}");
}

#[test]
fn makes_a_backup_when_the_newest_is_old_whenever_it_was_started() {
    for (age, is_due) in [(3600, false), (23 * 3600, false), (25 * 3600, true)] {
        let (folder, backups) = with_backups();
        drop(Server::start_in(folder.clone(), &[])); // a journal is known as itself once it was served
        let earlier = name_of(age);
        backs_up(&folder, &backups.join(&earlier));
        let server = Server::start_in(folder.clone(), &["--backup-to", text(&backups)]);
        if is_due {
            server.log_with("backed up to ");
            assert_eq!(names(&backups, "").len(), 2);
        } else {
            server.output_with("MCP URL");
            thread::sleep(Duration::from_millis(300)); // the same holds if it looks later
            assert_eq!(names(&backups, ""), [earlier]);
        }
    }
    // A clock that jumps back leaves backups from the future.
    let (folder, backups) = with_backups();
    drop(Server::start_in(folder.clone(), &[]));
    let future = [name_of(-3600), name_of(-7200), name_of(-10_800)];
    for name in &future {
        backs_up(&folder, &backups.join(name));
    }
    let options = ["--backup-to", text(&backups), "--every", "1s", "--keep", "1"];
    let server = Server::start_in(folder.clone(), &options);
    let line = server.next_log_with("from the future by this machine's clock");
    assert!(line.contains(&future[2]) && line.contains("isn't deleted"), "{line}");
    server.next_log_with("backed up to ");
    server.next_log_with("backed up to ");
    let (log, found) = (server.log(), names(&backups, ""));
    assert_eq!(log.matches("from the future").count(), 1, "once: {log}");
    assert!(future.iter().all(|name| found.contains(name)) && found.len() <= 5, "{found:?}");
}

#[test]
fn leaves_the_backups_of_another_database_alone() {
    let (other, backups) = with_backups();
    drop(Server::start_in(other.clone(), &[]));
    let others: Vec<_> = [3 * 86_400, 86_400, 5].map(name_of).into();
    for name in &others {
        backs_up(&other, &backups.join(name));
    }
    let folder = Arc::new(Folder::new());
    folder.token("bob@example.com", &[]);
    // The other's newest is no reason to wait a day.
    let options = ["--backup-to", text(&backups), "--keep", "1"];
    let server = Server::start_in(folder.clone(), &options);
    server.next_log_with("backed up to ");
    drop(server);
    let server = Server::start_in(folder, &[&options[..], &["--every", "1s"]].concat());
    let line = server.next_log_with("is no backup of this database");
    assert!(line.contains(text(&backups)) && line.contains("neither counted nor deleted"), "{line}");
    for _ in 0..3 {
        server.next_log_with("backed up to ");
    }
    // Both at once, also in the same second.
    let options = ["--backup-to", text(&backups), "--keep", "5", "--every", "1s"];
    let beside = Server::start_in(other.clone(), &options);
    for _ in 0..3 {
        server.next_log_with("backed up to ");
        beside.next_log_with("backed up to ");
    }
    let logs = [server.log(), beside.log()];
    drop((server, beside));
    for log in logs {
        assert_eq!(log.matches("is no backup of this database").count(), 1, "once: {log}");
        assert!(!log.contains("no backup was made"), "{log}");
    }
    let of = |email: &str| {
        let sql = "SELECT count(*) FROM users WHERE email = ?1";
        let has = |name: &String| {
            let copy = Connection::open(backups.join(name)).expect("a database");
            copy.query_row(sql, [email], |row| row.get::<_, i64>(0)) == Ok(1)
        };
        names(&backups, "epicme-").into_iter().filter(|name| name.ends_with(".db") && has(name)).count()
    };
    let own = of("bob@example.com");
    assert!(own == 1 || own == 2, "the newest, and perhaps one more: {own}");
    assert!(of("ada@example.com") >= 5, "{:?}", names(&backups, ""));
}

#[test]
fn serves_on_where_a_backup_fails_and_tries_again() {
    let (folder, backups) = with_backups();
    let token = folder.token("ada@example.com", &[]);
    let mut server = Server::start_in(folder.clone(), &["--backup-to", text(&backups), "--every", "1s"]);
    server.next_log_with("backed up to ");
    fs::rename(&backups, folder.path().join("away")).expect("the folder");
    let line = server.next_log_with("no backup was made in ");
    assert!(line.contains("the next try is in 1 seconds"), "{line}");
    Client::new(&server, &token).ok("whoami", json!({}));
    fs::create_dir(&backups).expect("a folder");
    server.next_log_with("backed up to ");
    assert_eq!(server.signal("TERM"), Some(0));
    let refused = |options: &[&str], code: i32, says: &str| {
        let output = folder.epicme(&[&["serve", "--listen", "127.0.0.1:0"], options].concat(), "");
        fails(&output, code, says);
    };
    refused(&["--backup-to", "/nowhere"], 1, "/nowhere: there is no such folder; make it");
    refused(&["--every", "1h"], 2, "--every is for the backups of --backup-to DIR");
    refused(&["--keep", "3"], 2, "--keep is for the backups of --backup-to DIR");
    refused(&["--backup-to", text(&backups), "--every", "daily"], 2, "--every takes a time like");
    refused(&["--backup-to", text(&backups), "--keep", "0"], 2, "--keep takes how many");
}

#[test]
fn stops_in_order_in_the_middle_of_a_backup() {
    let (folder, backups) = with_backups();
    let token = folder.token("ada@example.com", &[]);
    enlarge(&folder, 48);
    let mut server = Server::start_in(folder.clone(), &["--backup-to", text(&backups), "--every", "1s"]);
    eventually("a backup is being made", || {
        names(&backups, "").iter().any(|name| name.ends_with(".epicme-part"))
    });
    Client::new(&server, &token).ok("create_tag", json!({ "name": "last" }));
    assert_eq!(server.signal("TERM"), Some(0));
    let log = folder.database().with_extension("db-wal");
    assert_eq!(fs::metadata(log).map_or(0, |log| log.len()), 0, "the log is empty");
    for name in names(&backups, "").iter().filter(|name| !name.ends_with(".epicme-part")) {
        check_integrity(&backups.join(name));
    }
    check_integrity(&folder.database());
}

#[test]
fn says_when_its_file_is_moved_replaced_or_deleted_under_it_and_writes_nothing() {
    let (folder, backups) = with_backups();
    let token = folder.token("ada@example.com", &[]);
    let server = Server::start_in(folder.clone(), &["--backup-to", text(&backups), "--every", "1s"]);
    server.next_log_with("backed up to ");
    let moved = folder.path().join("moved.db");
    let mut client = Client::new(&server, &token);
    let other = folder.path().join("other.db");
    fs::copy(folder.database(), &other).expect("another file");
    fs::hard_link(folder.database(), &moved).expect("a name");
    fs::rename(&other, folder.database()).expect("the other file");
    // From the first moment, what would be lost to the next start isn't acknowledged; reads go on.
    let lost = json!({ "name": "create_tag", "arguments": { "name": "lost" } });
    assert_eq!(client.modern("tools/call", lost.clone()).json()["error"]["code"], -32603);
    let line = server.next_log_with("while this server has it open");
    assert!(line.contains("epicme.db was") && line.contains("epicme restore FILE"), "{line}");
    thread::sleep(Duration::from_millis(1200)); // one look and more
    assert_eq!(client.modern("tools/call", lost).json()["error"]["code"], -32603);
    assert_eq!(client.ok("list_tags", json!({}))["tags"].as_array().map(Vec::len), Some(0));
    fs::rename(&moved, folder.database()).expect("the file");
    server.next_log_with("is back in its place");
    client.ok("create_tag", json!({ "name": "kept" }));
    assert_eq!(texts(&folder.database()), ["kept"]);
    assert_eq!(server.log().matches("while this server has it open").count(), 1);
    server.next_log_with("backed up to ");
}
