//! The numbers that bound the server, each with what a client sees past it.
//!
//! Names no other room, and any room may name it. Invariant: what a client can make large, slow or many has its bound
//! here, so this file shows how much one client can take from the others.
//!
//! They are constants and not options, because the tests use their values: with another value, an operator would run
//! a server that no test has run. Those that `tests/` uses are `pub`.

use std::time::Duration;

// ---- HTTP messages (`http/message.rs`, `http/request/`) ----

/// Bytes of one request line, method and version included; past it `414`.
pub const REQUEST_LINE_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one request head, request line included; past it `431`.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields of one request, and trailer fields of one chunked body; past it `431`. Clients send about a dozen.
pub const FIELDS_MAX: usize = 100;
/// Bytes of one decoded body on `/mcp`; past it `413`.
pub const MCP_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a body that is kept in memory of the usual kind. For a larger one [`BODY_CAPACITY`] is reserved.
pub(crate) const BODY_AT_FIRST_MAX: usize = 64 * 1024;
/// Bytes reserved for a body past [`BODY_AT_FIRST_MAX`]. This is address space; only the pages that are used take
/// memory. Above 32 MiB the C library gives the memory back to the system as soon as it is freed; smaller blocks it may
/// keep.
pub(crate) const BODY_CAPACITY: usize = 33 * 1024 * 1024;
/// Bytes of a text in a JSON body that is kept in memory of the usual kind. For a larger one [`BODY_CAPACITY`] is
/// reserved too; no tool takes one, and a body has room for few.
pub(crate) const TEXT_AT_FIRST_MAX: usize = 512 * 1024;
/// How long `epicme health` waits for the whole answer. The service of a
/// container starts it every few seconds, and mustn't wait for longer.
pub(crate) const HEALTH_WAIT_MAX: Duration = Duration::from_secs(5);
/// Bytes of its body: it is `ok` or `not ok`.
pub(crate) const HEALTH_BYTES_MAX: usize = 64;
/// Characters of an id that a trusted proxy gives to a request; a longer one isn't shown.
pub(crate) const PROXY_ID_CHARS_MAX: usize = 64;
/// Bytes of one decoded body anywhere else; past it `413`. Anyone may send one there, without a token. A document that
/// the operator names by `--metadata` may have as many.
pub(crate) const OAUTH_BODY_BYTES_MAX: usize = 64 * 1024;
/// Bytes that all chunk-size lines of one body may spend on chunk extensions, which carry no content; past it `400`.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 16 * 1024;
/// Bytes of one trailer section; past it `431`.
pub const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Bytes taken from the socket by one read: most requests come whole with the first.
pub const READ_BYTES: usize = 2 * 1024;
/// Bytes of buffer that an idle connection keeps; a larger one is given back between requests.
pub(crate) const IDLE_BUFFER_BYTES_MAX: usize = READ_BYTES;

// ---- Connections (`http/connection.rs`, `http/workers.rs`) ----

/// One whole request head must arrive within this, counted from its first byte; past it `408`.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// One whole request body must arrive within this; past it `408`.
pub const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// If the client takes no byte of a response, or of one event of a stream, for this long, the connection is closed.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// Bytes that the client must take in one second, on average over more than [`WRITE_STALL_MAX`]; past it the connection
/// is closed. So a response of n bytes, head and body together, takes no longer than that and n / this seconds.
pub(crate) const WRITE_BYTES_PER_SECOND_MIN: u32 = 16 * 1024;
/// How often a write that waits for the client looks whether it takes anything.
pub(crate) const WRITE_LOOK: Duration = Duration::from_secs(1);
/// Bytes of a file that are read, and sent, at a time.
pub(crate) const FILE_PIECE_BYTES: usize = 64 * 1024;
/// A connection may stay idle between two requests this long; then it is closed. Common proxies keep an idle
/// connection to a server for a shorter time, so they close first: a proxy that sends a request while the server
/// closes gets no response. When all places are taken, the connections that wait for a request make room earlier.
pub(crate) const IDLE_MAX: Duration = Duration::from_secs(75);
/// A closing connection is drained for at most this long, so that the client gets to read the response; past it the
/// client may see a reset instead.
pub(crate) const CLOSE_DRAIN_MAX: Duration = Duration::from_secs(5);
/// A closing connection is drained of at most this many bytes; past it likewise. A proxy sends the whole body that it
/// has gathered, also one that is past [`MCP_BODY_BYTES_MAX`]; only its own limit bounds that.
pub(crate) const CLOSE_DRAIN_BYTES_MAX: usize = 16 * MCP_BODY_BYTES_MAX;
/// Connections served at once. For the next one the connection that can best be spared is closed; if each has a request
/// under way, the next one is answered `503`. It is fewer if the process may open fewer descriptors. Idle, so many take
/// less than 256 MB.
pub(crate) const CONNECTIONS_MAX: usize = 10_240;
/// A connection that was opened, or began to wait for a request, less than this long ago doesn't make room for a
/// newcomer while another one can. A head comes within this, unless a packet was lost.
pub const ROOM_GRACE: Duration = Duration::from_millis(250);
/// Connections that are answered `503` at once; past it they are closed unanswered.
pub const REFUSALS_MAX: usize = 64;
/// Descriptors kept back for the database, its log and the standard streams.
pub const DESCRIPTORS_RESERVED: usize = 64;
/// Stack of a worker thread, in bytes. This is address space; only the pages that are used take memory. JSON of 127
/// levels, the deepest that is read, must fit, in a build without optimization too.
pub(crate) const THREAD_STACK_BYTES: usize = 1024 * 1024;
/// A worker thread waits this long for its next connection; then it ends, unless too few would be left.
pub(crate) const THREAD_IDLE_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed `accept`: while descriptors are short it fails at once, and the loop would take a whole core.
pub(crate) const ACCEPT_RETRY: Duration = Duration::from_millis(20);
/// Worker threads that wait for connections at each listener at least, so that a burst finds some that are ready.
pub(crate) const WAITING_WORKERS_MIN: usize = 4;
/// Requests in flight get this long to finish after SIGTERM, SIGINT or SIGHUP; then their connections end with the
/// process.
pub(crate) const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);

