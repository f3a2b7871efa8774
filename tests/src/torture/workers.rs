//! Workers killed at random instants, while a bridge waits for them: no call is lost, and nothing else, but for the refresh
//! token that the server has exchanged while its answer was not yet on the disk. A strict server leaves nothing to be done
//! there but to ask the person again, once. No host kills a worker; a system that runs out of memory does.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use mcp_mock_server::{Endpoint, MockServer, Seen};

use crate::torture::dice::Dice;
use crate::torture::host::Host;
use crate::torture::house::House;
use crate::torture::report::Report;
use crate::torture::room::Record;

/// How many rounds one server and state folder see: its log is searched in each.
const ROUNDS_OF_A_HOUSE: usize = 100;
/// How long the token endpoint and the person may take.
const DAWDLING: Duration = Duration::from_millis(30);
/// How long after an event a kill may come.
const AFTER_EVENT: [Duration; 3] = [Duration::from_millis(3), Duration::from_millis(15), Duration::from_millis(60)];
/// How long a worker and an event are waited for.
const NO_EVENT: Duration = Duration::from_millis(400);
/// What a kill is aimed at; nothing: the start of the worker.
const EVENTS: [Option<Endpoint>; 7] = [
    None,
    Some(Endpoint::ServerMetadata),
    Some(Endpoint::Registration),
    Some(Endpoint::Authorization),
    Some(Endpoint::Token),
    Some(Endpoint::Token),
    Some(Endpoint::Token),
];

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many rounds.
    pub rounds: usize,
    /// For what is killed when.
    pub seed: u64,
    /// Where the state folders lie.
    pub place: PathBuf,
}

#[derive(Debug, Default)]
struct Tally {
    answered: usize,
    killed: usize,
    in_the_window: usize,
    second_tabs: usize,
}

/// Runs it.
///
/// # Panics
/// Where a server does not start.
pub async fn run(settings: &Settings) -> Report {
    let Settings { rounds, seed, place } = settings;
    let what = format!("{rounds} rounds of workers killed while a bridge waits for them");
    let mut report = Report::begin("workers", what, *seed);
    if !std::path::Path::new("/proc/self/cmdline").exists() {
        report.skip("there is no /proc to find a worker in");
        return report;
    }
    let (mut dice, mut tally) = (Dice::new(*seed), Tally::default());
    for first in (0..*rounds).step_by(ROUNDS_OF_A_HOUSE) {
        let server = MockServer::builder().token_delay(Duration::ZERO..DAWDLING, dice.below(u64::MAX));
        let house = House::new(server, place).await.dawdling(DAWDLING, dice.fork()).await;
        for round in first..(first + ROUNDS_OF_A_HOUSE).min(*rounds) {
            if let Err(why) = round_in(&house, &mut dice, &mut tally).await {
                report.fail(format_args!("round {round}: {why}"));
                house.wipe();
            }
            report.progress(round, *rounds);
        }
    }
    report.figure("workers killed", tally.killed);
    report.must_be("calls answered all the same", tally.answered, *rounds);
    report.figure("kills between the server's commit and the rename: one tab each", tally.in_the_window);
    report.figure("sign-ins whose tab died with its worker: one more each", tally.second_tabs);
    report
}

async fn round_in(house: &House, dice: &mut Dice, tally: &mut Tally) -> Result<(), String> {
    let stored = |house: &House| house.room().and_then(|room| room.record().ok()?);
    let before_token = stored(house).as_ref().and_then(Record::refresh_token).map(str::to_owned);
    let is_refresh = before_token.is_some() && dice.percent(75);
    if is_refresh {
        house.server.expire_access_tokens();
    } else {
        house.wipe();
    }
    let from = house.look(<[Seen]>::len).await;
    let before = house.counts();
    let mut host = Host::start(house.options());
    let killer = kill_somewhen(house, from, dice);
    let (answered, killed) = tokio::join!(host.shake_hands_and_call(), killer);
    let story = house.story(from).await;
    tally.killed += usize::from(killed.is_some());
    answered.map_err(|disappointment| format!("{disappointment}; killed {killed:?}; log: {story}"))?;
    tally.answered += 1;
    host.kill().await.map_err(|broken| broken.to_string())?;

    let after = house.counts();
    let (tabs, families) = (after.tabs - before.tabs, after.families_revoked - before.families_revoked);
    let token = before_token.unwrap_or_default();
    let lost_answers = house.look(|log| shown_again(&log[from..], &token)).await;
    let is_fine = match (is_refresh, tabs, families) {
        (true, 0, 0) | (false, 1, 0) => true,
        (true, 1, 1) => {
            tally.in_the_window += 1;
            lost_answers && killed.is_some()
        }
        (false, 2, 0) => {
            tally.second_tabs += 1;
            killed.is_some()
        }
        _ => false,
    };
    let record = stored(house).ok_or_else(|| format!("there is no record; killed {killed:?}; log: {story}"))?;
    let spent = house.is_spent(record.refresh_token().unwrap_or_default()).await;
    if is_fine && !spent {
        return Ok(());
    }
    let kind = if is_refresh { "refresh" } else { "sign-in" };
    Err(format!("{kind}: {tabs} tabs, {families} families revoked, spent {spent}; killed {killed:?}; log: {story}"))
}

/// Whether a refresh token was exchanged, and then shown again.
fn shown_again(log: &[Seen], token: &str) -> bool {
    let shown =
        log.iter().filter(|seen| seen.endpoint == Endpoint::Token && seen.param("refresh_token") == Some(token));
    let statuses: Vec<u16> = shown.map(|seen| seen.status).collect();
    statuses.len() > 1
}

/// Kills the worker some time after an event, if one is at work; after what and when.
async fn kill_somewhen(house: &House, from: usize, dice: &mut Dice) -> Option<String> {
    let (event, limit) = (*dice.pick(&EVENTS), *dice.pick(&AFTER_EVENT));
    let delay = dice.within(limit);
    match event {
        Some(endpoint) => {
            let seen = |log: &[Seen]| log[from..].iter().any(|seen| seen.endpoint == endpoint);
            house.wait_within(NO_EVENT, seen).await;
        }
        None => worker_at_work(house).await,
    }
    tokio::time::sleep(delay).await;
    let room = house.room().filter(|room| !room.is_free())?;
    let worker = room.worker().filter(|pid| is_worker(*pid))?;
    let mut kill = Command::new("kill");
    kill.args(["-9", &worker.to_string()]).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    kill.status().is_ok_and(|status| status.success()).then(|| format!("{delay:.1?} after {event:?}"))
}

async fn worker_at_work(house: &House) {
    let began = Instant::now();
    while began.elapsed() < NO_EVENT && house.room().is_none_or(|room| room.is_free()) {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

/// What is killed must be what it is taken for: process ids come again.
fn is_worker(pid: u32) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    command.ends_with(b"mcp-bridge\0worker\0")
}
