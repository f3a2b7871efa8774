//! Bridges that start together with nothing: one tab, one registration, an answer for each (A5, A17).

use std::path::PathBuf;

use mcp_mock_server::MockServer;
use tokio::task::JoinSet;

use crate::torture::host::Host;
use crate::torture::house::{Counts, House};
use crate::torture::report::Report;

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many bridges start at once.
    pub bridges: usize,
    /// How often.
    pub rounds: usize,
    /// Printed; there is no other chance in this run than the system's.
    pub seed: u64,
    /// Where the state folders lie.
    pub place: PathBuf,
}

/// Runs it.
pub async fn run(settings: &Settings) -> Report {
    let Settings { bridges, rounds, seed, place } = settings;
    let what = format!("{rounds} times {bridges} bridges start at once with one empty state folder");
    let mut report = Report::begin("start", what, *seed);
    let mut answers = 0;
    for round in 1..=*rounds {
        let house = House::new(MockServer::builder(), place).await;
        answers += round_of(&house, round, *bridges, &mut report).await;
        report.progress(round, *rounds);
    }
    report.must_be("calls answered", answers, bridges * rounds);
    report
}

async fn round_of(house: &House, round: usize, bridges: usize, report: &mut Report) -> usize {
    let mut hosts = JoinSet::new();
    for _ in 0..bridges {
        let mut host = Host::start(house.options());
        hosts.spawn(async move {
            let answered = host.shake_hands_and_call().await;
            (host, answered)
        });
    }
    // All live until the last one is answered, as hosts do.
    let (mut alive, mut answers) = (Vec::new(), 0);
    while let Some(joined) = hosts.join_next().await {
        let (host, answered) = joined.expect("no panic");
        alive.push(host);
        match answered {
            Ok(()) => answers += 1,
            Err(disappointment) => report.fail(format_args!("round {round}: {disappointment}")),
        }
    }
    let counts = house.counts();
    let wanted = Counts { tabs: 1, authorizations: 1, registrations: 1, codes: 1, ..Counts::default() };
    if counts != wanted {
        report.fail(format_args!("round {round}: {counts:?}"));
    }
    for host in alive {
        if let Err(broken) = host.kill().await {
            report.fail(format_args!("round {round}: {broken}"));
        }
    }
    answers
}
