//! The command line: words and options → one command.
//!
//! Reads no HTTP request. Every option can also come from a variable `EPICME_…`, because a container or a service
//! file sets variables more easily than arguments, and because a secret in an argument can be seen in the list of
//! processes.
//!
//! A script can rely on this: standard output holds only what the command was to give (a token, a list), and messages
//! go to standard error. The exit code is 0 when the command was done and its output was written, 1 when it failed or
//! the answer is no, 2 when the command line itself or a variable is wrong. Error messages name what to do next, unless
//! the program can't know it.
//!
//! The options are read by hand, over `lexopt`. The crates that derive a command line from a type are many times the
//! size of this folder, and tend to write a help that fills several screens.

mod backup;
mod check;
mod client;
mod demo;
mod doctor;
mod explain;
mod export;
mod health;
mod help;
mod import;
mod keeper;
mod notify;
mod serve;
mod status;
mod stdio;
mod terminal;
mod token;
mod user;

use std::env::VarError;
use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::fs::{File, Metadata};
use std::io::{self, BufRead, BufReader, Read, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use lexopt::{Arg, Parser};

use self::terminal::HiddenInput;
use crate::credentials::{self, BadCredential};
use crate::limits;
use crate::oauth::schemes::Schemes;
use crate::search_index::SEARCH_INDEX;
use crate::secret::TOKEN_PREFIX;
use crate::site::{BadUrl, Site};
use crate::stderr;
use crate::store::{self, OpenError, Opening, Store, StoreError};
use crate::text;
use crate::zone::UnknownZone;

/// The options, and whether each takes a value.
const OPTIONS: [(&str, bool); 38] = [
    ("database", true),
    ("listen", true),
    ("public-url", true),
    ("trusted-proxies", true),
    ("allowed-origins", true),
    ("create", false),
    ("demo", false),
    ("watch", false),
    ("backup-to", true),
    ("every", true),
    ("keep", true),
    ("keep-access", false),
    ("no-backup", false),
    ("require-confirmation", false),
    ("redirect-scheme", true), // may be given several times
    ("log", true),
    ("log-level", true),
    ("explain", false), // its value is optional: --explain=json
    ("at", true),
    ("password-stdin", false),
    ("scope", true),
    ("expires", true),
    ("label", true),
    ("metadata", true),
    ("confidential", false),
    ("all", false),
    ("format", true),
    ("output", true),
    ("dry-run", false),
    ("skip-invalid", false),
    ("authorization-server", true),
    ("introspection-url", true),
    ("introspection-id", true),
    ("introspection-secret", true),
    ("connect", true),
    ("diagram", false),
    ("json", false),
    ("token", true),
];

/// The options of `serve`. The secret is an option so that it has a variable; the help names the variable alone.
const SERVE_OPTIONS: [&str; 20] = [
    "backup-to",
    "every",
    "keep",
    "create",
    "no-backup",
    "listen",
    "public-url",
    "trusted-proxies",
    "allowed-origins",
    "demo",
    "watch",
    "require-confirmation",
    "redirect-scheme",
    "log",
    "log-level",
    "explain",
    "authorization-server",
    "introspection-url",
    "introspection-id",
    "introspection-secret",
];

/// The options of `stdio`. The token is one so that it has a variable; the help names the variable alone.
const STDIO_OPTIONS: [&str; 5] = ["token", "require-confirmation", "log", "log-level", "explain"];

/// What stands for standard input or output where a command takes it. No other command may take it for the name of a
/// file: the person would find the file later, if at all, and it is hard to delete by its name.
const STANDARD: &str = "-";

/// Why a command wasn't done.
#[derive(Debug)]
enum CliError {
    /// The command line is wrong.
    Usage(String),
    /// The command was understood and failed.
    Failed(String),
    /// The database failed. [`CommandLine::name_database`] makes it a message that names the file.
    Store(StoreError),
    /// The answer to a question (`explain`, `doctor`) is no, and it has been printed. Nothing went wrong, but a
    /// script must be able to tell a no from a yes.
    Refused,
}

impl fmt::Display for CliError {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            CliError::Usage(why) => {
                write!(out, "{why}\nepicme help shows the commands, and epicme help COMMAND its options")
            }
            CliError::Failed(why) => out.write_str(why),
            CliError::Store(error) => write!(out, "{error}; {}", error.remedy()),
            CliError::Refused => out.write_str("the answer is no"),
        }
    }
}

