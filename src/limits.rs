//! Every number that bounds the server, beside what a client sees past it.
//!
//! Knows no other room; every other room may read it.

use std::time::Duration;

// ---- HTTP framing (`request/`) ----

/// Octets of one request line, method and version included; past it `414`.
pub const REQUEST_LINE_BYTES_MAX: usize = 16 * 1024;
/// Octets of one request head, request line included; past it `431`.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;
/// Header fields of one request, and trailer fields of one chunked body; past it `431`.
pub const FIELDS_MAX: usize = 100;
/// Octets of one decoded body on `/mcp`; past it `413`.
pub const MCP_BODY_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Octets of one decoded body anywhere else; past it `413`.
pub const OAUTH_BODY_BYTES_MAX: usize = 64 * 1024;
/// Octets that all chunk-size lines of one body may spend on chunk extensions; past it `400`.
pub const CHUNK_EXTENSION_BYTES_MAX: usize = 16 * 1024;
/// Octets of one trailer section; past it `431`.
pub const TRAILER_BYTES_MAX: usize = 16 * 1024;
/// Octets taken from the socket by one read.
pub const READ_BYTES: usize = 4 * 1024;
/// Octets of read buffer that an idle connection keeps; a larger one is given back between requests.
pub const IDLE_BUFFER_BYTES_MAX: usize = READ_BYTES;

// ---- Connections (`server.rs`) ----

/// One whole request head must arrive within this, counted from its first octet; past it `408`.
pub const HEAD_DEADLINE: Duration = Duration::from_secs(10);
/// One whole request body must arrive within this; past it `408`.
pub const BODY_DEADLINE: Duration = Duration::from_secs(30);
/// A write may stand still this long; past it the connection is closed.
pub const WRITE_STALL_MAX: Duration = Duration::from_secs(30);
/// One whole answer, or one event of a stream, must be taken within this, however it drips; past it the connection is closed.
pub const WRITE_DEADLINE: Duration = Duration::from_secs(60);
/// Octets of a body that still goes out in one piece with its head; a larger one isn't copied for that.
pub const ONE_PIECE_BYTES_MAX: usize = 64 * 1024;
/// A connection may wait this long for its next request; past it it is closed. Longer than the time
/// for which the usual proxies keep an idle upstream connection, so that they close first.
pub const IDLE_MAX: Duration = Duration::from_secs(75);
/// A closing connection is drained for at most this long, so that the peer gets to read the answer.
pub const LINGER_MAX: Duration = Duration::from_secs(2);
/// A closing connection is drained of at most this many octets.
pub const LINGER_BYTES_MAX: usize = 1024 * 1024;
/// Connections served at once; the next one is answered `503`. Fewer where the process may open fewer
/// descriptors.
pub const CONNECTIONS_MAX: usize = 4096;
/// Connections being told `503` at once; past it they are closed unanswered.
pub const REFUSALS_MAX: usize = 64;
/// Descriptors kept back for the database, its log and the standard streams.
pub const DESCRIPTORS_RESERVED: usize = 64;
/// Stack of a connection's thread, in octets. Address space, not memory: only touched pages count. JSON of 127
/// levels, the deepest that is read, must fit, in a build without optimization too.
pub const THREAD_STACK_BYTES: usize = 1024 * 1024;
/// A thread without a connection waits this long for the next one before it ends, unless it is the last.
pub const THREAD_IDLE_MAX: Duration = Duration::from_secs(10);
/// Pause after a failed `accept`, so that a shortage of descriptors doesn't make the loop spin.
pub const ACCEPT_RETRY: Duration = Duration::from_millis(20);
/// Threads that wait at each listener at least, so that a burst of connections finds somebody there.
pub const DOOR_THREADS_MIN: usize = 4;
/// Requests in flight get this long to finish after SIGTERM or SIGINT.
pub const SHUTDOWN_GRACE: Duration = Duration::from_secs(5);
/// Log lines in one second; the rest of that second is counted and told in one line.
pub const LOG_LINES_PER_SECOND_MAX: u64 = 1000;
/// Octets of log lines that wait to be written; past it, when nobody reads the log, lines are dropped.
pub const LOG_BYTES_WAITING_MAX: usize = 1024 * 1024;
/// Log lines that wait to be written; past it, when nobody reads the log, they are dropped.
pub const LOG_LINES_WAITING_MAX: usize = 2000;
/// Octets of one value that a client sent, as the wire view shows it; what follows is left out.
pub const VALUE_SHOWN_BYTES_MAX: usize = 100;
/// A word of this many octets is left out of the wire view: secrets are as long.
pub const WORD_SHOWN_BYTES_MAX: usize = 32;
/// Fields of one name in the wire view, and names of one query; the rest is left out.
pub const FIELDS_SHOWN_MAX: usize = 20;

