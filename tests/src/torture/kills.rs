//! Bridges killed at random instants, most of them just after something happened at the server, and started again: nothing
//! stored is lost, no second tab opens for one sign-in, nothing is torn (A17, S2). A kill is the host's: it hits the bridge,
//! not the worker that it started. Read next: `kills/round.rs`, one story from the first start to the last look.

mod round;

use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use mcp_mock_server::MockServer;
use tokio::task::JoinSet;

use self::round::Story;
use crate::torture::dice::Dice;
use crate::torture::house::House;
use crate::torture::report::Report;

/// How many rounds one server and state folder see: its log is searched in each.
const ROUNDS_OF_A_HOUSE: usize = 100;
/// How long the token endpoint and the person may take: what is over at once can hardly be hit.
const DAWDLING: Duration = Duration::from_millis(50);

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many rounds; each has at least one kill.
    pub rounds: usize,
    /// For what is killed when.
    pub seed: u64,
    /// Where the state folders lie.
    pub place: PathBuf,
    /// How many houses are played in beside each other.
    pub lanes: usize,
}

/// What came of the rounds.
#[derive(Debug, Default)]
struct Tally {
    rounds: usize,
    kills: usize,
    restarts: usize,
    /// By kind of story.
    stories: [usize; 3],
    second_tabs: usize,
    lost: usize,
    torn: usize,
    most_leftovers: usize,
    families_revoked: usize,
    /// Kills after which a worker was still at work.
    worker_went_on: usize,
}

/// What the lanes share.
struct Shared {
    report: Report,
    tally: Tally,
    /// The number of the next house, and how many there are.
    next: usize,
    houses: usize,
}

type Ledger = Arc<Mutex<Shared>>;

fn open(ledger: &Ledger) -> MutexGuard<'_, Shared> {
    ledger.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Runs it.
///
/// # Panics
/// Where a server does not start.
pub async fn run(settings: &Settings) -> Report {
    let Settings { rounds, seed, lanes, .. } = settings;
    let what =
        format!("{rounds} rounds of bridges killed at random instants and started again, {lanes} beside each other");
    let report = Report::begin("kills", what, *seed);
    let houses = rounds.div_ceil(ROUNDS_OF_A_HOUSE);
    let ledger = Arc::new(Mutex::new(Shared { report, tally: Tally::default(), next: 0, houses }));
    let mut running = JoinSet::new();
    for _ in 0..*lanes {
        running.spawn(lane(ledger.clone(), settings.clone()));
    }
    while let Some(joined) = running.join_next().await {
        joined.expect("no panic");
    }
    let shared = Arc::into_inner(ledger).expect("the lanes are over").into_inner();
    let Shared { mut report, tally, .. } = shared.unwrap_or_else(PoisonError::into_inner);
    judge(&tally, *rounds, &mut report);
    report
}

/// Takes one house after the other while there are any. What happens in a house depends on its number and the seed only.
async fn lane(ledger: Ledger, settings: Settings) {
    loop {
        let number = {
            let mut shared = open(&ledger);
            if shared.next == shared.houses {
                return;
            }
            shared.next += 1;
            shared.next - 1
        };
        let first = number * ROUNDS_OF_A_HOUSE;
        let rounds = ROUNDS_OF_A_HOUSE.min(settings.rounds - first);
        let mut dice = Dice::new(settings.seed.wrapping_add(number as u64)).fork();
        let server = MockServer::builder().token_delay(Duration::ZERO..DAWDLING, settings.seed);
        let house = House::new(server, &settings.place).await.dawdling(DAWDLING, dice.fork()).await;
        for round in first..first + rounds {
            let story = Story::new(&house, &mut dice).await;
            story.play(round, &ledger).await;
            let mut shared = open(&ledger);
            shared.tally.rounds += 1;
            let done = shared.tally.rounds;
            shared.report.progress(done, settings.rounds);
        }
    }
}

fn judge(tally: &Tally, rounds: usize, report: &mut Report) {
    let [sign_ins, refreshes, calls] = tally.stories;
    report.must_be("rounds", tally.rounds, rounds);
    report.figure("of them sign-ins, refreshes, calls", format_args!("{sign_ins}, {refreshes}, {calls}"));
    report.figure("kills", tally.kills);
    report.figure("kills that left a worker at work", tally.worker_went_on);
    report.must_be("good restarts", tally.restarts, rounds);
    report.must_be("lost credentials", tally.lost, 0);
    report.must_be("second tabs", tally.second_tabs, 0);
    report.must_be("families revoked", tally.families_revoked, 0);
    report.must_be("torn files", tally.torn, 0);
    report.figure("most leftover files at once", tally.most_leftovers);
    if tally.most_leftovers > 1 {
        report.fail(format_args!("{} leftover files at once", tally.most_leftovers));
    }
}