impl Error for CliError {}

impl From<StoreError> for CliError {
    fn from(error: StoreError) -> CliError {
        CliError::Store(error)
    }
}

impl From<lexopt::Error> for CliError {
    fn from(error: lexopt::Error) -> CliError {
        CliError::Usage(error.to_string())
    }
}

impl From<BadUrl> for CliError {
    fn from(bad: BadUrl) -> CliError {
        CliError::Usage(bad.to_string())
    }
}

impl From<BadCredential> for CliError {
    fn from(bad: BadCredential) -> CliError {
        CliError::Failed(bad.to_string())
    }
}

impl From<UnknownZone> for CliError {
    fn from(unknown: UnknownZone) -> CliError {
        CliError::Failed(unknown.to_string())
    }
}

/// Runs the command that `arguments` ask for, the program's own name not among them.
pub fn run(arguments: impl IntoIterator<Item = OsString>) -> ExitCode {
    let done =
        CommandLine::parse(arguments).and_then(|line| line.run().map_err(|error| line.name_database(error)));
    stderr::finish(); // what the store noted about its file comes before the message
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(CliError::Refused) => ExitCode::from(1),
        Err(error) => {
            note(&without_token(&error.to_string()));
            ExitCode::from(if matches!(error, CliError::Usage(_)) { 2 } else { 1 })
        }
    }
}

/// Cuts every access token in a message to its prefix, because the message may repeat the command line. A person who
/// puts a token in the wrong place shouldn't find it in the log of the terminal or of a build as well.
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
#[derive(Clone)]
struct CommandLine {
    /// What isn't an option: the command, and what it works on.
    words: Vec<String>,
    /// Names without their dashes, each at most once. An option without a value has "1", as its variable would.
    options: Vec<(&'static str, String)>,
}

impl CommandLine {
    fn parse(arguments: impl IntoIterator<Item = OsString>) -> Result<CommandLine, CliError> {
        let mut line = CommandLine { words: Vec::new(), options: Vec::new() };
        let mut parser = Parser::from_args(arguments);
        while let Some(argument) = parser.next()? {
            match argument {
                // These may come after other words: a person adds --help to a command that they have begun to type.
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
                    match line.options.iter_mut().find(|(known, _)| *known == name) {
                        None => line.options.push((name, value)),
                        // Its variable takes several names with spaces between them, too.
                        Some((_, names)) if name == "redirect-scheme" => *names += &format!(" {value}"),
                        // Of two values one would be ignored, and the person would not know which.
                        Some(_) => return Err(CliError::Usage(format!("--{name} is there twice"))),
                    }
                }
                Arg::Short(letter) => return Err(CliError::Usage(format!("there is no option -{letter}"))),
                Arg::Value(word) => line.words.push(utf8(&word)?),
            }
        }
        Ok(line)
    }