// ---- Standard input and output (`stdio/`) ----

/// Requests that one `epicme stdio` has in flight; the next one is answered by an error. Each holds a thread.
pub const STDIO_REQUESTS_MAX: usize = 64;
/// Bytes of one line of its input; past it the line is answered by an error. As many as a body on `/mcp` may have.
pub const STDIO_LINE_BYTES_MAX: usize = MCP_BODY_BYTES_MAX;
/// Bytes of a longer line in which it looks for the id of the request; past it the error has no id.
pub(crate) const STDIO_ID_WITHIN_BYTES: u64 = 16 * STDIO_LINE_BYTES_MAX as u64;
/// Bytes of one message of the server. A batch has the longest: [`BATCH_ANSWER_BYTES_MAX`], and one answer more.
pub(crate) const STDIO_MESSAGE_BYTES_MAX: usize = 64 * 1024 * 1024;
/// How long it waits for a server that has the database, and can't be reached: it may be starting, or bringing the
/// database up to date. Past it the request is answered by an error, and the next one tries again.
pub(crate) const STDIO_SERVER_WAIT_MAX: Duration = Duration::from_secs(10);
/// How often it looks meanwhile, and how long it waits before it sends a request again that wasn't read.
pub(crate) const STDIO_SERVER_LOOK: Duration = Duration::from_millis(50);
/// How long the server may take to prove that it has the database; past it it counts as not reached.
pub(crate) const STDIO_PROOF_WAIT_MAX: Duration = Duration::from_secs(5);
/// Bytes of its proof; past it, it is no proof.
pub(crate) const STDIO_PROOF_BYTES_MAX: usize = 256;
/// How long the server may take to begin an answer, and may be silent on a stream, on which it sends a comment each
/// [`KEEP_ALIVE`]; past it the request is answered by an error.
pub(crate) const STDIO_SILENCE_MAX: Duration = Duration::from_secs(90);

// ---- The log (`stderr.rs`, `log/`) ----

/// Lines about requests in one second; the rest of that second is counted, and one line says how many there were.
pub(crate) const LOG_LINES_PER_SECOND_MAX: u64 = 1000;
/// Notes about the server itself in one second, likewise.
pub(crate) const NOTES_PER_SECOND_MAX: u64 = 100;
/// Bytes of log lines that wait to be written; past it, when standard error is read too slowly, lines are dropped.
pub(crate) const LOG_BYTES_WAITING_MAX: usize = 1024 * 1024;
/// Log lines that wait to be written; past it they are dropped likewise.
pub(crate) const LOG_LINES_WAITING_MAX: usize = 2000;
/// How long the log's thread lets lines gather after it has written some.
pub(crate) const LOG_PAUSE: Duration = Duration::from_millis(10);
/// Bytes of one value that a client sent, as the log and the wire view show it; what follows is left out.
pub(crate) const VALUE_SHOWN_BYTES_MAX: usize = 100;
/// A word of this many bytes is left out of the wire view: secrets are as long.
pub(crate) const WORD_SHOWN_BYTES_MAX: usize = 32;
/// Fields of one name in the wire view, and names of one query; the rest is left out.
pub(crate) const FIELDS_SHOWN_MAX: usize = 20;

// ---- Watching (`watch.rs`, `pages/watch/`) ----

/// Exchanges that are kept for the page that shows them. Most take some 2 KiB; with the most fields that are shown, of
/// the longest values, it is some 30.
pub const WATCHED_EXCHANGES_MAX: usize = 200;
/// Open pages that are told of new exchanges; past it a page gets a 503 and tries again. Each holds a thread.
pub const WATCHERS_MAX: usize = 4;
/// How long exchanges gather before a page is told of further ones, so that a burst doesn't keep the machine busy.
pub(crate) const WATCH_PAUSE: Duration = Duration::from_millis(100);

// ---- The store (`store/`) ----

