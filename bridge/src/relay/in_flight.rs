//! The requests of the host that wait for their response. Taking an id out is the only right to answer, so no request is
//! ever answered twice; a [`Ticket`] that is dropped unused answers for itself, so none is ever left without (H8).

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::backlog::Load;
use super::batch::Batch;
use crate::host::output::Output;
use crate::message::{self, Envelope};
use crate::problem::{Code, Problem};
use crate::translation::listeners;

/// The table of requests in flight.
#[derive(Debug)]
pub struct InFlight {
    output: Output,
    table: Mutex<Table>,
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
    /// What its response is part of.
    batch: Option<Arc<Batch>>,
    _load: Load,
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
    pub fn new(output: Output) -> Arc<Self> {
        Arc::new(InFlight { output, table: Mutex::default() })
    }

    /// Puts a request in. `None` where its id is in use: two requests of one id could not be told apart.
    #[must_use]
    pub fn begin(
        self: &Arc<Self>,
        id: &str,
        line: &Bytes,
        cancellable: bool,
        (load, batch): (Load, Option<Arc<Batch>>),
    ) -> Option<Ticket> {
        let mut table = self.lock();
        if table.entries.contains_key(id) {
            return None;
        }
        let serial = table.next_serial;
        table.next_serial += 1;
        let (alive, over) = oneshot::channel();
        let entry = Entry { serial, cancellable, line: line.clone(), batch, _load: load, _alive: alive };
        table.entries.insert(id.into(), entry);
        Some(Ticket { in_flight: self.clone(), id: id.into(), serial, over: Some(over) })
    }

    /// Ends a request that the host cancelled: nobody may answer it any more. Gives the request, if there was one.
    pub fn cancel(&self, id: &str) -> Option<Bytes> {
        let mut table = self.lock();
        let cancellable = table.entries.get(id).is_some_and(|entry| entry.cancellable);
        cancellable.then(|| table.entries.remove(id)).flatten().map(|entry| entry.line.clone())
    }

    /// Ends a request of this id if it is a probe still; the id may have been used again.
    pub fn cancel_probe(&self, id: &str) {
        let mut table = self.lock();
        let is_probe = |entry: &Entry| Envelope::parse(&entry.line).is_ok_and(|probe| probe.is("server/discover"));
        if table.entries.get(id).is_some_and(is_probe) {
            table.entries.remove(id);
        }
    }

    /// Whether a request of this id waits.
    #[must_use]
    pub fn has(&self, id: &str) -> bool {
        self.lock().entries.contains_key(id)
    }

    /// The requests that wait.
    #[must_use]
    pub fn lines(&self) -> Vec<Bytes> {
        self.lock().entries.values().map(|entry| entry.line.clone()).collect()
    }

    /// Takes all out, and gives the answers to them: the same problem for each, at the end.
    #[must_use]
    pub fn give_up(&self, problem: &Problem) -> Vec<Bytes> {
        let entries: Vec<_> = self.lock().entries.drain().collect();
        let answers = entries.into_iter().map(|(id, entry)| {
            // What listens is over in good order (MCP 2026-07-28, basic/patterns/subscriptions).
            let listens = Envelope::parse(&entry.line).is_ok_and(|request| request.is("subscriptions/listen"));
            let answer = match listens {
                true => listeners::final_response(&id).into(),
                false => message::problem_response(&id, problem).into(),
            };
            match entry.batch {
                Some(batch) => {
                    batch.add(answer);
                    None
                }
                None => Some(answer),
            }
        });
        answers.flatten().collect()
    }

