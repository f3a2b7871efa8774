//! One round: a bridge is started with a purpose, killed at an instant of its story, once or several times, and the last
//! one started must do what the first one was started for. Then the disk and the server's counts are looked at.

use std::time::Duration;

use mcp_mock_server::{Endpoint, Seen};

use super::{Ledger, open};
use crate::torture::dice::Dice;
use crate::torture::host::Host;
use crate::torture::house::{Counts, House};

/// How long after an event an aimed kill may come: most of what follows an event follows soon.
const AFTER_EVENT: [Duration; 3] = [Duration::from_millis(3), Duration::from_millis(15), Duration::from_millis(60)];
/// Within which time of its start a bridge is killed by chance.
const ANYTIME: Duration = Duration::from_millis(200);
/// How long an event is waited for that need not come.
const NO_EVENT: Duration = Duration::from_millis(400);
/// How long a worker may take to its end. Never how long one is expected to take.
const WORKER: Duration = Duration::from_secs(30);
/// How many of a hundred kills are aimed.
const AIMED: u64 = 60;

/// What the bridge is started for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// Nothing is stored: a person signs in.
    SignIn,
    /// The access token has ended: it is refreshed.
    Refresh,
    /// All is there.
    Call,
}

/// What a kill is aimed at: so many requests to an endpoint, come in or answered.
#[derive(Clone, Copy, Debug)]
struct Event {
    endpoint: Endpoint,
    nth: usize,
    answered: bool,
}

/// One round.
pub(super) struct Story<'a> {
    house: &'a House,
    dice: &'a mut Dice,
    kind: Kind,
    before: Counts,
    /// Where the server's log stood.
    from: usize,
    instants: Vec<String>,
}

const ENDPOINTS_OF_A_SIGN_IN: [(Endpoint, u64); 6] = [
    (Endpoint::Mcp, 3),
    (Endpoint::ResourceMetadata, 1),
    (Endpoint::ServerMetadata, 1),
    (Endpoint::Registration, 1),
    (Endpoint::Authorization, 1),
    (Endpoint::Token, 1),
];

impl<'a> Story<'a> {
    /// Sets the stage.
    pub(super) async fn new(house: &'a House, dice: &'a mut Dice) -> Self {
        let has_token = house.room().and_then(|room| room.record().ok()?).is_some_and(|record| record.has_token());
        let kind = match dice.below(100) {
            _ if !has_token => Kind::SignIn,
            0..30 => Kind::SignIn,
            30..85 => Kind::Refresh,
            _ => Kind::Call,
        };
        match kind {
            Kind::SignIn => house.wipe(),
            Kind::Refresh => Story::end_the_token(house, dice),
            Kind::Call => {}
        }
        let before = house.counts();
        let from = house.look(<[Seen]>::len).await;
        Story { house, dice, kind, before, from, instants: Vec::new() }
    }

    /// By the server's word, by the clock, or by both.
    fn end_the_token(house: &House, dice: &mut Dice) {
        let way = dice.below(3);
        if way != 0 {
            house.server.expire_access_tokens();
        }
        if way != 1 {
            house.room().expect("a room").age(3601, -1);
        }
    }

    /// Plays it.
    pub(super) async fn play(mut self, round: usize, ledger: &Ledger) {
        let kills = 1 + usize::from(self.dice.percent(30)) + usize::from(self.dice.percent(15));
        let mut failures = Vec::new();
        for _ in 0..kills {
            let host = Host::start(self.house.options());
            if let Err(broken) = self.killed_somewhen(host).await {
                failures.push(format!("after a kill: {broken}"));
            }
            let worker_is_at_work = self.house.room().is_some_and(|room| !room.is_free());
            open(ledger).tally.worker_went_on += usize::from(worker_is_at_work);
            if self.dice.percent(30) {
                self.look_once_it_is_calm(&mut failures, ledger).await;
            }
        }
        let mut host = Host::start(self.house.options());
        match host.shake_hands_and_call().await {
            Ok(()) => open(ledger).tally.restarts += 1,
            Err(disappointment) => failures.push(format!("the restart: {disappointment}")),
        }
        self.look_once_it_is_calm(&mut failures, ledger).await;
        let ended = if self.dice.percent(20) { host.end().await } else { host.kill().await };
        if let Err(broken) = ended {
            failures.push(format!("at the end: {broken}"));
        }
        self.count(&mut failures, ledger).await;
        let story = if failures.is_empty() { String::new() } else { self.house.story(self.from).await };
        let mut shared = open(ledger);
        shared.tally.kills += kills;
        shared.tally.stories[self.kind as usize] += 1;
        for failure in failures {
            let (kind, instants) = (self.kind, self.instants.join(", "));
            shared.report.fail(format_args!("round {round} ({kind:?}, killed {instants}): {failure}; log: {story}"));
        }
    }

