//! Step 8: SQLite behind it.

pub mod answer;
pub mod yours;

#[cfg(feature = "answer")]
pub use answer as chosen;
#[cfg(not(feature = "answer"))]
pub use yours as chosen;

/// The tables. `STRICT`: a column has one type.
pub const SCHEMA: &str = "
    CREATE TABLE IF NOT EXISTS tokens (
        hash BLOB PRIMARY KEY,
        person TEXT NOT NULL,
        expires_at INTEGER NOT NULL -- seconds since 1970
    ) STRICT;
    CREATE TABLE IF NOT EXISTS entries (
        id INTEGER PRIMARY KEY,
        person TEXT NOT NULL,
        title TEXT NOT NULL,
        content TEXT NOT NULL
    ) STRICT;";