    fn take(&self, id: &str, serial: u64) -> Option<Entry> {
        let mut table = self.lock();
        let ours = table.entries.get(id).is_some_and(|entry| entry.serial == serial);
        ours.then(|| table.entries.remove(id)).flatten()
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
        let Ok(place) = self.in_flight.output.place(response.len()).await else { return };
        if let Some(entry) = self.in_flight.take(&self.id, self.serial) {
            match &entry.batch {
                Some(batch) => batch.add(response),
                None => place.send(response),
            }
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
        let Some(entry) = self.in_flight.take(&self.id, self.serial) else { return };
        let problem = Problem::new(Code::Internal, "the bridge lost this request", "please report this as a bug");
        let response: Bytes = message::problem_response(&self.id, &problem).into();
        match &entry.batch {
            Some(batch) => batch.add(response),
            None => self.in_flight.output.send_soon(response),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Waker};

    use super::super::backlog::Backlog;
    use super::*;
    use crate::host::lines::Sheaf;
    use crate::host::output::{self, Lines};

    fn begin(in_flight: &Arc<InFlight>, id: &str) -> Option<Ticket> {
        in_flight.begin(id, &Bytes::new(), true, (Backlog::new().put_on(0), None))
    }

    fn table() -> (Arc<InFlight>, Lines) {
        let (output, lines) = output::channel();
        (InFlight::new(output), lines)
    }

    /// What goes to the host now, if anything does.
    fn told(lines: &mut Lines) -> String {
        let mut sheaf = Sheaf::default();
        let mut context = Context::from_waker(Waker::noop());
        let _ = pin!(lines.fill(&mut sheaf)).poll(&mut context);
        let bytes = sheaf.parts().iter().flat_map(|part| part.to_vec()).collect();
        String::from_utf8(bytes).unwrap()
    }

    #[tokio::test]
    async fn h8_a_request_is_answered_once() {
        let (in_flight, mut output) = table();
        let ticket = begin(&in_flight, "1").unwrap();
        ticket.answer(Bytes::from_static(b"a")).await;
        ticket.answer(Bytes::from_static(b"b")).await;
        drop(ticket);
        assert_eq!(told(&mut output), "a\n");
    }

    #[tokio::test]
    async fn h8_a_ticket_that_is_dropped_answers_for_itself() {
        let (in_flight, mut output) = table();
        drop(begin(&in_flight, "\"x\""));
        assert!(told(&mut output).starts_with(r#"{"jsonrpc":"2.0","id":"x","error""#));
        assert!(in_flight.lines().is_empty());
    }

    #[tokio::test]
    async fn h8_a_cancelled_request_is_not_answered_and_its_id_is_free() {
        let (in_flight, mut output) = table();
        let mut first = begin(&in_flight, "1").unwrap();
        assert!(begin(&in_flight, "1").is_none());
        assert!(in_flight.cancel("1").is_some());
        first.over().await;
        let second = begin(&in_flight, "1").unwrap();
        first.answer(Bytes::from_static(b"late")).await;
        drop(first);
        second.answer(Bytes::from_static(b"right")).await;
        assert_eq!(told(&mut output), "right\n");
    }

    #[tokio::test]
    async fn t9_initialize_cannot_be_cancelled() {
        let (in_flight, _output) = table();
        let _ticket = in_flight.begin("1", &Bytes::new(), false, (Backlog::new().put_on(0), None)).unwrap();
        assert!(in_flight.cancel("1").is_none());
    }

    #[tokio::test]
    async fn the_end_waits_for_the_last_answer() {
        let (in_flight, mut output) = table();
        let backlog = Backlog::new();
        let ticket = in_flight.begin("1", &Bytes::new(), true, (backlog.put_on(0), None)).unwrap();
        let waiter = tokio::spawn({
            let backlog = backlog.clone();
            async move { backlog.is_empty().await }
        });
        tokio::task::yield_now().await;
        assert!(!waiter.is_finished());
        ticket.answer(Bytes::from_static(b"a")).await;
        waiter.await.unwrap();
        assert_eq!(told(&mut output), "a\n");
    }

    #[tokio::test]
    async fn h8_what_is_given_up_is_answered_once() {
        let (in_flight, mut output) = table();
        let ticket = begin(&in_flight, "1").unwrap();
        let problem = Problem::new(Code::ShuttingDown, "the end", "none");
        assert_eq!(in_flight.give_up(&problem).len(), 1);
        ticket.answer(Bytes::from_static(b"late")).await;
        drop(ticket);
        assert_eq!(told(&mut output), "");
    }

    #[tokio::test]
    async fn h3_the_answers_to_a_batch_go_in_one_array_once_no_more_can_come() {
        let (in_flight, mut output) = table();
        let batch = Batch::new(in_flight.output.clone());
        let member = |id| in_flight.begin(id, &Bytes::new(), true, (Backlog::new().put_on(0), Some(batch.clone())));
        let [first, second, third] = ["1", "2", "3"].map(|id| member(id).unwrap());
        drop(batch);
        second.answer(Bytes::from_static(b"{2}")).await;
        assert!(in_flight.cancel("3").is_some());
        drop((second, third));
        assert_eq!(told(&mut output), "");
        first.answer(Bytes::from_static(b"{1}")).await;
        assert_eq!(told(&mut output), "[{2},{1}]\n");
    }
}