    /// Runs the one command that the words name, with the options that it takes.
    fn run(&self) -> Result<(), CliError> {
        let words: Vec<_> = self.words.iter().map(String::as_str).collect();
        match words[..] {
            ["help", ref command @ ..] => say(&help::page(command.first().copied())),
            ["version"] => {
                self.accept_only(&[])?;
                say(&format!("epicme {}", env!("CARGO_PKG_VERSION")))
            }
            ["backup" | "restore" | "check" | "import", .., STANDARD] => Err(no_standard(words[0])),
            ["serve"] => serve::serve(self.accept_only(&SERVE_OPTIONS)?),
            ["stdio"] => stdio::stdio(self.accept_only(&STDIO_OPTIONS)?),
            ["user", "add", email] => {
                user::add(self.accept_only(&["password-stdin", "create", "public-url"])?, email)
            }
            ["user", "list"] => user::list(self.accept_only(&[])?),
            ["user", "passwd", email] => {
                user::passwd(self.accept_only(&["password-stdin", "public-url"])?, email)
            }
            ["user", "zone", email, zone] => user::zone(self.accept_only(&[])?, email, zone),
            ["user", "remove-factor", email] => user::remove_factor(self.accept_only(&[])?, email),
            ["user", "remove", email] => user::remove(self.accept_only(&[])?, email),
            ["token", "create", email] => {
                token::create(self.accept_only(&["scope", "expires", "label", "public-url"])?, email)
            }
            ["token", "list"] => token::list(self.accept_only(&[])?),
            ["token", "revoke", id] => token::revoke(self.accept_only(&[])?, id),
            ["client", "add", ref what @ ..] => {
                client::add(self.accept_only(&["metadata", "confidential", "redirect-scheme"])?, what)
            }
            ["client", "list"] => client::list(self.accept_only(&[])?),
            ["client", "remove", id] => client::remove(self.accept_only(&[])?, id),
            ["export"] => export::export(self.accept_only(&["all", "format", "output"])?, None),
            ["export", email] => export::export(self.accept_only(&["all", "format", "output"])?, Some(email)),
            ["import", path] => import::import(self.accept_only(&["dry-run", "skip-invalid"])?, None, path),
            ["import", email, path] => {
                import::import(self.accept_only(&["dry-run", "skip-invalid"])?, Some(email), path)
            }
            ["explain", text] => {
                explain::explain(self.accept_only(&["scope", "at", "listen", "public-url"])?, text)
            }
            ["backup", file] => backup::backup(self.accept_only(&[])?, file),
            ["restore", file] => backup::restore(self.accept_only(&["keep-access"])?, file),
            ["check"] => check::check(self.accept_only(&[])?, None),
            ["check", file] => check::check(self.accept_only(&[])?, Some(file)),
            ["status"] => status::status(self.accept_only(&[])?),
            ["health"] => health::health(self.accept_only(&["listen"])?, None),
            ["health", url] => health::health(self.accept_only(&[])?, Some(url)),
            ["doctor", url] => doctor::check(self.accept_only(&["connect", "diagram", "json"])?, url),
            [] => Err(CliError::Usage("say what to do, e.g. epicme serve --demo".to_owned())),
            [
                "user" | "token" | "client" | "backup" | "restore" | "check" | "export" | "import" | "serve"
                | "doctor" | "explain" | "version" | "status" | "health" | "stdio",
                ..,
            ] => Err(CliError::Usage(format!("epicme {} is not complete, or too long", self.command()))),
            _ => Err(CliError::Usage(format!("there is no command {:?}", words[0]))),
        }
    }

    /// Returns the command as a message may repeat it: without the word after `explain`, which is probably a token.
    fn command(&self) -> String {
        let words = if self.words[0] == "explain" { &self.words[..1] } else { &self.words };
        words.join(" ")
    }

    /// Refuses options that the command doesn't take: a person must not believe that they worked. A variable is no
    /// error, since it is set for all commands; but one that the command takes must be understood. The function
    /// returns the command line, so that each command gets it only after this check.
    fn accept_only(&self, taken: &[&str]) -> Result<&CommandLine, CliError> {
        let opens_database = !matches!(self.words[0].as_str(), "doctor" | "version");
        let takes = |name: &str| (name == "database" && opens_database) || taken.contains(&name);
        if let Some((name, _)) = self.options.iter().find(|(name, _)| !takes(name)) {
            return Err(CliError::Usage(format!("epicme {} takes no --{name}", self.command())));
        }
        if takes("database") && self.value("database").as_deref() == Some(STANDARD) {
            return Err(no_standard("--database"));
        }
        for (name, takes_value) in OPTIONS.into_iter().filter(|(name, _)| takes(name) && !self.is_given(name))
        {
            let variable = variable(name);
            let value = match std::env::var(&variable) {
                Ok(value) => value,
                Err(VarError::NotPresent) => continue,
                Err(VarError::NotUnicode(_)) => {
                    return Err(CliError::Usage(format!("{variable} is not UTF-8")));
                }
            };
            // A word that isn't known must not count as one of the two: the operator means something by it.
            let is_known = takes_value || name == "explain" || value.is_empty() || switch(&value).is_some();
            if !is_known {
                return Err(CliError::Usage(format!("{variable} takes yes or no, not {value:?}")));
            }
        }
        Ok(self)
    }

    /// Returns whether an option is on the command line itself. A variable is set for several commands, and not each of
    /// them has a use for it.
    fn is_given(&self, name: &str) -> bool {
        self.options.iter().any(|(given, _)| *given == name)
    }