// ---- The store (`store.rs`) ----

/// A write is answered within this even when another process holds the database's lock, the wait for
/// the writer's turn included; past it the call fails and nothing is written.
pub const BUSY_MAX: Duration = Duration::from_secs(5);
/// A read waits this long for a read connection and for SQLite; past it the call fails.
pub const READ_WAIT_MAX: Duration = Duration::from_secs(1);
/// Read-only connections. More would cost memory and gain nothing on few cores.
pub const READ_CONNECTIONS: usize = 4;
/// Read connections that one person's requests may hold at once, so that nobody's searches shut others out.
pub const READ_CONNECTIONS_PER_PERSON: usize = 2;
/// Read connections kept apart for look-ups of one row, the gate's above all.
pub const LOOK_UP_CONNECTIONS: usize = 2;
/// How long one read may work; past it it is broken off, and the call fails.
pub const READ_WORK_MAX: Duration = Duration::from_secs(2);
/// Steps of SQLite's machine between two looks at the clock.
pub const READ_STEPS_BETWEEN_LOOKS: i32 = 10_000;
/// Writes that one commit may carry.
pub const BATCH_MAX: usize = 256;
/// How long one commit may gather writes.
pub const GATHER_MAX: Duration = Duration::from_millis(200);
/// Prepared statements that one connection keeps.
pub const STATEMENTS_MAX: usize = 128;

// ---- Tokens and sessions ----

/// Life of a token made on the command line when `--expires` is left out, in seconds.
pub const TOKEN_SECONDS_DEFAULT: i64 = 30 * 24 * 60 * 60;
/// Longest life of a token made on the command line, in seconds (ten years).
pub const TOKEN_SECONDS_MAX: i64 = 3650 * 24 * 60 * 60;
/// Life of the token that `--demo` prints, in seconds.
pub const DEMO_TOKEN_SECONDS: i64 = 24 * 60 * 60;
/// Characters of a token's label.
pub const LABEL_CHARS_MAX: usize = 200;
/// Life of a legacy `Mcp-Session-Id`, in seconds; past it `404`, and the client starts over.
pub const SESSION_SECONDS: i64 = 30 * 24 * 60 * 60;
/// Characters of a password, at least.
pub const PASSWORD_CHARS_MIN: usize = 8;
/// Octets of a password, at most; Argon2 would take more, nobody needs it.
pub const PASSWORD_BYTES_MAX: usize = 1024;
/// Octets of an email address (RFC 5321 §4.5.3.1.3, less the angle brackets).
pub const EMAIL_BYTES_MAX: usize = 254;

// ---- The authorization server (`oauth/`) and its pages ----

