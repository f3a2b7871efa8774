//! How far a worker is, written beside the record for the bridges that watch (A17): the phase, the URL for the person,
//! and at last how it ended.

use std::time::Duration;

use crate::credentials::lock::Lock;
use crate::credentials::record::unix_now;
use crate::credentials::sign_in::{Outcome, Phase, SignIn};
use crate::credentials::store::Room;
use crate::problem::Problem;

use super::job::Job;
use super::{Obtained, Prompt};

/// The sign-in record of one worker.
pub(super) struct Progress<'a> {
    room: &'a Room,
    lock: &'a Lock,
    sign_in: SignIn,
}

impl<'a> Progress<'a> {
    /// Says that a worker is at it.
    pub(super) fn begin(room: &'a Room, lock: &'a Lock, job: &Job) -> Result<Self, Problem> {
        let now = unix_now();
        let mut sign_in = SignIn::begin(Phase::Discovering, now, now.saturating_add(job.settings.timeout.as_secs()));
        sign_in.aim = job.aim();
        room.write_sign_in(lock, &sign_in)?;
        Ok(Progress { room, lock, sign_in })
    }

    /// Says what it does now.
    pub(super) fn phase(&mut self, phase: Phase) {
        self.sign_in.state = phase;
        self.tell();
    }

    /// Says that a person is asked, for how long.
    pub(super) fn open(&mut self, prompt: &Prompt<'_>, timeout: Duration) {
        self.sign_in.state = Phase::WaitingForPerson;
        self.sign_in.authorization_url = Some(prompt.url.to_owned());
        self.sign_in.user_code = prompt.user_code.map(ToString::to_string);
        self.sign_in.in_browser = prompt.in_browser;
        self.sign_in.expires_at = unix_now().saturating_add(timeout.as_secs());
        self.tell();
    }

    /// Says how it ended. The URL is of no use any more, and holds `state`.
    pub(super) fn end(mut self, result: &Result<Obtained, Problem>) {
        (self.sign_in.authorization_url, self.sign_in.user_code) = (None, None);
        self.sign_in.outcome = Some(match result {
            Ok(_) => Outcome::Done,
            Err(problem) => Outcome::Failed(problem.clone()),
        });
        self.tell();
    }

    /// Who watches learns from the lock and the record at the latest: no reason to end a sign-in.
    fn tell(&self) {
        if let Err(error) = self.room.write_sign_in(self.lock, &self.sign_in) {
            tracing::warn!("{error}");
        }
    }
}