    /// Lets the host do its work until the instant of the kill.
    async fn killed_somewhen(&mut self, mut host: Host) -> Result<(), crate::bridge::Broken> {
        let (event, delay) = self.instant();
        let instant = async {
            if let Some(event) = event {
                self.house.wait_within(NO_EVENT, |log| event.has_come(&log[self.from..])).await;
            }
            tokio::time::sleep(delay).await;
        };
        tokio::select! {
            () = instant => {}
            // Done already: it is killed while it idles.
            () = async {
                let _ = host.shake_hands_and_call().await;
                std::future::pending::<()>().await;
            } => {}
        }
        host.kill().await.map(drop)
    }

    fn instant(&mut self) -> (Option<Event>, Duration) {
        if !self.dice.percent(AIMED) {
            let delay = self.dice.within(ANYTIME);
            self.instants.push(format!("{delay:.1?} after its start"));
            return (None, delay);
        }
        let (endpoint, times) = match self.kind {
            Kind::SignIn => *self.dice.pick(&ENDPOINTS_OF_A_SIGN_IN),
            Kind::Refresh => *self.dice.pick(&[(Endpoint::Token, 1), (Endpoint::Mcp, 3)]),
            Kind::Call => (Endpoint::Mcp, 3),
        };
        let nth = usize::try_from(1 + self.dice.below(times)).expect("a small number");
        let event = Event { endpoint, nth, answered: self.dice.percent(50) };
        let limit = *self.dice.pick(&AFTER_EVENT);
        let delay = self.dice.within(limit);
        let what = if event.answered { "answer to" } else { "request to" };
        self.instants.push(format!("{delay:.1?} after {what} {endpoint:?} {nth}"));
        (Some(event), delay)
    }

    /// What lies on the disk when no worker is at work, and whether the server still takes what is stored.
    async fn look_once_it_is_calm(&self, failures: &mut Vec<String>, ledger: &Ledger) {
        let Some(room) = self.house.room() else { return };
        if !room.free_within(WORKER).await {
            failures.push(format!("a worker does not end within {WORKER:?}"));
        }
        let leftovers = room.leftovers();
        let stored = room.record();
        let spent = match stored.as_ref().ok().and_then(|stored| stored.as_ref()?.refresh_token()) {
            Some(refresh_token) => self.house.is_spent(refresh_token).await,
            None => false,
        };
        let mut shared = open(ledger);
        shared.tally.most_leftovers = shared.tally.most_leftovers.max(leftovers.len());
        if leftovers.len() > 1 {
            failures.push(format!("leftover files: {leftovers:?}"));
        }
        let torn = room.torn();
        if !torn.is_empty() {
            shared.tally.torn += torn.len();
            failures.push(format!("torn: {torn:?}"));
        }
        match stored {
            Err(untidy) => {
                shared.tally.torn += 1;
                failures.push(untidy.to_string());
            }
            Ok(_) if spent => {
                shared.tally.lost += 1;
                failures.push("the stored refresh token is spent".to_owned());
            }
            Ok(None) if self.kind != Kind::SignIn => {
                shared.tally.lost += 1;
                failures.push("the record is gone".to_owned());
            }
            Ok(_) => {}
        }
    }

    /// One sign-in has one tab, one registration and one code; all else has none.
    async fn count(&self, failures: &mut Vec<String>, ledger: &Ledger) {
        let (now, before) = (self.house.counts(), self.before);
        let tabs = now.tabs - before.tabs;
        let registrations = now.registrations - before.registrations;
        let families = now.families_revoked - before.families_revoked;
        let wanted = usize::from(self.kind == Kind::SignIn);
        let mut shared = open(ledger);
        shared.tally.second_tabs += tabs.saturating_sub(wanted);
        shared.tally.families_revoked += families;
        if (tabs, registrations, families) != (wanted, wanted, 0) {
            failures.push(format!("{tabs} tabs, {registrations} registrations, {families} families revoked"));
        }
        let refreshes = now.refreshes - before.refreshes;
        if refreshes != usize::from(self.kind == Kind::Refresh) {
            failures.push(format!("{refreshes} refreshes"));
        }
    }
}

impl Event {
    fn has_come(self, log: &[Seen]) -> bool {
        let fits = |seen: &&Seen| seen.endpoint == self.endpoint && (!self.answered || seen.status != 0);
        log.iter().filter(fits).count() >= self.nth
    }
}