/// A write is answered within this even when another process holds the database's lock, the wait in the writer's
/// queue included; past it the call fails and nothing is written.
pub const BUSY_MAX: Duration = Duration::from_secs(5);
/// A read waits this long for a read connection and for SQLite; past it the call fails.
pub(crate) const READ_WAIT_MAX: Duration = Duration::from_secs(1);
/// Read-only connections. More would cost memory and gain nothing on few cores.
pub(crate) const READ_CONNECTIONS: usize = 4;
/// Read connections that one person's requests may hold at once, so that one person's searches don't shut others out.
pub(crate) const READ_CONNECTIONS_PER_PERSON: usize = 2;
/// Read connections kept free for people who have none at the moment, so that two people's searches don't shut others
/// out either.
pub(crate) const READ_CONNECTIONS_KEPT: usize = 1;
/// Read connections kept apart for look-ups of one row, the gate's above all.
pub(crate) const LOOK_UP_CONNECTIONS: usize = 2;
/// How often a thread lets others run before it waits for a connection: most reads are over by then.
pub(crate) const READ_YIELDS: usize = 4;
/// How long one read may work; past it it is broken off, and the call fails.
pub(crate) const READ_WORK_MAX: Duration = Duration::from_secs(2);
/// Bytes of the write-ahead log; past it the log starts over after the commit that made it so large, and writes wait
/// meanwhile. SQLite mostly starts it over long before, but not as long as reads overlap.
pub const WAL_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Bytes of its file that are kept when SQLite starts it over by itself.
pub(crate) const WAL_BYTES_KEPT: i64 = 32 * 1024 * 1024;
/// How long one read may work while the log waits to start over; past it the read is broken off, and the call fails.
pub const READ_WORK_MAX_AT_FULL_WAL: Duration = Duration::from_millis(500);
/// How long the writer waits for such reads; past it the log grows by as much again before the next attempt. Writes
/// wait meanwhile, so this is a part of [`BUSY_MAX`]. It is longer than [`READ_WORK_MAX`], because a long step of the
/// search index can't be broken off.
pub(crate) const WAL_WAIT_MAX: Duration = Duration::from_secs(3);
/// How often the writer looks meanwhile whether they have ended.
pub(crate) const WAL_LOOK: Duration = Duration::from_millis(5);
/// Steps of SQLite's virtual machine between two looks at the clock. With fewer, looking would be a cost of every
/// read.
pub(crate) const READ_STEPS_BETWEEN_LOOKS: i32 = 10_000;
/// Writes that one commit may carry. One wait for the disk serves them all.
pub(crate) const BATCH_MAX: usize = 256;
/// How long one commit may gather writes: the first of them waits for the last.
pub(crate) const GATHER_MAX: Duration = Duration::from_millis(50);
/// Bytes of entries that one commit puts into the search index when all of it is made anew. A process that is killed
/// meanwhile loses so much work.
pub(crate) const INDEX_PIECE_BYTES: usize = 4 * 1024 * 1024;
/// Pages of the search index that one commit merges, after the index was made anew.
pub(crate) const INDEX_MERGE_PAGES: i64 = 1_000;
/// Pages that one step merges while nothing is written: mostly a few milliseconds, for which a write may have to wait.
pub(crate) const INDEX_STEP_PAGES: i64 = 8;
/// How long nothing must have been written before such a step.
pub(crate) const TIDY_AFTER: Duration = Duration::from_millis(250);
/// How long nothing must have been written before what is in the write-ahead log is copied into the database file.
pub(crate) const CHECKPOINT_AFTER: Duration = Duration::from_secs(5);
/// How often the operator hears how far long work is.
pub(crate) const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);
/// How long a server waits for the lock on its file, which a command has for a moment when it begins.
pub(crate) const SERVER_LOCK_WAIT_MAX: Duration = Duration::from_millis(500);
/// How long a command waits for the sign that a server has the file by the name that the command was given: a server
/// that begins looks through the log first. Past it the command is refused.
pub(crate) const SERVER_SIGN_WAIT_MAX: Duration = Duration::from_secs(2);
/// Bytes of a database and its log up to which both are looked through when a killed server has left the log. It takes
/// a part of a second.
pub(crate) const CHECKED_AT_OPEN_BYTES_MAX: u64 = 64 * 1024 * 1024;
/// Pages of the database that one step of a copy copies; a page has 4 KiB. A server that stops waits for one step.
pub(crate) const COPY_PAGES: i32 = 256;
/// Backups of `serve --backup-to` that are kept where `--keep` is left out.
pub(crate) const BACKUPS_KEPT: usize = 7;
/// How often a server looks whether its file is in its place, and whether a backup is due.
pub(crate) const KEEPER_LOOK: Duration = Duration::from_secs(1);
/// How long it waits after a backup that failed, unless they are made more often.
pub(crate) const BACKUP_RETRY: Duration = Duration::from_secs(10 * 60);
/// How long a server that stops waits for a backup to be given up.
pub(crate) const KEEPER_STOP_MAX: Duration = Duration::from_secs(2);
/// Faults of a damaged database that are shown; the rest is left out.
pub(crate) const FAULTS_SHOWN_MAX: usize = 10;
/// Bytes of entries that one commit may add to the search index; the next write waits for the next commit. It takes
/// about as long as [`GATHER_MAX`].
pub const GROUP_BYTES_MAX: usize = 256 * 1024;
/// Pages of the write-ahead log after which SQLite copies it into the database file; a page has 4 KiB.
pub(crate) const CHECKPOINT_PAGES: i64 = 4_000;
/// Rows that are over (expired sign-ins, used forms, tokens) which one write deletes besides its own work. The other
/// writes wait for it, so what is left stays for the next write of its kind. Each adds one row at most, so the rows
/// don't pile up. `epicme client remove` deletes as many at once.
pub const CLEAN_UP_ROWS_MAX: usize = 1_000;
/// Prepared statements that one connection keeps.
pub(crate) const STATEMENTS_MAX: usize = 128;

