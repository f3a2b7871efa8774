//! The requests of the host that wait for their response. Taking an id out is the only right to answer, so no request is
//! ever answered twice; a [`Ticket`] that is dropped unused answers for itself, so none is ever left without (H8).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::{Notify, mpsc, oneshot};

use crate::message;
use crate::problem::{Code, Problem};

/// The table of requests in flight.
#[derive(Debug)]
pub struct InFlight {
    output: mpsc::Sender<Bytes>,
    table: Mutex<Table>,
    emptied: Notify,
}

#[derive(Debug, Default)]
struct Table {
    entries: HashMap<Box<str>, Entry>,
    /// Tells an id's second use from its first.
    next_serial: u64,
}

#[derive(Debug)]
struct Entry {
    serial: u64,
    /// `initialize` may not be cancelled (MCP, utilities/cancellation).
    cancellable: bool,
    /// The request, for its progress token.
    line: Bytes,
    /// Dropped to tell the ticket's owner that its request is over.
    _alive: oneshot::Sender<()>,
}

/// One request in flight. Its owner answers, or it answers for itself when dropped.
#[derive(Debug)]
pub struct Ticket {
    in_flight: Arc<InFlight>,
    id: Box<str>,
    serial: u64,
    over: Option<oneshot::Receiver<()>>,
}

impl InFlight {
    /// An empty table whose answers go to `output`.
    #[must_use]
    pub fn new(output: mpsc::Sender<Bytes>) -> Arc<Self> {
        Arc::new(InFlight { output, table: Mutex::default(), emptied: Notify::new() })
    }

    /// Puts a request in. `None` where its id is in use: two requests of one id could not be told apart.
    #[must_use]
    pub fn begin(self: &Arc<Self>, id: &str, line: &Bytes, cancellable: bool) -> Option<Ticket> {
        let mut table = self.lock();
        if table.entries.contains_key(id) {
            return None;
        }
        let serial = table.next_serial;
        table.next_serial += 1;
        let (alive, over) = oneshot::channel();
        table.entries.insert(id.into(), Entry { serial, cancellable, line: line.clone(), _alive: alive });
        Some(Ticket { in_flight: self.clone(), id: id.into(), serial, over: Some(over) })
    }

    /// Ends a request that the host cancelled: nobody may answer it any more. Says whether there was one.
    pub fn cancel(&self, id: &str) -> bool {
        let mut table = self.lock();
        let found = table.entries.get(id).is_some_and(|entry| entry.cancellable);
        if found {
            table.entries.remove(id);
            self.tell_if_empty(&table);
        }
        found
    }

    /// The requests that wait.
    #[must_use]
    pub fn lines(&self) -> Vec<Bytes> {
        self.lock().entries.values().map(|entry| entry.line.clone()).collect()
    }

    /// How many requests wait.
    #[must_use]
    pub fn len(&self) -> usize {
        self.lock().entries.len()
    }

    /// Whether no request waits.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Resolves once no request waits.
    pub async fn empty(&self) {
        let mut emptied = std::pin::pin!(self.emptied.notified());
        loop {
            emptied.as_mut().enable();
            if self.is_empty() {
                return;
            }
            emptied.as_mut().await;
            emptied.set(self.emptied.notified());
        }
    }

    /// Answers whatever still waits with the same problem, at the end.
    pub async fn answer_all(&self, problem: &Problem) {
        let ids: Vec<Box<str>> = self.lock().entries.drain().map(|(id, _)| id).collect();
        for id in ids {
            let _ = self.output.send(message::problem_response(&id, problem).into()).await;
        }
    }

    fn take(&self, id: &str, serial: u64) -> bool {
        let mut table = self.lock();
        let ours = table.entries.get(id).is_some_and(|entry| entry.serial == serial);
        if ours {
            table.entries.remove(id);
        }
        ours
    }