    /// Names the database in an error of the store.
    fn name_database(&self, error: CliError) -> CliError {
        match error {
            CliError::Store(_) => CliError::Failed(format!("{}: {error}", self.database().display())),
            error => error,
        }
    }

    /// Returns an option's value: from the command line, else from its variable. An empty variable counts as unset,
    /// because a service file switches a variable off in that way.
    fn value(&self, name: &str) -> Option<String> {
        let given = self.options.iter().find(|(known, _)| *known == name).map(|(_, value)| value.clone());
        given.or_else(|| std::env::var(variable(name)).ok().filter(|value| !value.is_empty()))
    }

    /// Returns whether an option without a value is on. A person can set its variable to `no` for one command if it is
    /// on for all others. [`CommandLine::accept_only`] has refused a word that is neither.
    fn flag(&self, name: &str) -> bool {
        self.value(name).is_some_and(|value| switch(&value) == Some(true))
    }

    /// Returns the schemes that apps may have in their redirect URIs, with those that the operator adds.
    fn redirect_schemes(&self) -> Result<Schemes, CliError> {
        let names = self.value("redirect-scheme").unwrap_or_default();
        Schemes::parse(&names).map_err(|name| {
            CliError::Usage(format!(
                "--redirect-scheme takes the name of an app's own scheme, in lower case and without a colon, and no \
                 scheme that a browser handles itself, not {name:?}"
            ))
        })
    }

    fn database(&self) -> PathBuf {
        self.value("database").unwrap_or_else(|| "epicme.db".to_owned()).into()
    }

    /// Opens the database, and makes it if there is none.
    fn open(&self) -> Result<Store, CliError> {
        let path = self.database();
        Store::open_as(&path, SEARCH_INDEX, self.opening()).map_err(|error| self.cannot_open(&error))
    }

    /// Returns how the operator wants the database to be opened.
    fn opening(&self) -> Opening {
        Opening { create: self.flag("create"), no_backup: self.flag("no-backup") }
    }

    fn cannot_open(&self, error: &OpenError) -> CliError {
        CliError::Failed(format!("{}: {error}", self.database().display()))
    }

    /// Writes a command to run next on the same database, ready to be pasted into a shell.
    fn next_command(&self, words: &[&str]) -> String {
        let program = std::env::args_os().next().unwrap_or_else(|| "epicme".into());
        let program = program.to_string_lossy();
        let database = self.value("database");
        let named = database.iter().flat_map(|path| ["--database", path]);
        let words = [&*program].into_iter().chain(words.iter().copied()).chain(named);
        words.map(text::shell_word).collect::<Vec<_>>().join(" ")
    }

    /// Opens the database that must be there, to change it.
    fn open_existing(&self) -> Result<Store, CliError> {
        self.existing(|path| Store::open(path, SEARCH_INDEX))
    }

    /// Opens the database that must be there, to read it. The file may be one that can't be written.
    fn open_to_read(&self) -> Result<Store, CliError> {
        self.existing(Store::open_to_read)
    }

    /// Opens the database, and makes none if there is none: a mistyped name must not make an empty database, in which
    /// the person would then look for their journal.
    fn existing(&self, open: fn(&Path) -> Result<Store, OpenError>) -> Result<Store, CliError> {
        self.require_database()?;
        open(&self.database()).map_err(|error| self.cannot_open(&error))
    }

    /// Fails if there is no file of the database.
    fn require_database(&self) -> Result<(), CliError> {
        let path = self.database();
        match store::is_missing(&path) {
            Ok(false) => Ok(()),
            Ok(true) => Err(CliError::Failed(format!(
                "there is no {}; epicme user add EMAIL makes it, and --database FILE names another one",
                path.display()
            ))),
            Err(error) => Err(self.cannot_open(&error)),
        }
    }

