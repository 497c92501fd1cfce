//! The command line: words and options → one command.
//!
//! Knows no requests. Every option can also come from a variable `EPICME_…`. Exit codes: 0 done, 1 failed or refused,
//! 2 the command line itself is wrong; a message on standard error says what to do next.

mod client;
mod demo;
mod doctor;
mod explain;
mod serve;
mod token;
mod user;

use std::ffi::{OsStr, OsString};
use std::io::{self, Read, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use lexopt::{Arg, Parser};

use crate::limits;
use crate::secret::TOKEN_PREFIX;
use crate::store::{OpenError, Store, StoreError};
use crate::users::{self, BadCredential};

const HELP: &str = "\
epicme - a private journal for MCP clients, behind an OAuth gate

  epicme serve [--listen 127.0.0.1:8787] [--public-url URL] [--demo] [--explain]
  epicme user add EMAIL | list | passwd EMAIL | remove EMAIL
  epicme token create EMAIL [--scope LIST] [--expires 30d] | list | revoke ID
  epicme client add NAME URI... | add --metadata FILE | list | remove ID
  epicme explain TOKEN|- [--scope LIST|TOOL] [--at TIME]     -: standard input
  epicme doctor URL [--connect 127.0.0.1:PORT] | version | help
OPTION              MEANING                               VARIABLE
--database FILE     the journal's file, default epicme.db EPICME_DATABASE
--listen ADDR:PORT  where to listen; port 0: a free one   EPICME_LISTEN
--public-url URL    https://HOST, as clients call it      EPICME_PUBLIC_URL
--demo              an example if nobody is there yet     EPICME_DEMO=1
--require-confirmation  only confirmed deletes EPICME_REQUIRE_CONFIRMATION
--explain[=json]    show each exchange, rule by rule      EPICME_EXPLAIN
--password-stdin    take it from standard input           EPICME_PASSWORD_STDIN
--scope LIST        user:read {entries,tags}:{read,write} EPICME_SCOPE
--at TIME           ask about 2026-07-28[T09:30:00Z]      EPICME_AT
--expires TIME      like 90s 15m 12h 30d                  EPICME_EXPIRES
--label TEXT        what you call the token               EPICME_LABEL
--metadata FILE     a client's own metadata document      EPICME_METADATA
--confidential      the new client gets a secret          EPICME_CONFIDENTIAL
If tokens come from another server, serve takes --authorization-server URL
  --introspection-url URL --introspection-id ID and EPICME_INTROSPECTION_SECRET";

/// The options, and whether each takes a value.
const OPTIONS: [(&str, bool); 18] = [
    ("database", true),
    ("listen", true),
    ("public-url", true),
    ("demo", false),
    ("require-confirmation", false),
    ("explain", false), // or with a form: --explain=json
    ("at", true),
    ("password-stdin", false),
    ("scope", true),
    ("expires", true),
    ("label", true),
    ("metadata", true),
    ("confidential", false),
    ("authorization-server", true),
    ("introspection-url", true),
    ("introspection-id", true),
    ("introspection-secret", true),
    ("connect", true),
];

/// What `serve` takes.
const SERVE_OPTIONS: [&str; 9] = [
    "listen",
    "public-url",
    "demo",
    "require-confirmation",
    "explain",
    "authorization-server",
    "introspection-url",
    "introspection-id",
    "introspection-secret",
];

/// Why a command wasn't done.
enum CliError {
    /// The command line is wrong.
    Usage(String),
    /// The command was understood and failed.
    Failed(String),
    /// The answer is no, and it has been printed.
    Refused,
}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> CliError {
        CliError::Failed(format!("{error}; try again"))
    }
}

impl From<lexopt::Error> for CliError {
    fn from(error: lexopt::Error) -> CliError {
        CliError::Usage(error.to_string())
    }
}

impl From<BadCredential> for CliError {
    fn from(bad: BadCredential) -> CliError {
        CliError::Failed(bad.message().to_owned())
    }
}