    fn tell_if_empty(&self, table: &Table) {
        if table.entries.is_empty() {
            self.emptied.notify_waiters();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Table> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Ticket {
    /// The request's id, to the letter.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Answers the request, once; nothing goes out if it was cancelled.
    pub async fn answer(&self, response: Bytes) {
        // A place in the queue first: once the id is taken out, nothing may keep the response from going.
        let Ok(place) = self.in_flight.output.reserve().await else { return };
        if self.in_flight.take(&self.id, self.serial) {
            place.send(response);
            self.in_flight.tell_if_empty(&self.in_flight.lock());
        }
    }

    /// What resolves when the request is over without its owner: cancelled, or answered at the end of everything. Can be
    /// had once.
    pub fn over(&mut self) -> impl Future<Output = ()> + Send + use<> {
        let over = self.over.take();
        async move {
            match over {
                Some(over) => drop(over.await),
                None => std::future::pending().await,
            }
        }
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.in_flight.take(&self.id, self.serial) {
            return;
        }
        let problem = Problem::new(Code::Internal, "the bridge lost this request", "please report this as a bug");
        let response: Bytes = message::problem_response(&self.id, &problem).into();
        if let Err(mpsc::error::TrySendError::Full(response)) = self.in_flight.output.try_send(response)
            && let Ok(runtime) = tokio::runtime::Handle::try_current()
        {
            let output = self.in_flight.output.clone();
            runtime.spawn(async move { output.send(response).await });
        }
        self.in_flight.tell_if_empty(&self.in_flight.lock());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table() -> (Arc<InFlight>, mpsc::Receiver<Bytes>) {
        let (output, receiver) = mpsc::channel(8);
        (InFlight::new(output), receiver)
    }

    #[tokio::test]
    async fn h8_a_request_is_answered_once() {
        let (in_flight, mut output) = table();
        let ticket = in_flight.begin("1", &Bytes::new(), true).unwrap();
        ticket.answer(Bytes::from_static(b"a")).await;
        ticket.answer(Bytes::from_static(b"b")).await;
        drop(ticket);
        assert_eq!(output.recv().await.unwrap(), "a");
        assert!(output.try_recv().is_err());
    }

    #[tokio::test]
    async fn h8_a_ticket_that_is_dropped_answers_for_itself() {
        let (in_flight, mut output) = table();
        drop(in_flight.begin("\"x\"", &Bytes::new(), true));
        let answer = output.recv().await.unwrap();
        assert!(answer.starts_with(br#"{"jsonrpc":"2.0","id":"x","error""#));
        assert!(in_flight.is_empty());
    }

    #[tokio::test]
    async fn h8_a_cancelled_request_is_not_answered_and_its_id_is_free() {
        let (in_flight, mut output) = table();
        let mut first = in_flight.begin("1", &Bytes::new(), true).unwrap();
        assert!(in_flight.begin("1", &Bytes::new(), true).is_none());
        assert!(in_flight.cancel("1"));
        first.over().await;
        let second = in_flight.begin("1", &Bytes::new(), true).unwrap();
        first.answer(Bytes::from_static(b"late")).await;
        drop(first);
        second.answer(Bytes::from_static(b"right")).await;
        assert_eq!(output.recv().await.unwrap(), "right");
        assert!(output.try_recv().is_err());
    }

    #[tokio::test]
    async fn t9_initialize_cannot_be_cancelled() {
        let (in_flight, _output) = table();
        let _ticket = in_flight.begin("1", &Bytes::new(), false).unwrap();
        assert!(!in_flight.cancel("1"));
    }

    #[tokio::test]
    async fn the_end_waits_for_the_last_answer() {
        let (in_flight, mut output) = table();
        let ticket = in_flight.begin("1", &Bytes::new(), true).unwrap();
        let waiter = tokio::spawn({
            let in_flight = in_flight.clone();
            async move { in_flight.empty().await }
        });
        tokio::task::yield_now().await;
        ticket.answer(Bytes::from_static(b"a")).await;
        waiter.await.unwrap();
        assert_eq!(output.try_recv().unwrap(), "a");
    }
}