// ---- Tokens and sessions ----

/// Life of a token made on the command line when `--expires` is left out, in seconds.
pub(crate) const TOKEN_SECONDS_DEFAULT: i64 = 30 * 24 * 60 * 60;
/// Longest life of a token made on the command line, in seconds (ten years).
pub(crate) const TOKEN_SECONDS_MAX: i64 = 3650 * 24 * 60 * 60;
/// Life of the token that `--demo` prints, in seconds.
pub(crate) const DEMO_TOKEN_SECONDS: i64 = 24 * 60 * 60;
/// Characters of a token's label.
pub(crate) const LABEL_CHARS_MAX: usize = 200;
/// Life of a legacy `Mcp-Session-Id`, in seconds; past it `404`, and the client starts over.
pub(crate) const SESSION_SECONDS: i64 = 30 * 24 * 60 * 60;
/// Characters of a new password, at least, on a server without a public URL. One that was set before stays good.
pub(crate) const PASSWORD_CHARS_MIN: usize = 8;
/// The same with a public URL, where anybody may guess.
pub(crate) const PUBLIC_PASSWORD_CHARS_MIN: usize = 12;
/// Characters of the part of an email address before the `@`, past which a password may not be made of it.
pub(crate) const EMAIL_NAME_CHARS_MIN: usize = 4;
/// Bytes of a password, at most; Argon2 would take more, and hashing a megabyte would be an attack.
pub(crate) const PASSWORD_BYTES_MAX: usize = 1024;
/// Memory of one password hash, in KiB: the cost `m` of Argon2id, as OWASP recommends it. The server keeps this much
/// from the first sign-in on. A stored hash that asks for more matches no password.
pub(crate) const HASHING_KIB: u32 = 19 * 1024;
/// Passes over that memory, the cost `t`.
pub(crate) const HASHING_PASSES: u32 = 2;
/// Passes of a stored hash; one that asks for more matches no password. All sign-ins wait while one is hashed.
pub(crate) const HASHING_PASSES_MAX: u32 = 10;
/// How long `epicme user remove` works in one transaction; the server's writes wait meanwhile.
pub(crate) const REMOVAL_WORK_MAX: Duration = Duration::from_millis(50);
/// How long it waits between two, as `epicme client remove` does, so that a server that waits for the database gets it:
/// SQLite looks after 25 ms at the latest during the first tenth of a second.
pub(crate) const REMOVAL_PAUSE: Duration = Duration::from_millis(50);
/// Rows that it deletes in one transaction.
pub(crate) const REMOVED_ROWS_MAX: usize = 1_000;
/// Rows that `epicme user remove` deletes by one statement, between two looks at the clock.
pub(crate) const REMOVED_AT_ONCE: i64 = 10;
/// Bytes of an email address (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

// ---- The authorization server (`oauth/`) and its pages ----

