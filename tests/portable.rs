//! Out and in: what `epicme export` writes, and what `epicme import` makes of it and of other programs' files.
//!
//! How each format is read and written is tested beside it, in `src/portable/`.

use std::collections::BTreeSet;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;

use serde_json::{Value, json};

use crate::oauth::{EMAIL, House, hidden, text};
use crate::support::{Client, Dice, EPICME, Folder, PASSWORD, Server};

const ADA: &str = "ada@example.com";
const BOB: &str = "bob@example.com";

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

/// A folder whose database has these people.
fn folder_of(people: &[&str]) -> Folder {
    let folder = Folder::new();
    for email in people {
        let added = folder.epicme(&["user", "add", email, "--password-stdin"], PASSWORD);
        assert!(added.status.success(), "{}", stderr(&added));
    }
    folder
}

/// What a command that must succeed says.
#[track_caller]
fn done(folder: &Folder, arguments: &[&str]) -> String {
    let output = folder.epicme(arguments, "");
    assert!(output.status.success(), "{arguments:?}: {}", stderr(&output));
    stderr(&output)
}

/// What a command says that must fail with this exit code.
#[track_caller]
fn failed(folder: &Folder, arguments: &[&str], code: i32) -> String {
    let output = folder.epicme(arguments, "");
    assert_eq!(output.status.code(), Some(code), "{arguments:?}: {}", stderr(&output));
    assert!(output.stdout.is_empty());
    stderr(&output)
}

fn file(folder: &Folder, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
    fs::write(&path, text).expect("a file");
    path.to_str().expect("UTF-8").to_owned()
}