    /// Reads a new password: from standard input, or typed twice on the terminal, which doesn't show it. No option
    /// takes the password itself: the shell keeps arguments in its history, and every process of the machine can see
    /// them.
    ///
    /// `email` is that of the person. With a public URL a password must be longer, and this command knows of it by
    /// `--public-url`, or its variable, alone.
    fn new_password(&self, email: &str) -> Result<String, CliError> {
        let public = self.value("public-url").map(|url| Site::parse_public(&url)).transpose()?;
        let chars_min = credentials::password_chars_min(public.is_some());
        let password = if self.flag("password-stdin") {
            line_from_stdin(limits::PASSWORD_BYTES_MAX)
                .map_err(|why| CliError::Failed(format!("can't take the password: {why}")))?
        } else {
            let no_terminal = |_| {
                CliError::Failed(
                    "there is no terminal to type the password on; use --password-stdin".to_owned(),
                )
            };
            let mut terminal = HiddenInput::new().map_err(no_terminal)?;
            let mut ask = |prompt: &str| {
                let refused = |why: String| CliError::Failed(format!("{why}; nothing was changed"));
                let line = terminal.ask(prompt, limits::PASSWORD_BYTES_MAX);
                let line = line.map_err(|error| refused(format!("can't read the terminal: {error}")))?;
                if line.is_empty() {
                    return Err(refused("no password was typed".to_owned()));
                }
                checked_line(line).map_err(|why| refused(format!("can't take the password: {why}")))
            };
            let password = ask("Password: ")?;
            credentials::check_password(&password, email, chars_min)?;
            if ask("The same again: ")? != password {
                return Err(CliError::Failed("the two passwords differ; nothing was changed".to_owned()));
            }
            password
        };
        credentials::check_password(&password, email, chars_min)?;
        Ok(password)
    }
}

/// Says that a command or an option takes the name of a file.
fn no_standard(what: &str) -> CliError {
    CliError::Usage(format!("{what} takes a file, and - is none; a file of that name is ./-"))
}

fn utf8(text: &OsStr) -> Result<String, CliError> {
    text.to_str()
        .map(str::to_owned)
        .ok_or_else(|| CliError::Usage(format!("{} is not UTF-8", text.display())))
}

/// Returns those of the signals that the program wasn't started to ignore, as `nohup` starts one that ignores SIGHUP. A
/// handler would undo that. Only Linux says so without a call that is unsafe in Rust; elsewhere all are returned.
fn not_ignored(signals: &[i32]) -> impl Iterator<Item = i32> {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let ignored = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    // A mask in hexadecimal digits, in which the lowest bit stands for signal 1.
    let mask = ignored.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    signals.iter().copied().filter(move |signal| mask & (1 << (signal - 1)) == 0)
}

/// Returns the name of an option's variable.
fn variable(name: &str) -> String {
    format!("EPICME_{}", name.to_ascii_uppercase().replace('-', "_"))
}

/// Finds the variables that look like ours and set nothing, perhaps because they are misspelt.
fn unknown_variables() -> Vec<String> {
    let ours: Vec<_> = OPTIONS.iter().map(|(name, _)| variable(name)).collect();
    let names = std::env::vars_os().map(|(name, _)| name.to_string_lossy().into_owned());
    names.filter(|name| name.starts_with("EPICME_") && !ours.contains(name)).collect()
}

/// Reads a word for on or off, in any case; `None` for any other text.
fn switch(text: &str) -> Option<bool> {
    match text.to_ascii_lowercase().as_str() {
        "1" | "yes" | "true" | "on" => Some(true),
        "0" | "no" | "false" | "off" => Some(false),
        _ => None,
    }
}

/// Reads standard input as one line, which may be followed by empty ones. The error says what is wrong with the input.
///
/// Everything that isn't that line is refused and not dropped: a person who pipes a file with two lines, or a program
/// that writes a byte-order mark first, should learn of it now and not when the password turns out to be another one.
/// A line end is a line feed, or a carriage return with one.
fn line_from_stdin(bytes_max: usize) -> Result<String, String> {
    let mut input = BufReader::new(io::stdin());
    let line = read_line(&mut input, bytes_max).map_err(|error| error.to_string())?;
    // A bound, because the input may be endless.
    let mut rest = Vec::new();
    input.take(bytes_max as u64).read_to_end(&mut rest).map_err(|error| error.to_string())?;
    if line.ends_with(b"\n") && rest.iter().any(|byte| !b"\r\n".contains(byte)) {
        return Err("standard input must hold one line, and it has more".to_owned());
    }
    checked_line(line)
}