/// Life of an authorization code, in seconds; past it `invalid_grant`. OAuth 2.1 §4.1.2 recommends ten minutes at
/// most; a client needs a second.
pub(crate) const CODE_SECONDS: i64 = 60;
/// Life of an access token, in seconds; past it `401`, and the client refreshes. A stolen one is of use for no
/// longer.
pub(crate) const ACCESS_TOKEN_SECONDS: i64 = 15 * 60;
/// How long a refresh token may lie idle, in seconds; past it the person signs in again.
pub(crate) const REFRESH_TOKEN_SECONDS: i64 = 30 * 24 * 60 * 60;
/// How long a rotated refresh token still gets its successor, in seconds: the response with the new one may have been
/// lost. Past it a second use means that two parties hold the token, and the grant is revoked (OAuth 2.1 §4.3.1).
pub(crate) const REFRESH_GRACE_SECONDS: i64 = 30;
/// Bytes of a client's `state`; past it an error page.
pub(crate) const STATE_BYTES_MAX: usize = 4096;
/// Bytes of a redirect URI; past it `invalid_redirect_uri`.
pub(crate) const REDIRECT_URI_BYTES_MAX: usize = 2000;
/// Parameters of one query or form; past it `invalid_request`. The server compares each with all before it.
pub(crate) const PARAMETERS_MAX: usize = 64;
/// Redirect URIs of one client; past it `invalid_client_metadata`.
pub(crate) const REDIRECT_URIS_MAX: usize = 20;
/// Characters of a client's name; past it `invalid_client_metadata`.
pub(crate) const CLIENT_NAME_CHARS_MAX: usize = 200;
/// Bytes of a client's name and redirect URIs together; past it `invalid_client_metadata`. The id of a client that
/// registers itself holds them, and the id is a part of URLs, of which some proxies take no more than 8 KiB.
pub(crate) const REGISTRATION_BYTES_MAX: usize = 4_000;
/// Bytes of a path of ours in a redirect; past it a page leads there. nginx reads the head of a response into 4 KiB.
pub(crate) const LOCATION_BYTES_MAX: usize = 3_000;
/// Wrong passwords for one account in [`SIGN_IN_WINDOW_SECONDS`]; past it `429`.
pub(crate) const ACCOUNT_FAILURES_MAX: u32 = 10;
/// Wrong passwords from one address in the same time; past it `429`. More than for an account, because several people
/// may share an address. That of a proxy that names no client isn't counted
/// (`ClientAddress::own`); that of one whose headers differ is.
pub(crate) const ADDRESS_FAILURES_MAX: u32 = 50;
/// See [`ACCOUNT_FAILURES_MAX`].
pub(crate) const SIGN_IN_WINDOW_SECONDS: i64 = 15 * 60;
/// Names and addresses whose failures are counted at once; the oldest makes room.
pub(crate) const THROTTLE_KEYS_MAX: usize = 10_000;
/// How long a person may take between their password and the code of the second factor, in seconds; past it they begin
/// again.
pub(crate) const SECOND_STEP_SECONDS: i64 = 5 * 60;
/// Wrong codes of the second factor since the last right one; past it the app's codes aren't looked at until the person
/// gives a recovery code, or the operator takes the factor away. Three of a million codes are right at one time, so
/// somebody who knows the password, and guesses until this, hits one with a probability of 1 in 6,667.
pub const WRONG_CODES_MAX: i64 = 50;
/// How long a second press of the button that makes recovery codes shows them once more, in seconds; past it the page
/// says that the form was used.
pub(crate) const SECOND_PRESS_SECONDS: i64 = 60;
/// Recovery codes that a person gets at once.
pub const RECOVERY_CODES: usize = 10;
/// Events of one person that are kept (`activity.rs`); past it the oldest goes.
pub const ACTIVITY_KEPT_MAX: i64 = 100;
/// Events that the account page shows, the newest.
pub const ACTIVITY_SHOWN_MAX: i64 = 20;
/// Tokens from the command line that the account page shows, the newest; a sentence says that there are more.
pub(crate) const TOKENS_SHOWN_MAX: usize = 50;
/// How often at most it is written down that a browser was seen, in seconds.
pub(crate) const SEEN_SECONDS: i64 = 5 * 60;
/// Passwords that may wait to be hashed. Past it one of them is answered `503`: the one that has waited longest of the
/// account that has the most, at the address that has the most. Each holds a thread and a connection, so with few
/// connections it is fewer: a quarter of them, so that the rest of the server goes on.
pub(crate) const SIGN_INS_WAITING_MAX: usize = 1024;
/// How long a password waits to be hashed; past it `503`. As many as may wait are hashed within it, unless the machine
/// is slow. Common proxies wait no longer for a response.
pub(crate) const SIGN_IN_WAIT_MAX: Duration = Duration::from_secs(60);
/// Grants of one person: what they allowed one program once. Past it the one that was used longest ago ends, and its
/// program gets a `401` and asks again.
pub const GRANTS_PER_PERSON_MAX: usize = 200;
/// Refresh tokens of one grant, those that were traded included; past it the grant ends, and its program asks the
/// person again. A traded one is kept until it expires ([`REFRESH_TOKEN_SECONDS`]), because its return means theft. A
/// program that refreshes as often as its access tokens expire has 2,880.
pub const REFRESH_TOKENS_PER_GRANT_MAX: usize = 10_000;
/// Access tokens of one grant; past it the one that expires first ends, and its holder refreshes. A program with one
/// grant uses one at a time.
pub const ACCESS_TOKENS_PER_GRANT_MAX: usize = 100;
/// Programs with access that the account page shows at once; a link leads to the others.
pub const GRANTS_PER_PAGE: usize = 50;
/// Pages of the account and of the journal that the server sends to one person at once, downloads of a journal
/// included; past it `429`. A button of the account page that was pressed counts all the same, and a short page says
/// so.
pub const PAGES_PER_PERSON_MAX: usize = 16;
/// Entries that a page of the journal shows at once; a link leads to the others.
pub const JOURNAL_PAGE_ENTRIES: usize = 20;
/// Bytes of a form of the journal; past it `413`. The longest text takes up to a third of that as a browser encodes it,
/// so one that is too long still comes back with a word about it. Only a person who is signed in may send so much.
pub(crate) const JOURNAL_FORM_BYTES_MAX: usize = MCP_BODY_BYTES_MAX;
/// How long a page with a form may stay open, in seconds; past it the form isn't taken, and the person gets a fresh
/// one. A used form is remembered for twice this time; the next form that is used after that deletes its row.
pub(crate) const FORM_SECONDS: i64 = 60 * 60;
/// Browsers in which one person is signed in; past it the one that signed in longest ago is signed out.
pub const SIGN_INS_PER_PERSON_MAX: usize = 100;
/// How long a browser stays signed in, in seconds.
pub(crate) const SIGN_IN_SECONDS: i64 = 12 * 60 * 60;

// ---- Another authorization server (`introspection.rs`) ----

