//! `epicme help`: one page of all commands, and one for each command with its options.
//!
//! Invariant: a page fits a terminal of 24 lines and 80 columns, because people don't read what scrolls away, and every
//! option stands on the page of each command that takes it. Tests check both.

/// The page of all commands.
const COMMANDS: &str = "\
epicme - a private journal for MCP clients, behind an OAuth gate
  epicme serve [--listen 127.0.0.1:8787] [--public-url URL] [--demo] [--explain]
  epicme stdio                 for clients that start a program, by EPICME_TOKEN
  epicme user add|passwd|remove-factor|remove EMAIL | zone EMAIL ZONE | list
  epicme token create EMAIL [--scope LIST] [--expires 30d] | list | revoke ID
  epicme client add NAME URI... | add --metadata FILE | list | remove ID
  epicme backup FILE
  epicme restore FILE [--keep-access]
  epicme check [FILE]
  epicme status
  epicme health [http://ADDRESS:PORT]
  epicme export [EMAIL|--all] [--format json|markdown] [--output PATH]
  epicme import [EMAIL] PATH [--dry-run] [--skip-invalid]
  epicme explain TOKEN|- [--scope LIST|TOOL] [--at TIME]     -: standard input
  epicme doctor URL [--connect 127.0.0.1:PORT] [--diagram|--json]
  epicme version               the version of the program
  epicme help [COMMAND]        what the command does, and all of its options

--database FILE names the file of the journal. Without it that is epicme.db in
the folder where you are.

Each option can come from a variable too: EPICME_ and its name in capitals, so
EPICME_DATABASE stands for --database, and EPICME_PUBLIC_URL for --public-url.
The variable of an option without a value is yes or no.";

/// The command that each page is about, what stands at its head, and its options.
const PAGES: [(&str, &str, &str); 14] = [
    (
        "serve",
        "epicme serve: serve the journal until SIGTERM, SIGINT (Ctrl-C) or SIGHUP",
        "\
--listen ADDR:PORT           where to listen, 127.0.0.1:8787; port 0: a free one
--public-url URL             https://HOST, as clients call it through a proxy
--trusted-proxies LIST       ADDR[/BITS],... that say who the client is
--allowed-origins LIST       pages, extensions, apps that may use the endpoint
--backup-to DIR              back the database up into this folder
--every TIME                 how often, 24h
--keep COUNT                 how many of these backups are kept, 7
--create                     make a new journal of an empty file that is there
--no-backup                  bring an earlier version up to date without a copy
--demo                       fill a new database with an example
--watch                      show each exchange at /watch, to this machine alone
--require-confirmation       refuse a delete that no person can confirm
--redirect-scheme X          let apps have this scheme; may be there repeatedly
--log text|json              how requests are written to standard error
--log-level info|warn|error  all; those refused or failed; those that failed
--explain[=json]             show each request, check by check
--authorization-server URL   tokens come from that server; it needs these three:
--introspection-url URL      where that server tells what a token is
--introspection-id ID        the name of this server there
EPICME_INTROSPECTION_SECRET  and its secret, as a variable",
    ),
    (
        "stdio",
        "\
epicme stdio: MCP over standard input and output

For clients that start a program in place of opening a URL. It goes through the
server that has the database open, or serves it itself. Each request is checked
as any other, by the token in EPICME_TOKEN.",
        "\
EPICME_TOKEN                 the token, as epicme token create EMAIL makes it
--require-confirmation       refuse a delete that no person can confirm
--log text|json              how requests are written to standard error
--log-level info|warn|error  all; those refused or failed; those that failed
--explain[=json]             show each request, check by check",
    ),
    (
        "user",
        "\
epicme user add EMAIL | list | passwd EMAIL | zone EMAIL ZONE | remove EMAIL |
  remove-factor EMAIL

Add a person, list all, set the password or the time zone of one, take away a
second factor, or remove one with their whole journal.",
        "\
--public-url URL             add, passwd: of the server, if it has one; then a
                             password must be longer
--password-stdin             add, passwd: take the password from standard input
--create                     add: make a journal of an empty file that is there",
    ),
    (
        "token",
        "\
epicme token create EMAIL | list | revoke ID

Make a token for a client that can't sign in, list all, or revoke one.",
        "\
--scope LIST                 create: user:read {entries,tags}:{read,write}
--expires TIME               create: like 90s 15m 12h 30d, the default
--label TEXT                 create: a name for your lists
--public-url URL             create: for the server that has this URL",
    ),
    (
        "client",
        "\
epicme client add NAME URI... | add --metadata FILE | list | remove ID

Register a client that can't register itself, list all, or remove one.",
        "\
--metadata FILE              add: the client's own registration, as JSON
--confidential               add: with a secret, which is shown once
--redirect-scheme X          add: let it have this scheme of its own",
    ),
    (
        "backup",
        "\
epicme backup FILE: copy the whole database into FILE, also while a server runs

The copy gets its name when it was checked. An earlier backup of that name is
replaced; any other file isn't.",
        "",
    ),
    (
        "restore",
        "\
epicme restore FILE: put a backup in the place of the database

No server may run meanwhile. The backup is checked first. What was there before
is kept beside it, under a name with .before-restore- and the time. All tokens
and sign-ins end, because some may have been revoked since the backup.",
        "\
--keep-access                leave tokens and sign-ins as the backup has them",
    ),
    (
        "check",
        "\
epicme check [FILE]: look through the database, or a backup, and change nothing

It says what is wrong and what to do, and ends with 1 then.",
        "",
    ),
    ("status", "epicme status: say what the database holds and how it is kept", ""),
    (
        "health",
        "\
epicme health [http://ADDRESS:PORT]: ask a server whether it is well

It prints ok, or what is wrong, and ends with 1 then.",
        "\
--listen ADDR:PORT           ask the server that listens here, 127.0.0.1:8787",
    ),
    (
        "export",
        "epicme export [EMAIL]: write the whole journal of a person",
        "\
--all                        of every person, each into a file of its own
--format json|markdown       json, the default, loses nothing
--output PATH                the file or folder to write; -: standard output",
    ),
    (
        "import",
        "epicme import [EMAIL] PATH: read an export of epicme, Day One, jrnl or Obsidian",
        "\
--dry-run                    say what would be done, and do nothing
--skip-invalid               leave out what can't be kept, import the rest",
    ),
    (
        "explain",
        "epicme explain TOKEN|-: what the gate does with a token; -: on standard input",
        "\
--scope LIST|TOOL            check for these scopes, or for a tool, too
--at TIME                    check as at 2026-07-28[T09:30:00Z]
--listen ADDR:PORT           of the server that the token is brought to
--public-url URL             of the server that the token is brought to",
    ),
    (
        "doctor",
        "epicme doctor URL: go a client's way to a server, and say where it ends",
        "\
--connect ADDR:PORT          where a proxy forwards to that server; or a list,
                             with https://HOST=ADDR:PORT for each further one
--diagram                    print the exchanges as a Mermaid sequence diagram
--json                       print one JSON object, for programs",
    ),
];

/// Returns the page of a command, or, of none or an unknown one, that of all commands.
pub(super) fn page(command: Option<&str>) -> String {
    let Some((command, head, options)) = PAGES.iter().find(|(name, ..)| Some(*name) == command) else {
        return COMMANDS.to_owned();
    };
    let database = if ["doctor", "health"].contains(command) {
        ""
    } else {
        "\n--database FILE              the file of the journal, default epicme.db"
    };
    let options = format!("{options}{database}");
    let rule = "Each option has a variable too: for --some-name it is EPICME_SOME_NAME.";
    format!("{head}\n\n{}\n{rule}", options.trim_start())
}
