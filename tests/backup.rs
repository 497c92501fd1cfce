//! Copies of the whole database: made while a server writes, checked, and whole or not there, whenever a program is
//! killed.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::json;

use crate::cli::{fails, in_shell, set_mode, stderr, unprivileged};
use crate::durability::check_integrity;
use crate::support::{Client, Dice, EPICME, Folder, Server, eventually};

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
    folder.tamper("PRAGMA foreign_keys = off; INSERT INTO browsers VALUES (x'00', 77, 1, 2)");
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
    let part: PathBuf = folder.path().join("copy.db.part");
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
