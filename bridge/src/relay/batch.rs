//! The answers to a batch (JSON-RPC 2.0 §6, MCP 2025-03-26): one array, once every member is answered or can no longer be.
//! Each member is a message of its own in every other respect.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;

use crate::host::output::Output;

/// What is to be answered together. It is sent when the last who could add to it is gone: nothing can keep it back.
#[derive(Debug)]
pub struct Batch {
    output: Output,
    answers: Mutex<Vec<Bytes>>,
}

impl Batch {
    /// A batch without an answer yet.
    #[must_use]
    pub fn new(output: Output) -> Arc<Self> {
        Arc::new(Batch { output, answers: Mutex::default() })
    }

    /// Adds the answer to one member.
    pub fn add(&self, answer: Bytes) {
        self.answers.lock().unwrap_or_else(PoisonError::into_inner).push(answer);
    }
}

impl Drop for Batch {
    fn drop(&mut self) {
        let answers = std::mem::take(self.answers.get_mut().unwrap_or_else(PoisonError::into_inner));
        if answers.is_empty() {
            return; // nothing was to be answered
        }
        let mut line = Vec::with_capacity(answers.iter().map(|answer| answer.len() + 1).sum::<usize>() + 1);
        for (answer, before) in answers.iter().zip(std::iter::once(b'[').chain(std::iter::repeat(b','))) {
            line.push(before);
            line.extend_from_slice(answer);
        }
        line.push(b']');
        self.output.send_soon(line.into());
    }
}