/// How long the other authorization server may take to answer; past it `503`.
pub(crate) const INTROSPECTION_DEADLINE: Duration = Duration::from_secs(5);
/// Introspection requests at once for tokens that weren't found good before; the next waits. That server may be slow.
pub(crate) const UNKNOWN_TOKENS_AT_ONCE_MAX: usize = 8;
/// Introspection requests at once for tokens that were good when they were last asked about. These have places of
/// their own, so that strangers with invented tokens don't keep out the clients that are at work.
pub(crate) const KNOWN_TOKENS_AT_ONCE_MAX: usize = 8;
/// Tokens that may wait to be asked about, of each of these two kinds. Past it one of them is answered `503`: of the
/// address that has the most waiting, or of the person who has, the one that has waited longest. Each holds a thread
/// and a connection, so with few connections it is fewer: an eighth of them.
pub(crate) const INTROSPECTIONS_WAITING_MAX: usize = 512;
/// Requests that may wait for what another one with the same token asks, of each of the two kinds. Past it one of them
/// is answered `503`: the one that has waited longest with the token that most bring, at the address, or of the person,
/// that has the most. They too are an eighth of the connections at most. A token whose answer is still believed waits
/// for nothing.
pub(crate) const INTROSPECTION_FOLLOWERS_MAX: usize = 512;
/// How long a token waits to be asked about; past it `503`.
pub(crate) const INTROSPECTION_WAIT_MAX: Duration = Duration::from_secs(10);
/// Bytes of the subject that it names for a person; past it the token counts as unknown.
pub(crate) const SUBJECT_BYTES_MAX: usize = 255;
/// Bytes of its answer; past it `503`.
pub(crate) const INTROSPECTION_BYTES_MAX: usize = 64 * 1024;
/// How long its answer is believed, in seconds: a revocation there takes effect here within this. RFC 7662 §4 names
/// the choice: longer is faster, shorter is safer.
pub(crate) const INTROSPECTION_CACHE_SECONDS: i64 = 60;
/// Answers about good tokens that are kept; past it the one that was asked about longest ago makes room.
pub(crate) const INTROSPECTIONS_KEPT_MAX: usize = 10_000;
/// How long its answer about a token that isn't good is believed, in seconds. Short, because a token may be issued
/// before every part of that server knows it; long enough that a client that tries again and again costs little.
pub(crate) const REFUSAL_CACHE_SECONDS: i64 = 5;
/// Answers about other tokens that are kept; past it all of them are forgotten. They have a bound of their own,
/// because anyone can invent tokens, and these must not push out the good ones.
pub(crate) const REFUSALS_KEPT_MAX: usize = 10_000;

// ---- Answers of other servers (`http/client.rs`, `doctor/`); introspection has bounds of its own, above ----

/// Bytes of the head of another server's answer; past it there is no answer.
pub(crate) const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Bytes of the body of an answer that `epicme doctor` reads; past it the step fails.
pub(crate) const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long `epicme doctor` waits for one answer; past it the step fails. A server may have to wake up first. A walk
/// waits 19 times at most, so it ends within three and a half minutes, or twice that if `localhost` is two addresses.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Characters of a host in a URL that another server names (RFC 1035 §2.3.4); past it the step fails.
pub(crate) const HOST_CHARS_MAX: usize = 253;
/// Characters of another server's text that `epicme doctor` prints, escapes included.
pub(crate) const DOCTOR_SHOWN_CHARS_MAX: usize = 200;
/// Characters of a line that `epicme doctor` prints, and of one in the wire view, unless a part of it can't be
/// folded.
pub(crate) const TERMINAL_LINE_CHARS_MAX: usize = 110;
/// The lines and columns of a terminal as it opens. The end of what `epicme doctor` prints fits; past it the verdict is
/// cut.
pub(crate) const SCREEN_LINES: usize = 24;
pub(crate) const SCREEN_COLUMNS: usize = 80;
/// Characters of a path in a diagram, escapes included; past it the path is cut.
pub(crate) const DIAGRAM_PATH_CHARS_MAX: usize = 100;
/// Characters of a note in a diagram, escapes included; past it the note is cut.
pub(crate) const DIAGRAM_NOTE_CHARS_MAX: usize = 300;
/// Characters of a line of a note in a diagram.
pub(crate) const DIAGRAM_LINE_CHARS_MAX: usize = 60;

// ---- MCP (`mcp/`) ----