/// What `epicme export` writes to standard output.
#[track_caller]
fn exported(folder: &Folder, email: &str) -> Value {
    let output = folder.epicme(&["export", email], "");
    assert!(output.status.success(), "{}", stderr(&output));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn export_of(entries: &Value, tags: &Value) -> String {
    json!({ "format": "epicme-export", "version": 1, "tags": tags, "entries": entries }).to_string()
}

/// An entry that a person could have written, in any script.
fn entry(dice: &mut Dice, id: usize) -> Value {
    const PIECES: [&str; 24] = [
        "今天天气很好",
        "日本語の日記",
        "한국어 일기",
        "สวัสดีวันนี้",
        "مرحبا بالعالم",
        "שָׁלוֹם",
        "नमस्ते",
        "Ёлка",
        "Łódź",
        "e\u{301}",
        "👩\u{200d}💻",
        "\u{200b}",
        "\n---\n",
        "\r\n",
        "\t",
        "\"",
        "'",
        "\\",
        ": ",
        " #",
        "[a]",
        "plain words",
        "\u{1b}[2J",
        " ",
    ];
    let mut text = |count: usize| -> String { (0..count).map(|_| dice.pick(&PIECES)).collect() };
    let (title, content, mood) = (text(4) + "x", text(40), text(3));
    let (year, month, day) = (1 + dice.below(9998), 1 + dice.below(12), 1 + dice.below(28));
    let date = format!("{year:04}-{month:02}-{day:02}");
    let time =
        format!("{date}T{:02}:30:15{}", dice.below(24), dice.pick(&["Z", "+02:00", "-14:59", "+05:45"]));
    let tags: BTreeSet<_> =
        (0..dice.below(5)).map(|_| dice.pick(&["garden", "仕事", "a, b", "#sign", "true", "Ёлка"])).collect();
    let made = 1_000_000 + dice.below(700_000_000) as i64;
    json!({
        "id": id,
        "title": title,
        "content": content,
        "date": date,
        "dateTime": if dice.below(2) == 0 { Value::Null } else { time.into() },
        "mood": if dice.below(2) == 0 { Value::Null } else { mood.into() },
        "location": dice.pick(&[Value::Null, "Zürich".into(), "".into()]),
        "weather": dice.pick(&[Value::Null, "雨".into(), "sun: hot".into()]),
        "isPrivate": dice.below(2) == 0,
        "isFavorite": dice.below(2) == 0,
        "tags": tags.into_iter().collect::<Vec<_>>(),
        "createdAt": crate::support::iso8601(made),
        "updatedAt": crate::support::iso8601(made + dice.below(1000) as i64),
    })
}

#[test]
fn brings_a_journal_back_as_it_was() {
    let folder = folder_of(&[ADA, BOB]);
    let mut dice = Dice(0x0dd_ba11);
    // The ids have gaps, as after deletions.
    let entries: Value = (1..=300).map(|number| entry(&mut dice, number * 3)).collect();
    let names = ["garden", "仕事", "a, b", "#sign", "true", "Ёлка", "on no entry"];
    let tags: Value = (1..)
        .zip(names)
        .map(|(id, name)| {
            let description = if id % 2 == 0 { Value::Null } else { format!("of {name}\n").into() };
            let at = crate::support::iso8601(i64::from(id) * 1_000_000);
            json!({ "id": id * 2, "name": name, "description": description, "createdAt": at, "updatedAt": at })
        })
        .collect();
    let path = file(&folder, "first.json", &export_of(&entries, &tags));
    let said = done(&folder, &["import", ADA, &path]);
    assert!(said.contains("imported 300 entries and 7 tags for ada@example.com"), "{said}");
    let out = exported(&folder, ADA);
    assert_eq!((&out["tags"], out["entries"].as_array().expect("a list").len()), (&tags, 300));
    for (found, expected) in
        out["entries"].as_array().expect("a list").iter().zip(entries.as_array().expect("a list"))
    {
        assert_eq!(found, expected);
    }
    assert_eq!((&out["person"]["email"], &out["person"]["timeZone"]), (&ADA.into(), &"UTC".into()));

    // As a folder of Markdown it goes to another person, and comes back the same, but for what only JSON has.
    let markdown = folder.path().join("markdown");
    let markdown = markdown.to_str().expect("UTF-8");
    let said = done(&folder, &["export", ADA, "--format", "markdown", "--output", markdown]);
    assert!(said.contains("exported 300 entries and 7 tags of ada@example.com"), "{said}");
    done(&folder, &["import", BOB, markdown]);
    let mut of_bob = exported(&folder, BOB);
    assert_eq!(of_bob["tags"].as_array().expect("a list").len(), 6, "a tag on no entry is in no file");
    assert_eq!(of_bob["entries"].take(), out["entries"]);
}

#[test]
fn imports_nothing_twice() {
    let folder = folder_of(&[ADA]);
    let twin =
        |id| json!({ "id": id, "title": "twin", "content": "the same", "date": "2025-01-31", "tags": ["a"] });
    let path = file(&folder, "in.json", &export_of(&json!([twin(1), twin(2)]), &json!([])));
    let said = done(&folder, &["import", &path]);
    assert!(said.contains("imported 2 entries and 1 tag"), "{said}");
    let before = exported(&folder, ADA)["entries"].take();
    let said = done(&folder, &["import", &path]);
    assert!(said.contains("entry 1 and 1 more: the journal has this already, so it was skipped"), "{said}");
    assert!(said.contains("imported 0 entries and 0 tags"), "{said}");
    assert_eq!(exported(&folder, ADA)["entries"], before);
    // A third of the same is a new one, and so is one that differs in a label or in its time.
    let mut other = twin(4);
    other["mood"] = "calm".into();
    let mut timed = twin(5);
    timed["dateTime"] = "2025-01-31T09:00:00Z".into();
    let more = export_of(&json!([twin(1), twin(2), twin(3), other, timed]), &json!([]));
    let said = done(&folder, &["import", &file(&folder, "more.json", &more)]);
    assert!(said.contains("imported 3 entries and 0 tags"), "{said}");
}

#[test]
fn keeps_the_ids_in_a_new_journal_alone() {
    let server = Server::start();
    let mut ada = Client::new(&server, &server.token(ADA, &[]));
    let export = export_of(
        &json!([
            { "id": 7, "title": "seven", "content": "see entry 9", "date": "2024-02-29", "tags": ["old"] },
            { "id": 9, "title": "nine", "content": "今天天气很好", "date": "2025-01-31", "tags": ["old"] },
            { "title": "no id", "content": "", "date": "2025-01-31" },
        ]),
        &json!([{ "id": 5, "name": "old", "description": "from before" }]),
    );
    let path = file(&server.folder, "in.json", &export);
    // The server runs, and finds what was imported behind its back.
    done(&server.folder, &["import", ADA, &path]);
    let found = ada.ok("search_entries", json!({ "query": "天气" }));
    assert_eq!(found["entries"][0]["id"], 9);
    let seven = ada.ok("get_entry", json!({ "id": 7 }));
    assert_eq!(
        (&seven["entry"]["date"], &seven["entry"]["tags"][0]["id"]),
        (&"2024-02-29".into(), &5.into())
    );
    assert_eq!(ada.ok("get_entry", json!({ "id": 10 }))["entry"]["title"], "no id");
    let made = ada.ok("create_entry", json!({ "title": "next", "content": "x" }));
    assert_eq!(made["entry"]["id"], 11);
    assert_eq!(ada.ok("create_tag", json!({ "name": "new" }))["tag"]["id"], 6);

    let mut bob = Client::new(&server, &server.token(BOB, &[]));
    let made = bob.ok("create_entry", json!({ "title": "first", "content": "x" }));
    bob.ok("delete_entry", json!({ "id": made["entry"]["id"] }));
    done(&server.folder, &["import", BOB, &path]);
    assert_eq!(bob.ok("get_entry", json!({ "id": 2 }))["entry"]["title"], "seven", "1 was given already");
    assert_eq!(bob.ok("get_entry", json!({ "id": 2 }))["entry"]["tags"][0]["id"], 5, "he had no tag yet");
    assert_eq!(server.folder.count("entry_tags"), 4);
}

#[test]
fn tries_an_import_without_writing() {
    let folder = folder_of(&[ADA]);
    let said = done(&folder, &["import", "tests/samples/day-one.json", "--dry-run"]);
    for part in [
        "an export of Day One, with 2 entries and 2 tags",
        "it would import 2 entries and 2 tags",
        "nothing was written",
    ] {
        assert!(said.contains(part), "{part}: {said}");
    }
    assert!(said.contains("entry 3: it has no text and was left out"), "{said}");
    assert_eq!((folder.count("entries"), folder.count("tags"), folder.count("entry_tags")), (0, 0, 0));
    let said = done(&folder, &["import", "tests/samples/day-one.json"]);
    assert!(said.contains("imported 2 entries and 2 tags"), "{said}");
    done(&folder, &["import", "tests/samples/jrnl.json"]);
    done(&folder, &["import", "tests/samples/2024-02-29.md"]);
    assert_eq!(folder.count("entries"), 5);
    let said = done(&folder, &["import", "tests/samples", "--dry-run"]);
    assert!(said.contains("files of several formats, with 5 entries"), "{said}");
    assert!(said.contains("it would import 0 entries and 0 tags"), "{said}");
}

#[test]
fn imports_nothing_if_an_entry_can_not_be_kept_unless_it_is_said() {
    let folder = folder_of(&[ADA]);
    let good = json!({ "title": "good", "content": "x", "date": "2025-01-31", "tags": ["a"] });
    let bad = json!({ "title": "bad", "content": "x", "date": "2025-02-30" });
    let mut entries = vec![bad; 25];
    entries.push(good);
    let path = file(&folder, "in.json", &export_of(&json!(entries), &json!([])));
    let said = failed(&folder, &["import", &path], 1);
    assert!(
        said.contains("in.json, entry 1: the date \"2025-02-30\" is not a date or date-time that exists"),
        "{said}"
    );
    assert!(
        said.contains("entry 20: ") && !said.contains("entry 21: ") && said.contains("and 5 more"),
        "{said}"
    );
    assert!(said.contains("25 of 26 can't be kept, so nothing was imported"), "{said}");
    assert!(said.contains("import the other 1 with --skip-invalid"), "{said}");
    assert_eq!((folder.count("entries"), folder.count("tags")), (0, 0));
    let said = done(&folder, &["import", &path, "--skip-invalid"]);
    assert!(said.contains("entry 1: ") && said.contains("imported 1 entry and 1 tag"), "{said}");
    let said = failed(&folder, &["import", "tests/samples/none"], 1);
    assert!(said.contains("can't read it") && said.contains("nothing was imported"), "{said}");
    // More tags than a person may have: the whole transaction is undone.
    let entries: Vec<_> = (0..201)
        .map(|number| {
            let tags: Vec<_> = (0..50).map(|tag| format!("{number} {tag}")).collect();
            json!({ "title": "many", "content": number.to_string(), "date": "2025-01-31", "tags": tags })
        })
        .collect();
    let path = file(&folder, "many.json", &export_of(&json!(entries), &json!([])));
    let said = failed(&folder, &["import", &path], 1);
    assert!(
        said.contains("entry 200: There are 10000 tags, and there can't be more. Nothing was imported"),
        "{said}"
    );
    assert_eq!((folder.count("entries"), folder.count("tags")), (1, 1));
}

#[test]
fn leaves_nothing_half_done_when_it_is_killed() {
    let folder = folder_of(&[ADA]);
    let entries: Vec<_> = (1..=12_000)
        .map(|id| json!({ "id": id, "title": "t", "content": format!("entry {id}"), "date": "2025-01-31", "tags": ["a"] }))
        .collect();
    let path = file(&folder, "in.json", &export_of(&json!(entries), &json!([])));
    for told in ["5000 of 12000", "10000 of 12000"] {
        let mut import = Command::new(EPICME)
            .args(["import", &path, "--database"])
            .arg(folder.database())
            .env_clear()
            .stderr(Stdio::piped())
            .spawn()
            .expect("the binary runs");
        let mut lines = BufReader::new(import.stderr.take().expect("a pipe")).lines();
        assert!(lines.any(|line| line.expect("a line").contains(told)), "it writes");
        import.kill().expect("it runs");
        import.wait().expect("it ends");
        for table in ["entries", "tags", "entry_tags"] {
            assert_eq!(folder.count(table), 0, "{table}");
        }
    }
    let said = done(&folder, &["import", &path]);
    assert!(said.contains("imported 12000 entries and 1 tag"), "{said}");
    let out = exported(&folder, ADA);
    let last = out["entries"].as_array().expect("a list").last().expect("an entry");
    assert_eq!((&last["id"], &last["content"]), (&12_000.into(), &"entry 12000".into()));
}

#[test]
fn writes_an_export_that_only_its_owner_can_read_and_replaces_nothing() {
    let folder = folder_of(&[ADA, BOB]);
    done(&folder, &["import", ADA, "tests/samples/day-one.json"]);
    let path = |name: &str| folder.path().join(name);
    let mode = |path: &Path| fs::metadata(path).expect("metadata").permissions().mode() & 0o777;
    let named = |name: &str| path(name).to_str().expect("UTF-8").to_owned();
    let json = named("out.json");
    done(&folder, &["export", ADA, "--output", &json]);
    assert_eq!(mode(&path("out.json")), 0o600);
    let first = fs::read(&json).expect("the export");
    let said = failed(&folder, &["export", ADA, "--output", &json], 1);
    assert!(said.contains("out.json exists already; --output takes a new file"), "{said}");
    assert_eq!(fs::read(&json).expect("the export"), first);

    fs::create_dir(path("empty")).expect("a folder");
    done(&folder, &["export", ADA, "--format", "markdown", "--output", &named("empty")]);
    let pier = path("empty/2019/2019-07-04-the-harbour-at-night.md");
    assert_eq!((mode(&pier), mode(&path("empty/2019")), mode(&path("empty"))), (0o600, 0o700, 0o700));
    let text = fs::read_to_string(&pier).expect("a file");
    assert!(
        text.starts_with("---\ntitle: \"The harbour at night\"\ndate: 2019-07-04T23:12:33-04:00\n"),
        "{text}"
    );
    let said = failed(&folder, &["export", ADA, "--format", "markdown", "--output", &named("empty")], 1);
    assert!(said.contains("exists already; --output takes a new or empty folder"), "{said}");
    for (output, format, says) in [
        ("none/out.json", "json", "there is no folder {}/none; make it first"),
        ("none/out", "markdown", "there is no folder {}/none; make it first"),
        ("out.json/out.json", "json", "{}/out.json is not a folder"),
        ("out.json/", "json", "{}/out.json/: {}/out.json is not a folder"),
        ("empty", "json", "{}/empty is a folder; --output takes a new file, such as {}/empty/journal.json"),
    ] {
        let said = failed(&folder, &["export", ADA, "--format", format, "--output", &named(output)], 1);
        let says = says.replace("{}", folder.path().to_str().expect("UTF-8"));
        assert!(said.contains(&says) && !said.contains(".part"), "{says}: {said}");
        assert!(says.contains("is a folder") || said.contains("nothing was exported"), "{said}");
    }

    done(&folder, &["export", "--all", "--output", &named("all")]);
    done(&folder, &["export", "--all", "--format", "markdown", "--output", &named("all-markdown")]);
    for name in ["all/ada@example.com.json", "all/bob@example.com.json", "all-markdown/bob@example.com"] {
        assert!(path(name).exists(), "{name}");
    }
    assert_eq!(fs::read_dir(path("all-markdown/ada@example.com")).expect("a folder").count(), 2, "two years");
    let left: Vec<PathBuf> =
        fs::read_dir(folder.path()).expect("a folder").map(|file| file.expect("a file").path()).collect();
    assert!(left.iter().all(|path| !path.display().to_string().ends_with(".part")), "{left:?}");

    // A new journal of all that was exported is the same again.
    let other = folder_of(&[ADA]);
    done(&other, &["import", &named("all/ada@example.com.json")]);
    assert_eq!(exported(&other, ADA)["entries"], exported(&folder, ADA)["entries"]);
}

#[test]
fn exports_nothing_of_passwords_and_tokens() {
    let server = Server::start_in(Arc::new(folder_of(&[ADA])), &[]);
    let token = server.token(ADA, &["--label", "a label of a token"]);
    let mut ada = Client::new(&server, &token);
    ada.ok("create_entry", json!({ "title": "one", "content": "x" }));
    let output = server.folder.epicme(&["export"], "");
    let text = String::from_utf8(output.stdout).expect("UTF-8");
    for secret in [PASSWORD, &token[6..], "argon2", "a label of a token"] {
        assert!(!text.contains(secret), "{secret}");
    }
    let export: Value = serde_json::from_str(&text).expect("JSON");
    let members: Vec<_> = export.as_object().expect("an object").keys().collect();
    assert_eq!(members, ["format", "version", "exportedAt", "person", "tags", "entries"]);
    let person: Vec<_> = export["person"].as_object().expect("an object").keys().collect();
    assert_eq!(person, ["email", "timeZone"]);
    assert_eq!(export["entries"].as_array().expect("a list").len(), 1);
}

#[test]
fn offers_a_person_their_journal_as_a_download_for_their_password() {
    let mut house = House::new();
    let mut ada = Client::new(&house.server, &house.server.token(EMAIL, &[]));
    let mut bob = Client::new(&house.server, &house.server.token(BOB, &[]));
    // More than goes out in one piece.
    for (title, content) in [("今天", "天气很好 ".repeat(20_000)), ("two", "---\r\n".repeat(10_000))] {
        ada.ok("create_entry", json!({ "title": title, "content": content, "mood": "calm" }));
    }
    bob.ok("create_entry", json!({ "title": "of another", "content": "x" }));
    house.sign_in();
    let export = |password: &'static str, format: &'static str| {
        [("do", "export"), ("password", password), ("format", format)]
    };
    let refused = house.press(&export("not the password", "json"));
    assert_eq!(refused.status, 403);
    assert!(text(&refused).contains("The password is wrong. Nothing was downloaded."));

    let reply = house.press(&export(PASSWORD, "json"));
    assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/json")));
    let name = reply.field("content-disposition").expect("a name");
    assert!(name.starts_with("attachment; filename=\"journal-2") && name.ends_with(".json\""), "{name}");
    assert_eq!(reply.field("cache-control"), Some("no-store"));
    let (mut download, mut command) = (reply.json(), exported(&house.server.folder, EMAIL));
    for export in [&mut download, &mut command] {
        export["exportedAt"].take(); // the two weren't made in one second
    }
    assert!(download == command && download["entries"].as_array().expect("a list").len() == 2);

    let reply = house.press(&export(PASSWORD, "markdown"));
    assert_eq!((reply.status, reply.field("content-type")), (200, Some("application/zip")));
    let other = folder_of(&[ADA]);
    let path = other.path().join("journal.zip");
    fs::write(&path, &reply.body).expect("a file");
    done(&other, &["import", path.to_str().expect("UTF-8")]);
    assert_eq!(exported(&other, ADA)["entries"], download["entries"]);

    // The form works once, like each other, and no file stays beside the database.
    let form = hidden(&house.browse("GET", "/account", &[]), "form");
    let again = [&[("form", form.as_str())], &export(PASSWORD, "json")[..]].concat();
    assert_eq!(house.browse("POST", "/account", &again).status, 200);
    assert_eq!(house.browse("POST", "/account", &again).status, 400);
    let mut files: Vec<_> = fs::read_dir(house.server.folder.path())
        .expect("a folder")
        .map(|file| file.expect("a file").file_name().to_string_lossy().into_owned())
        .collect();
    files.sort();
    assert_eq!(files, ["epicme.db", "epicme.db-shm", "epicme.db-wal"]);
    // Wrong passwords count as at the sign-in, so nobody guesses one here.
    let guesses = (0..20).map(|_| house.press(&export("a guess at it", "json")).status);
    assert!(guesses.into_iter().any(|status| status == 429));
    assert_eq!(house.press(&export(PASSWORD, "json")).status, 429);
}

/// One download is made at a time, so of several presses at once some are refused.
#[test]
fn takes_the_form_of_a_refused_download_once_more() {
    let mut house = House::new();
    house.sign_in();
    house.server.folder.tamper(
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000)
         INSERT INTO entries (row_id, user_id, id, title, content, date, created_at, updated_at)
             SELECT (users.id << 32) + i, users.id, i, 't', 'text', '2025-01-31', 0, 0 FROM n, users;",
    );
    let mut refused = Vec::new();
    for _ in 0..20 {
        let forms: Vec<_> = (0..4).map(|_| hidden(&house.browse("GET", "/account", &[]), "form")).collect();
        let house = &house;
        let press = |form: &str| {
            let fields = [("form", form), ("do", "export"), ("password", PASSWORD), ("format", "json")];
            house.browse_as(house.cookie.as_deref(), "POST", "/account", &fields).status
        };
        let statuses: Vec<_> = std::thread::scope(|scope| {
            let pressed: Vec<_> = forms.iter().map(|form| scope.spawn(|| press(form))).collect();
            pressed.into_iter().map(|pressed| pressed.join().expect("an answer")).collect()
        });
        assert!(statuses.iter().all(|status| [200, 503].contains(status)), "{statuses:?}");
        let of_refused = forms.iter().zip(&statuses).filter(|(_, status)| **status == 503);
        refused = of_refused.map(|(form, _)| press(form)).collect();
        if !refused.is_empty() {
            break;
        }
    }
    assert!(!refused.is_empty() && refused.iter().all(|status| *status == 200), "{refused:?}");
    // So does one whose password was wrong.
    let form = hidden(&house.browse("GET", "/account", &[]), "form");
    let export =
        |password| [("form", &form[..]), ("do", "export"), ("password", password), ("format", "json")];
    assert_eq!(house.browse("POST", "/account", &export("not the password")).status, 403);
    assert_eq!(house.browse("POST", "/account", &export(PASSWORD)).status, 200);
    let form = hidden(&house.browse("GET", "/account", &[]), "form");
    let zone = |zone| [("form", &form[..]), ("do", "zone"), ("zone", zone)];
    assert_eq!(house.browse("POST", "/account", &zone("Atlantis")).status, 400);
    assert_eq!(house.browse("POST", "/account", &zone("Europe/Berlin")).status, 200);
}