/// Life of a code, in seconds; past it `invalid_grant`.
pub const CODE_SECONDS: i64 = 60;
/// Life of an access token, in seconds; past it `401`, and the client refreshes.
pub const ACCESS_TOKEN_SECONDS: i64 = 15 * 60;
/// How long a refresh token may lie idle, in seconds; past it the person signs in again.
pub const REFRESH_TOKEN_SECONDS: i64 = 30 * 24 * 60 * 60;
/// How long a rotated refresh token still gets its successor, in seconds; past it the grant is revoked.
pub const REFRESH_GRACE_SECONDS: i64 = 30;
/// Octets of a client's `state`; past it an error page.
pub const STATE_BYTES_MAX: usize = 4096;
/// Octets of a redirect URI; past it `invalid_redirect_uri`.
pub const REDIRECT_URI_BYTES_MAX: usize = 2000;
/// Parameters of one query or form; past it `invalid_request`.
pub const PARAMETERS_MAX: usize = 64;
/// Redirect URIs of one client; past it `invalid_client_metadata`.
pub const REDIRECT_URIS_MAX: usize = 20;
/// Characters of a client's name; past it `invalid_client_metadata`.
pub const CLIENT_NAME_CHARS_MAX: usize = 200;
/// Registrations from one address in [`REGISTRATION_SECONDS`]; past it `429`.
pub const REGISTRATIONS_MAX: u32 = 200;
/// See [`REGISTRATIONS_MAX`].
pub const REGISTRATION_SECONDS: i64 = 60 * 60;
/// Clients that registered themselves and hold nothing that lives; past it `429`.
pub const UNUSED_CLIENTS_MAX: i64 = 2_000;
/// How long such a client is kept even where there are too many, in seconds.
pub const FRESH_CLIENT_SECONDS: i64 = 15 * 60;
/// How long such a client is kept, in seconds.
pub const UNUSED_CLIENT_SECONDS: i64 = 24 * 60 * 60;
/// Wrong passwords for one account in [`SIGN_IN_WINDOW_SECONDS`]; past it `429`.
pub const ACCOUNT_FAILURES_MAX: u32 = 10;
/// Wrong passwords from one address in the same time; past it `429`.
pub const ADDRESS_FAILURES_MAX: u32 = 50;
/// See [`ACCOUNT_FAILURES_MAX`].
pub const SIGN_IN_WINDOW_SECONDS: i64 = 15 * 60;
/// Names and addresses whose failures are counted at once; the oldest makes room.
pub const THROTTLE_KEYS_MAX: usize = 10_000;
/// Sign-ins that may wait for their turn to be hashed; past it `503`.
pub const SIGN_INS_WAITING_MAX: usize = 64;
/// How long a page with a form may stay open, in seconds.
pub const FORM_SECONDS: i64 = 60 * 60;
/// How long a browser stays signed in, in seconds.
pub const SIGN_IN_SECONDS: i64 = 12 * 60 * 60;

/// How long the other authorization server may take to answer; past it `503`.
pub const INTROSPECTION_DEADLINE: Duration = Duration::from_secs(5);
/// Questions to it at once; past it `503`.
pub const INTROSPECTIONS_AT_ONCE_MAX: usize = 16;
/// Octets of a subject that it names.
pub const SUBJECT_BYTES_MAX: usize = 255;
/// Octets of its answer; past it `503`.
pub const INTROSPECTION_BYTES_MAX: usize = 64 * 1024;
/// How long its answer is believed, in seconds: a revocation there takes effect here within this.
pub const INTROSPECTION_CACHE_SECONDS: i64 = 60;
/// Answers kept at once.
pub const INTROSPECTIONS_KEPT_MAX: usize = 10_000;

// ---- Answers of other servers (`outgoing.rs`, `doctor/`); introspection has bounds of its own, above ----

/// Octets of the head of another server's answer; past it there is no answer.
pub const ANSWER_HEAD_BYTES_MAX: usize = 64 * 1024;
/// Octets of the body of an answer that `epicme doctor` reads; past it the step fails.
pub const ANSWER_BYTES_MAX: usize = 256 * 1024;
/// How long `epicme doctor` waits for one answer; past it the step fails. A server may have to wake up first. A walk
/// waits 19 times at most, so it ends within three and a half minutes, or twice that where `localhost` is two addresses.
pub const ANSWER_DEADLINE: Duration = Duration::from_secs(10);
/// Characters of a host in a URL that another server names (RFC 1035 §2.3.4); past it the step fails.
pub const HOST_CHARS_MAX: usize = 253;
/// Characters of another server's text that `epicme doctor` prints, escapes included.
pub const DOCTOR_SHOWN_CHARS_MAX: usize = 200;
/// Characters of a line that `epicme doctor` prints, and of one in the wire view where nothing forces it to be wider.
pub const TERMINAL_LINE_CHARS_MAX: usize = 110;

// ---- MCP (`mcp/`) ----