/// Requests of one person on `/mcp` that may be in progress at once (`shares.rs`), bodies that are still arriving
/// included; past it `429`. An agent sends a few at a time, so an ordinary one never meets this bound. Open event
/// streams have a limit of their own, [`STREAMS_PER_PERSON_MAX`].
pub const REQUESTS_PER_PERSON_MAX: usize = 100;
/// Bytes of the bodies of one person's requests on `/mcp` that are in progress; past it `429`. These are 16 of the
/// largest. A body whose length isn't announced counts as one of those.
pub const BODY_BYTES_PER_PERSON_MAX: usize = 16 * MCP_BODY_BYTES_MAX;
/// The same of all persons together; past it `503`. Small bodies don't count.
pub const BODY_BYTES_MAX: usize = 4 * BODY_BYTES_PER_PERSON_MAX;
/// Bytes of a small body: as many as a stranger may send to other paths.
pub const SMALL_BODY_BYTES_MAX: usize = OAUTH_BODY_BYTES_MAX;
/// How long a client that got this `429` or `503` is told to wait, in seconds.
pub(crate) const REQUESTS_RETRY_SECONDS: i64 = 1;
/// Messages in one JSON-RPC batch (protocol version 2025-03-26); past it `-32600`.
pub(crate) const BATCH_MESSAGES_MAX: usize = 50;
/// Bytes of answers that one batch gathers; the calls after that aren't run, and are answered `-32603`.
pub const BATCH_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Bytes of a request's id, which an event stream keeps and repeats in every message; past it `-32600`.
pub const REQUEST_ID_BYTES_MAX: usize = 1024;
/// Values in one JSON text, objects' members and arrays' items counted; past it `-32700`.
pub(crate) const JSON_VALUES_MAX: usize = 20_000;
/// Event streams that one person may have open: so many subscriptions, and so many calls that wait for a
/// confirmation; past it `-32603`.
pub const STREAMS_PER_PERSON_MAX: usize = 8;
/// Event streams of all persons together; past it `-32603`. Each holds a thread.
pub const STREAMS_MAX: usize = 256;
/// An event stream on which nothing happens sends a comment this often, and its token is checked again.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long an event stream whose token can't be checked is kept, counted from the last time it was; past it the
/// stream ends.
pub(crate) const DOUBT_MAX: Duration = Duration::from_secs(60);
/// How often an event stream looks whether its client is still there and its token hasn't expired; and how long a
/// burst of events may go on before the token is checked again.
pub const STREAM_LOOK: Duration = Duration::from_secs(1);
/// How long a confirmation question on an open stream waits for its answer; past it the answer is no.
pub(crate) const ANSWER_WAIT: Duration = Duration::from_secs(5 * 60);
/// How long a `requestState` is good, in seconds; past it the person is asked again.
pub const REQUEST_STATE_SECONDS: i64 = 10 * 60;
/// Characters of a title or name in a question or prompt; the rest is cut off.
pub const SHOWN_NAME_CHARS_MAX: usize = 80;
/// Combining marks on one character of a name, such as accents; the rest is left out. Polytonic Greek needs three.
pub(crate) const MARKS_PER_CHARACTER_MAX: usize = 4;
/// Bytes of the URI in `resources/read`; past it `-32602`.
pub const URI_BYTES_MAX: usize = 2000;
/// URIs in one subscription; past it `-32602`.
pub const SUBSCRIBED_URIS_MAX: usize = 500;
/// Tags on one page of `resources/list`; on the first the fixed resources come before them.
pub(crate) const RESOURCE_PAGE: usize = 100;
/// Entries that `epicme://entries` shows.
pub(crate) const RESOURCE_ENTRIES: usize = 100;
/// Values of one completion (the schema allows no more).
pub(crate) const COMPLETIONS_MAX: usize = 100;
/// Rows that one completion looks at, the first in the order of the list; `hasMore` says that there are more.
pub const COMPLETION_ROWS_MAX: usize = 10_000;
/// Characters of the text to complete; past it `-32602`.
pub const COMPLETED_CHARS_MAX: usize = 500;
/// Entries in the prompt that summarizes; a sentence says how many more there are.
pub(crate) const PROMPT_ENTRIES_MAX: usize = 50;
/// Bytes of entries in that prompt, and of tags in the one that suggests some, as they are written there; in the result
/// of a tool with the same instructions both of its copies count. What is left out is counted in the same sentence. The
/// newest entry goes along whatever its size, so a result has this much or that of one entry. Some clients take no
/// result of more than 1 MiB.
pub const PROMPT_BYTES_MAX: usize = 512 * 1024;
/// How long a client may keep a result that is the same for every person, in milliseconds.
pub(crate) const PUBLIC_TTL_MS: i64 = 3_600_000;

// ---- The journal: past each a tool error that names the limit and the actual size ----