#[test]
fn takes_a_dash_for_standard_output_and_never_for_the_name_of_a_file() {
    let folder = folder_of(&[ADA]);
    let run = |arguments: &[&str]| {
        let mut command = Command::new(EPICME);
        command.args(arguments).env_clear().current_dir(folder.path()).stdin(Stdio::null());
        command.output().expect("the binary runs")
    };
    let written = run(&["export", "--output", "-"]);
    assert!(written.status.success(), "{}", stderr(&written));
    let json: Value = serde_json::from_slice(&written.stdout).expect("JSON");
    assert_eq!(json["format"], exported(&folder, ADA)["format"]);
    for arguments in [
        &["backup", "-"][..],
        &["restore", "-"],
        &["check", "-"],
        &["import", "-"],
        &["import", ADA, "-"],
        &["user", "list", "--database", "-"],
        &["serve", "--database", "-"],
    ] {
        let output = run(arguments);
        assert_eq!(output.status.code(), Some(2), "{arguments:?}: {}", stderr(&output));
        assert!(
            stderr(&output).contains("takes a file, and - is none; a file of that name is ./-"),
            "{arguments:?}"
        );
    }
    assert!(!folder.path().join("-").exists());
    assert!(run(&["backup", "./-"]).status.success());
    assert!(folder.path().join("-").exists());
}

