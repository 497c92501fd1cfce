//! The id of a request: by it an operator finds all that was written about one request.
//!
//! Knows no request and no log. Invariant: within a process no two requests have the same id. After a restart the ids
//! begin anew; the times in the log tell the two apart.
//!
//! The thread that answers a request remembers its id, and `stderr` adds it to the notes that the thread writes. The
//! alternative is a parameter of each function that may note something, down to the store.

use std::cell::Cell;
use std::fmt;

/// The number of a connection, and the number of the request in it: `17-3` is the third request of the seventeenth
/// connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct RequestId {
    connection: u64,
    request: u64,
}

thread_local! {
    static ANSWERED: Cell<Option<RequestId>> = const { Cell::new(None) };
}

impl RequestId {
    /// Returns the id of the request that this thread answers; `None` where it answers none.
    pub(crate) fn of_this_thread() -> Option<RequestId> {
        ANSWERED.get()
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}-{}", self.connection, self.request)
    }
}

/// Gives the requests of one connection their ids.
pub(crate) struct RequestIds {
    last: RequestId,
}

impl RequestIds {
    /// Begins with a connection, whose number no other one of the process has.
    pub(crate) fn of_connection(connection: u64) -> RequestIds {
        RequestIds { last: RequestId { connection, request: 0 } }
    }

    /// Returns the id of the next request. The thread that calls this is the one that answers it.
    pub(crate) fn begin_next(&mut self) -> RequestId {
        self.last.request += 1;
        ANSWERED.set(Some(self.last));
        self.last
    }
}

/// The thread goes on to other connections.
impl Drop for RequestIds {
    fn drop(&mut self) {
        ANSWERED.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn has_an_id_while_the_requests_of_a_connection_are_answered() {
        assert_eq!(RequestId::of_this_thread(), None);
        let mut ids = RequestIds::of_connection(17);
        let first = ids.begin_next();
        let second = ids.begin_next();
        assert_eq!(RequestId::of_this_thread(), Some(second));
        assert_eq!([first, second].map(|id| id.to_string()), ["17-1", "17-2"]);
        drop(ids);
        assert_eq!(RequestId::of_this_thread(), None);
    }
}