/// Characters of an entry's title, at least one.
pub(crate) const TITLE_CHARS_MAX: usize = 300;
/// Characters of an entry's content.
pub(crate) const CONTENT_CHARS_MAX: usize = 100_000;
/// Characters of an entry's mood, location and weather, each.
pub(crate) const LABEL_TEXT_CHARS_MAX: usize = 200;
/// Characters of a tag's name, at least one that isn't a blank.
pub(crate) const TAG_NAME_CHARS_MAX: usize = 100;
/// Characters of a tag's description.
pub(crate) const TAG_DESCRIPTION_CHARS_MAX: usize = 1_000;
/// Tags of one person; `epicme://tags` lists them all at once.
pub const TAGS_MAX: usize = 10_000;
/// Entries that lose a tag in one transaction when it is deleted, or merged into another; the other writes wait
/// meanwhile. What is left is done in further ones.
pub const UNTAGGED_AT_ONCE: usize = 1_000;
/// Tags of one entry; ids and names of tags in one call, each.
pub(crate) const TAGS_PER_ENTRY_MAX: usize = 50;
/// Characters of a search query, at least one.
pub(crate) const QUERY_CHARS_MAX: usize = 500;
/// Terms of a search query.
pub(crate) const QUERY_TERMS_MAX: usize = 16;
/// Terms of the search index that the terms of a query may be together: an address or a phrase is several, and Chinese
/// about one for each character.
pub(crate) const QUERY_LOOKUPS_MAX: usize = 64;
/// Prefixes (`word*`) among them, which cost the most: each matches all words that begin so.
pub(crate) const QUERY_BEGINNINGS_MAX: usize = 4;
/// Letters of such a prefix, at least. With one letter it matches a tenth of all words of a journal, and costs ten
/// times what a usual word costs.
pub(crate) const QUERY_BEGINNING_CHARS_MIN: usize = 2;
/// Characters of one word in the search index; the rest isn't looked at, neither in an entry nor in a query.
pub(crate) const TERM_CHARS_MAX: usize = 64;
/// The same symbol in a row in the search index; the rest is left out, in an entry as in a query.
pub(crate) const SYMBOLS_IN_A_ROW_MAX: usize = 2;
/// Entries on one page of `list_entries`, and how many when `limit` is left out.
pub(crate) const LIST_PAGE_MAX: usize = 200;
/// See [`LIST_PAGE_MAX`].
pub(crate) const LIST_PAGE_DEFAULT: usize = 100;
/// Entries on one page of `search_entries`, and how many when `limit` is left out.
pub(crate) const SEARCH_PAGE_MAX: usize = 100;
/// See [`SEARCH_PAGE_MAX`].
pub(crate) const SEARCH_PAGE_DEFAULT: usize = 20;
/// Entries in the answer of `on_this_day`; its sentence says how many there are.
pub(crate) const ON_THIS_DAY_ENTRIES_MAX: usize = 50;
/// Characters of a text in that answer, and in the lists of the journal's pages; the rest is left out.
pub(crate) const EXCERPT_CHARS_MAX: usize = 300;
/// Years in the answer of `journal_overview`, the newest.
pub(crate) const OVERVIEW_YEARS_MAX: usize = 100;
/// Months in that answer, the newest; its sentence says how many are left out.
pub(crate) const OVERVIEW_MONTHS_MAX: usize = 36;
/// Tags in that answer, those that the most entries have.
pub(crate) const OVERVIEW_TAGS_MAX: usize = 20;
/// Tags on one page of `list_tags`, and how many when `limit` is left out.
pub(crate) const TAG_PAGE_MAX: usize = 500;
/// See [`TAG_PAGE_MAX`].
pub(crate) const TAG_PAGE_DEFAULT: usize = 200;
/// Characters of a cursor: that of a tag holds its name, 8 + 400 bytes at most, which are 591 characters once signed.
/// Past it `-32602`.
pub const CURSOR_CHARS_MAX: usize = 700;
/// `resource_link` blocks in the answer of a list.
pub(crate) const LINKS_MAX: usize = 20;
/// Tokens of a search snippet (FTS5 allows 64).
pub(crate) const SNIPPET_TOKENS: usize = 32;
/// Characters of a search snippet; the rest is left out, around the match. A token may be a whole text.
pub const SNIPPET_CHARS_MAX: usize = 500;

// ---- Exports and imports (`portable/`) ----

/// Bytes that one import reads of an archive, as they are once unpacked; past it nothing is imported. Ten years of a
/// page a day are a tenth of it.
pub(crate) const IMPORT_BYTES_MAX: u64 = 512 * 1024 * 1024;
/// The same for a file or folder that isn't packed, whose size its owner sees. An export of epicme may be so long.
pub(crate) const IMPORT_PLAIN_BYTES_MAX: u64 = 16 * 1024 * 1024 * 1024;
/// Entries and tags that one import takes; past it nothing is imported. They are kept in memory until all are read.
pub(crate) const IMPORT_ITEMS_MAX: usize = 1_000_000;
/// Entries and tags that can't be kept, past which an import ends at once and isn't read on.
pub(crate) const IMPORT_PROBLEMS_MAX: usize = 10_000;
/// Files and folders that one import looks at; past it nothing is imported.
pub(crate) const IMPORT_FILES_MAX: usize = 200_000;
/// Folders inside of each other that one import looks into; what lies deeper is left out, and a note says so.
pub(crate) const IMPORT_DEPTH_MAX: usize = 16;
/// Bytes of a Markdown file; past it the file is named as one that can't be kept. A text has [`CONTENT_CHARS_MAX`]
/// characters of four bytes at most, and the labels and fifty tags are less than the rest.
pub(crate) const MARKDOWN_FILE_BYTES_MAX: usize = 512 * 1024;
/// Fields in the front matter of a Markdown file; past it the file is named likewise.
pub(crate) const FRONT_MATTER_FIELDS_MAX: usize = 200;
/// Remarks of different wording that one import makes; the rest is not shown.
pub(crate) const IMPORT_NOTES_MAX: usize = 50;
/// Bytes of the part of a file's name that is made of the title.
pub(crate) const SLUG_BYTES_MAX: usize = 80;
/// Ids that a file may give; past it the entry gets the next id of the journal. The database has 32 bits for an id
/// (`schema_5.sql`), and this leaves half of the numbers to the entries that follow.
pub(crate) const IMPORTED_ID_MAX: i64 = 1 << 31;
/// Entries whose ids an export reads at once; their texts it reads one by one.
pub(crate) const EXPORTED_IDS_AT_ONCE: i64 = 1_000;
/// An export or import says how far it is after so many entries.
pub(crate) const PROGRESS_ENTRIES: usize = 5_000;
/// Entries that can't be kept which an import names; it says how many more there are.
pub(crate) const PROBLEMS_SHOWN_MAX: usize = 20;
