//! A resumable stream (MCP 2025-11-25, transports, resumability): every event has an id that names its stream, all are
//! kept, and one reader at a time follows them from where it likes. It outlives its connections, and knows no method.

use std::sync::{Arc, Mutex};

use axum::response::Response;
use bytes::Bytes;
use tokio::sync::watch;

use crate::mcp::stream::{self, Piece};
use crate::state::{ServerState, lock};

/// One stream: its name, its events so far, its reader.
pub(crate) struct Track {
    name: String,
    kept: Mutex<Kept>,
    changed: watch::Sender<()>,
}

#[derive(Default)]
struct Kept {
    events: Vec<Bytes>,
    ended: bool,
    /// The reader that is served; a later one takes its place.
    reader: Option<u64>,
    readers: u64,
}

impl Track {
    /// A stream that begins with its priming event: an id, `retry`, and empty data.
    pub(crate) fn begun(state: &ServerState) -> Arc<Self> {
        let track = Track {
            name: format!("s{}", state.trouble.next_stream()),
            kept: Mutex::default(),
            changed: watch::Sender::new(()),
        };
        let retry =
            state.settings.mcp.sse_retry.map(|time| format!("retry: {}\n", time.as_millis())).unwrap_or_default();
        lock(&track.kept).events.push(format!("id: {}\n{retry}data:\n\n", track.id(0)).into());
        Arc::new(track)
    }

    /// The stream's name and the position of an event, from the event's id.
    pub(crate) fn place(id: &str) -> Option<(&str, usize)> {
        let (name, position) = id.split_once('-')?;
        Some((name, position.parse().ok()?))
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    fn id(&self, position: usize) -> String {
        format!("{}-{position}", self.name)
    }

    /// Adds a message; nobody hears it once the stream has ended.
    pub(crate) fn add(&self, state: &ServerState, message: &str) -> bool {
        let mut kept = lock(&self.kept);
        if kept.ended {
            return false;
        }
        let event = stream::event(state, message, Some(&self.id(kept.events.len())));
        kept.events.push(event);
        drop(kept);
        self.changed.send_replace(());
        true
    }

    /// Nothing comes after this.
    pub(crate) fn end(&self) {
        lock(&self.kept).ended = true;
        self.changed.send_replace(());
    }

    pub(crate) fn has_ended(&self) -> bool {
        lock(&self.kept).ended
    }

    /// How many events there are.
    pub(crate) fn len(&self) -> usize {
        lock(&self.kept).events.len()
    }

    /// Whether a connection follows it.
    pub(crate) fn is_read(&self) -> bool {
        lock(&self.kept).reader.is_some()
    }

    /// The response that shows every event from a position on and goes on with the stream; a reader before it ends.
    pub(crate) fn followed_from(self: &Arc<Self>, state: &ServerState, position: usize) -> Response {
        let reader = Reader::of(self);
        stream::pumped(state, |sender| async move {
            let mut changed = reader.track.changed.subscribe();
            let mut position = position;
            while let Some(next) = reader.next(position) {
                match next {
                    Some(event) => {
                        if sender.send(Piece::Event(event)).await.is_err() {
                            return;
                        }
                        position += 1;
                    }
                    // The track lives as long as its reader: a change will come, or the connection goes.
                    None => drop(changed.changed().await),
                }
            }
        })
    }
}

/// The right to follow a track, given up when it is dropped.
struct Reader {
    track: Arc<Track>,
    number: u64,
}

impl Reader {
    fn of(track: &Arc<Track>) -> Self {
        let mut kept = lock(&track.kept);
        kept.readers += 1;
        kept.reader = Some(kept.readers);
        let number = kept.readers;
        drop(kept);
        track.changed.send_replace(());
        Reader { track: track.clone(), number }
    }

    /// The event at a position, if there is one yet; `None` if there will be none for this reader.
    fn next(&self, position: usize) -> Option<Option<Bytes>> {
        let kept = lock(&self.track.kept);
        if kept.reader != Some(self.number) {
            return None;
        }
        let event = kept.events.get(position).cloned();
        if event.is_none() && kept.ended { None } else { Some(event) }
    }
}

impl Drop for Reader {
    fn drop(&mut self) {
        let mut kept = lock(&self.track.kept);
        if kept.reader == Some(self.number) {
            kept.reader = None;
        }
    }
}