/// Messages in one JSON-RPC batch (revision 2025-03-26); past it `-32600`.
pub const BATCH_MESSAGES_MAX: usize = 50;
/// Octets of answers that one batch gathers; the calls behind that aren't run, and answered `-32603`.
pub const BATCH_ANSWER_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Octets of a request's id, which an event stream keeps and repeats in every message; past it `-32600`.
pub const REQUEST_ID_BYTES_MAX: usize = 1024;
/// Values in one JSON text, objects' members and arrays' items counted; past it `-32700`.
pub const JSON_VALUES_MAX: usize = 20_000;
/// Event streams that one person may have open, so many subscriptions and so many questions; past it `-32603`.
pub const STREAMS_PER_PERSON_MAX: usize = 8;
/// Event streams of everybody; past it `-32603`. Each holds a thread.
pub const STREAMS_MAX: usize = 256;
/// An event stream on which nothing happens says so this often, and asks the gate again.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long an event stream whose token can't be judged is kept, counted from its last word; past it it ends.
pub const DOUBT_MAX: Duration = Duration::from_secs(60);
/// How often an event stream looks whether its client is still there and its token hasn't expired; and how long a burst
/// of events may go on before the gate is asked again.
pub const STREAM_LOOK: Duration = Duration::from_secs(1);
/// How long a question on an open stream waits for its answer; past it the answer is no.
pub const ANSWER_WAIT: Duration = Duration::from_secs(5 * 60);
/// How long a `requestState` is good, in seconds; past it the person is asked again.
pub const REQUEST_STATE_SECONDS: i64 = 10 * 60;
/// Characters of a title or name in a question or prompt; the rest is cut off.
pub const SHOWN_NAME_CHARS_MAX: usize = 80;
/// Octets of the URI in `resources/read`; past it `-32602`.
pub const URI_BYTES_MAX: usize = 2000;
/// URIs in one subscription; past it `-32602`.
pub const SUBSCRIBED_URIS_MAX: usize = 500;
/// Tags on one page of `resources/list`; on the first the fixed resources come before them.
pub const RESOURCE_PAGE: usize = 100;
/// Entries that `epicme://entries` shows.
pub const RESOURCE_ENTRIES: usize = 100;
/// Values of one completion (the schema allows no more).
pub const COMPLETIONS_MAX: usize = 100;
/// Characters of the text to complete; past it `-32602`.
pub const COMPLETED_CHARS_MAX: usize = 500;
/// Entries in the prompt that summarizes; the rest is counted in a sentence.
pub const PROMPT_ENTRIES_MAX: usize = 50;
/// Octets of entries' text in that prompt; the rest is counted likewise.
pub const PROMPT_BYTES_MAX: usize = 512 * 1024;
/// How long a client may keep an answer that is the same for everybody, in milliseconds.
pub const PUBLIC_TTL_MS: u64 = 3_600_000;

// ---- The journal: past each a tool error that names the limit and the actual size ----

/// Characters of an entry's title, at least one.
pub const TITLE_CHARS_MAX: usize = 300;
/// Characters of an entry's content.
pub const CONTENT_CHARS_MAX: usize = 100_000;
/// Characters of an entry's mood, location and weather, each.
pub const LABEL_TEXT_CHARS_MAX: usize = 200;
/// Characters of a tag's name, at least one that isn't a blank.
pub const TAG_NAME_CHARS_MAX: usize = 100;
/// Characters of a tag's description.
pub const TAG_DESCRIPTION_CHARS_MAX: usize = 1_000;
/// Tags of one person: `epicme://tags` shows them all at once.
pub const TAGS_MAX: usize = 10_000;
/// Tags of one entry, and tag ids in one filter.
pub const TAGS_PER_ENTRY_MAX: usize = 50;
/// Characters of a search query, at least one.
pub const QUERY_CHARS_MAX: usize = 500;
/// Terms of a search query.
pub const QUERY_TERMS_MAX: usize = 16;
/// Beginnings (`word*`) among them, which cost the most.
pub const QUERY_BEGINNINGS_MAX: usize = 4;
/// Entries on one page of `list_entries`, and how many when `limit` is left out.
pub const LIST_PAGE_MAX: usize = 200;
/// See [`LIST_PAGE_MAX`].
pub const LIST_PAGE_DEFAULT: usize = 100;
/// Entries on one page of `search_entries`, and how many when `limit` is left out.
pub const SEARCH_PAGE_MAX: usize = 100;
/// See [`SEARCH_PAGE_MAX`].
pub const SEARCH_PAGE_DEFAULT: usize = 20;
/// Tags on one page of `list_tags`, and how many when `limit` is left out.
pub const TAG_PAGE_MAX: usize = 500;
/// See [`TAG_PAGE_MAX`].
pub const TAG_PAGE_DEFAULT: usize = 200;
/// Characters of a cursor: that of a tag holds its name, 8 + 400 octets at most, which are 591 characters once sealed.
/// Past it `-32602`.
pub const CURSOR_CHARS_MAX: usize = 700;
/// `resource_link` blocks in the answer of a list.
pub const LINKS_MAX: usize = 20;
/// Tokens of a search snippet (FTS5 allows 64).
pub const SNIPPET_TOKENS: usize = 32;