/// Reads one line with its end; nothing if the input ends before.
fn read_line(input: impl BufRead, bytes_max: usize) -> io::Result<Vec<u8>> {
    let mut line = Vec::new();
    // One byte more than the longest line, and a line end of two, so that a line that is too long isn't cut.
    input.take(bytes_max as u64 + 3).read_until(b'\n', &mut line)?;
    Ok(line)
}

/// Returns the line as a text without its end. The error says what no such line may hold.
fn checked_line(mut line: Vec<u8>) -> Result<String, String> {
    if line.ends_with(b"\n") {
        line.pop();
        line.pop_if(|last| *last == b'\r');
    }
    let line = String::from_utf8(line).map_err(|_| "it is not UTF-8".to_owned())?;
    match line.chars().find(|character| character.is_control() || *character == '\u{feff}') {
        Some('\u{feff}') => Err("it has a byte-order mark; write it without one".to_owned()),
        Some(character) => Err(format!("it has the control character U+{:04X}", u32::from(character))),
        None => Ok(line),
    }
}

/// Prints a result on standard output.
///
/// `println!` would panic if the output can't be written, and a command that ends with 0 although its output is lost
/// (the disk is full) would deceive a script. Only the end of the reader is no failure: `head` has read what it wanted,
/// and the exit code stays that of the command.
fn say(text: &str) -> Result<(), CliError> {
    match write_line(text) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        written => written.map_err(|error| cannot_print(&error)),
    }
}

/// Prints what nobody could find later, such as a secret. If it can't be written, nobody has it: `withdraw` then takes
/// back what was made, and the command fails, also where the reader has ended.
///
/// The secret is committed before it is printed. In the other order a reader would hold SQLite's lock for as long as
/// it likes, and could hold a secret whose commit has failed.
fn show_once(text: &str, withdraw: impl FnOnce() -> Result<(), StoreError>) -> Result<(), CliError> {
    let Err(error) = write_line(text) else { return Ok(()) };
    let why = cannot_print(&error);
    Err(CliError::Failed(match withdraw() {
        Ok(()) => format!("{why}; nobody has seen what was made, so it was taken back"),
        Err(error) => format!("{why}; nobody has seen what was made, and it can't be taken back: {error}"),
    }))
}

/// Fails if standard output keeps nothing: a command that makes a secret would lose it and end with 0. Some services
/// and timers start a program with standard output closed, and Rust then opens `/dev/null` in its place, because
/// otherwise the next file that is opened would get what is printed.
fn require_kept_output() -> Result<(), CliError> {
    let output = io::stdout().as_fd().try_clone_to_owned().and_then(|output| File::from(output).metadata());
    let device = |found: Metadata| found.file_type().is_char_device().then(|| found.rdev());
    let [output, null] = [output, std::fs::metadata("/dev/null")].map(|found| found.ok().and_then(device));
    if output.is_some() && output == null {
        let lost =
            "standard output is closed or /dev/null, and the secret is shown this once; nothing was made";
        return Err(CliError::Failed(lost.to_owned()));
    }
    Ok(())
}

fn cannot_print(error: &io::Error) -> CliError {
    CliError::Failed(format!("can't write to standard output: {error}"))
}

/// Writes a line, and returns only when the kernel has taken it.
fn write_line(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    out.write_all(format!("{text}\n").as_bytes())?;
    out.flush()
}

/// Prints for the person, on standard error: what went wrong, or what to know. A program that reads the result
/// doesn't get it.
fn note(text: &str) {
    stderr::tell(text);
}

/// Writes a number of entries and one of tags.
fn counts(entries: usize, tags: usize) -> String {
    let (entries, tags) = (text::counted(entries, "entry", "entries"), text::counted(tags, "tag", "tags"));
    format!("{entries} and {tags}")
}

/// Prints rows under headings, each column as wide as its longest cell.
fn table(headings: &[&str], rows: Vec<Vec<String>>) -> Result<(), CliError> {
    let headings = headings.iter().map(|heading| (*heading).to_owned()).collect();
    let rows: Vec<Vec<String>> = std::iter::once(headings).chain(rows).collect();
    let wide = |column: usize| rows.iter().map(|row| row[column].chars().count()).max().unwrap_or(0);
    let widths: Vec<_> = (0..rows[0].len()).map(wide).collect();
    for row in &rows {
        let cells: Vec<_> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        say(cells.join("  ").trim_end())?;
    }
    Ok(())
}