/// Runs the command that `arguments` (without the program's name) ask for.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    match CommandLine::parse(arguments).and_then(|line| line.run()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Refused) => ExitCode::from(1),
        Err(CliError::Failed(why)) => {
            complain(&without_token(&why));
            ExitCode::from(1)
        }
        Err(CliError::Usage(why)) => {
            let why = without_token(&why);
            complain(&format!("{why}\nepicme help shows the commands and options"));
            ExitCode::from(2)
        }
    }
}

/// A message that repeats the command line, without the token that somebody put in the wrong place.
fn without_token(message: &str) -> String {
    let mut parts = message.split(TOKEN_PREFIX);
    let mut out = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let rest =
            part.trim_start_matches(|letter: char| letter.is_ascii_alphanumeric() || "-_".contains(letter));
        out += &format!("{TOKEN_PREFIX}…{rest}");
    }
    out
}

/// The words and options of one call.
struct CommandLine {
    words: Vec<String>,
    options: Vec<(&'static str, String)>,
}

impl CommandLine {
    fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, CliError> {
        let mut line = CommandLine { words: Vec::new(), options: Vec::new() };
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                Arg::Short('h') | Arg::Long("help") => line.words.insert(0, "help".to_owned()),
                Arg::Short('V') | Arg::Long("version") => line.words.insert(0, "version".to_owned()),
                Arg::Long(name) => {
                    let known = OPTIONS.into_iter().find(|(known, _)| *known == name);
                    let (name, takes_value) =
                        known.ok_or_else(|| CliError::Usage(format!("there is no option --{name}")))?;
                    let value = match name {
                        _ if takes_value => utf8(&parser.value()?)?,
                        "explain" => {
                            parser.optional_value().map_or(Ok("1".to_owned()), |form| utf8(&form))?
                        }
                        _ => "1".to_owned(),
                    };
                    if line.options.iter().any(|(known, _)| *known == name) {
                        return Err(CliError::Usage(format!("--{name} is there twice")));
                    }
                    line.options.push((name, value));
                }
                Arg::Short(letter) => return Err(CliError::Usage(format!("there is no option -{letter}"))),
                Arg::Value(word) => line.words.push(utf8(&word)?),
            }
        }
        Ok(line)
    }

    fn run(&self) -> Result<(), CliError> {
        let words: Vec<_> = self.words.iter().map(String::as_str).collect();
        match words[..] {
            ["help", ..] => {
                say(HELP);
                Ok(())
            }
            ["version"] => {
                say(&format!("epicme {}", env!("CARGO_PKG_VERSION")));
                Ok(())
            }
            ["serve"] => self.only(&SERVE_OPTIONS).and_then(|()| serve::serve(self)),
            ["user", "add", email] => self.only(&["password-stdin"]).and_then(|()| user::add(self, email)),
            ["user", "list"] => self.only(&[]).and_then(|()| user::list(self)),
            ["user", "passwd", email] => {
                self.only(&["password-stdin"]).and_then(|()| user::passwd(self, email))
            }
            ["user", "remove", email] => self.only(&[]).and_then(|()| user::remove(self, email)),
            ["token", "create", email] => self
                .only(&["scope", "expires", "label", "public-url"])
                .and_then(|()| token::create(self, email)),
            ["doctor", url] => self.only(&["connect"]).and_then(|()| doctor::walk(self, url)),
            ["client", "add", ref what @ ..] => {
                self.only(&["metadata", "confidential"]).and_then(|()| client::add(self, what))
            }
            ["client", "list"] => self.only(&[]).and_then(|()| client::list(self)),
            ["client", "remove", id] => self.only(&[]).and_then(|()| client::remove(self, id)),
            ["explain", text] => self
                .only(&["scope", "at", "listen", "public-url"])
                .and_then(|()| explain::explain(self, text)),
            ["token", "list"] => self.only(&[]).and_then(|()| token::list(self)),
            ["token", "revoke", id] => self.only(&[]).and_then(|()| token::revoke(self, id)),
            [] => Err(CliError::Usage("say what to do, e.g. epicme serve --demo".to_owned())),
            ["user" | "token" | "client" | "serve" | "doctor" | "explain" | "version", ..] => {
                Err(CliError::Usage(format!("epicme {} is not complete, or too long", self.command())))
            }
            _ => Err(CliError::Usage(format!("there is no command {:?}", words[0]))),
        }
    }

    /// The command as a message may repeat it: a token is no part of it.
    fn command(&self) -> String {
        let words = if self.words[0] == "explain" { &self.words[..1] } else { &self.words };
        words.join(" ")
    }

    /// Refuses options that the command doesn't take, rather than let somebody believe that they worked.
    fn only(&self, taken: &[&str]) -> Result<(), CliError> {
        match self.options.iter().find(|(name, _)| *name != "database" && !taken.contains(name)) {
            Some((name, _)) => Err(CliError::Usage(format!("epicme {} takes no --{name}", self.command()))),
            None => Ok(()),
        }
    }

    /// An option's value: from the command line, else from its variable.
    fn value(&self, name: &str) -> Option<String> {
        let given = self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        let variable = format!("EPICME_{}", name.to_ascii_uppercase().replace('-', "_"));
        given.or_else(|| std::env::var(variable).ok().filter(|value| !value.is_empty()))
    }

    fn flag(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| value != "0" && value != "false")
    }

    fn database(&self) -> PathBuf {
        self.value("database").unwrap_or_else(|| "epicme.db".to_owned()).into()
    }

    /// Opens the database, or makes it.
    fn open(&self) -> Result<Store, CliError> {
        let path = self.database();
        Store::open(&path).map_err(|error| self.unopened(&error))
    }

    fn unopened(&self, error: &OpenError) -> CliError {
        CliError::Failed(format!("{}: {error}", self.database().display()))
    }

    /// A further command on the same database, as a person would paste it.
    fn further(&self, command: &str) -> String {
        let program = std::env::args().next().unwrap_or_else(|| "epicme".to_owned());
        let named = self.value("database").map_or(String::new(), |path| {
            let plain = path.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"._-/".contains(&octet));
            if plain { format!(" --database {path}") } else { format!(" --database '{path}'") }
        });
        format!("{program} {command}{named}")
    }

    /// Opens the database that must be there: a mistyped name should not make an empty one.
    fn open_existing(&self) -> Result<Store, CliError> {
        let path = self.database();
        match path.exists() {
            true => self.open(),
            false => Err(CliError::Failed(format!(
                "there is no {}; epicme user add EMAIL makes it, --database names another",
                path.display()
            ))),
        }
    }

    /// A new password: from standard input, or asked for twice on the terminal, without echo.
    fn new_password(&self) -> Result<String, CliError> {
        let password = if self.flag("password-stdin") {
            let mut text = String::new();
            let read = io::stdin().take(limits::PASSWORD_BYTES_MAX as u64 + 3).read_to_string(&mut text);
            read.map_err(|error| CliError::Failed(format!("can't read the password: {error}")))?;
            let line = text.strip_suffix('\n').unwrap_or(&text);
            line.strip_suffix('\r').unwrap_or(line).to_owned()
        } else {
            let ask = |prompt: &str| {
                let no_terminal = "no terminal to ask for the password on; use --password-stdin";
                rpassword::prompt_password(prompt).map_err(|_| CliError::Failed(no_terminal.to_owned()))
            };
            let password = ask("Password: ")?;
            users::check_password(&password)?;
            if ask("The same again: ")? != password {
                return Err(CliError::Failed("the two passwords differ; nothing was changed".to_owned()));
            }
            password
        };
        users::check_password(&password)?;
        Ok(password)
    }
}

fn utf8(text: &OsStr) -> Result<String, CliError> {
    text.to_str().map(str::to_owned).ok_or_else(|| CliError::Usage(format!("{text:?} is not UTF-8")))
}

/// Prints for the person or program that called. A reader that has gone is no reason to fail.
fn say(text: &str) {
    let _ = writeln!(io::stdout(), "{text}").and_then(|()| io::stdout().flush());
}

/// Prints for the person alone: what went wrong, or what to know.
fn complain(text: &str) {
    let _ = writeln!(io::stderr(), "epicme: {text}");
}

/// Prints rows under headings, in columns as wide as they need.
fn table(headings: &[&str], rows: Vec<Vec<String>>) {
    let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(headings).chain(rows).collect();
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(wide).collect();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        say(cells.join("  ").trim_end());
    }
}
