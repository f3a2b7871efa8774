//! What the server asks the host, and in which session: an answer goes back to that session or nowhere (T4).

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

/// How many questions may be open; of more it is not known to which session they belong.
const MOST: usize = 1024;

/// The questions that are open, by their id to the letter.
#[derive(Debug, Default)]
pub(super) struct ServerRequests(Mutex<HashMap<Box<str>, u64>>);

impl ServerRequests {
    /// The server asks, in this session.
    pub(super) fn begin(&self, id: &str, session: u64) {
        let mut open = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if open.len() < MOST || open.contains_key(id) {
            open.insert(id.into(), session);
        }
    }

    /// The host answers: in which session that was asked, where it is known.
    pub(super) fn end(&self, id: &str) -> Option<u64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn t4_an_answer_is_known_once_by_the_id_of_its_question() {
        let requests = ServerRequests::default();
        requests.begin("1", 7);
        assert_eq!((requests.end("\"1\""), requests.end("1"), requests.end("1")), (None, Some(7), None));
    }

    #[test]
    fn t4_a_server_that_asks_without_end_fills_no_memory() {
        let requests = ServerRequests::default();
        (0..2 * MOST).for_each(|id| requests.begin(&id.to_string(), 1));
        assert_eq!(requests.0.lock().unwrap().len(), MOST);
    }
}