#[test]
fn says_which_journal_and_where_to() {
    let folder = folder_of(&[ADA, BOB]);
    for (arguments, code, says) in [
        (&["export"][..], 1, "there is not just one account"),
        (&["import", "tests/samples/jrnl.json"], 1, "there is not just one account"),
        (&["export", "eve@example.com"], 1, "there is no eve@example.com"),
        (&["import", "eve@example.com", "tests/samples/jrnl.json"], 1, "there is no eve@example.com"),
        (&["export", ADA, "--all"], 2, "name one person or give --all"),
        (&["export", "--all"], 2, "--all needs --output FOLDER"),
        (&["export", "--all", "--output", "-"], 2, "--all needs --output FOLDER"),
        (
            &["export", ADA, "--format", "markdown", "--output", "-"],
            2,
            "--format markdown needs --output FOLDER",
        ),
        (&["export", ADA, "--format", "markdown"], 2, "--format markdown needs --output FOLDER"),
        (&["export", ADA, "--format", "xml"], 2, "--format takes json or markdown"),
        (&["export", ADA, "--dry-run"], 2, "takes no --dry-run"),
        (&["import"], 2, "not complete"),
    ] {
        let said = failed(&folder, arguments, code);
        assert!(said.contains(says), "{arguments:?}: {said}");
    }
}
