//! Who is measured: the direct call or a bridge in a process, with the same verbs for both.

use std::io;
use std::process::Command;
use std::time::{Duration, Instant};

use super::call::Call;
use super::direct::Direct;
use super::piped::Piped;

/// One that is measured, connected and in a session.
#[derive(Debug)]
pub enum Subject {
    /// The client in this process.
    Direct(Box<Direct>),
    /// A bridge.
    Piped(Box<Piped>),
}

/// How to start one.
#[derive(Debug)]
pub enum Recipe {
    /// A client of this URL.
    Direct(String),
    /// This program.
    Piped(Command),
}

/// How long a start took.
#[derive(Clone, Copy, Debug)]
pub struct Start {
    /// Until `initialize` was answered.
    pub initialized: Duration,
    /// Until a first call was answered besides.
    pub called: Duration,
}

impl Recipe {
    /// Starts it, shakes hands and calls once.
    ///
    /// # Errors
    /// Where it does not answer.
    pub fn start(&mut self) -> io::Result<(Subject, Start)> {
        let began = Instant::now();
        let (mut subject, initialized) = match self {
            Recipe::Direct(url) => {
                let mut direct = Direct::start(url)?;
                direct.initialize()?;
                (Subject::Direct(Box::new(direct)), began.elapsed())
            }
            Recipe::Piped(command) => {
                let mut piped = Piped::start(command)?;
                piped.initialize()?;
                (Subject::Piped(Box::new(piped)), began.elapsed())
            }
        };
        subject.time(&Call::small())?;
        Ok((subject, Start { initialized, called: began.elapsed() }))
    }
}

impl Subject {
    /// How long one call takes until the end of its answer.
    ///
    /// # Errors
    /// Where it is not answered.
    pub fn time(&mut self, call: &Call) -> io::Result<Duration> {
        match self {
            Subject::Direct(direct) => {
                let body = direct.body(call);
                let began = Instant::now();
                direct.post(body)?;
                Ok(began.elapsed())
            }
            Subject::Piped(piped) => {
                let began = Instant::now();
                piped.call(call)?;
                Ok(began.elapsed())
            }
        }
    }

    /// How long `count` calls take, of which `width` are in flight.
    ///
    /// # Errors
    /// Where one is not answered.
    pub fn time_many(&mut self, call: &Call, width: usize, count: usize) -> io::Result<Duration> {
        let began = Instant::now();
        match self {
            Subject::Direct(direct) => direct.calls(call, width, count)?,
            Subject::Piped(piped) => piped.calls(call, width, count)?,
        }
        Ok(began.elapsed())
    }

    /// The process that is measured; the direct call has none of its own.
    #[must_use]
    pub fn id(&self) -> Option<u32> {
        match self {
            Subject::Direct(_) => None,
            Subject::Piped(piped) => Some(piped.id()),
        }
    }
}
