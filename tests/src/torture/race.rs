//! Many bridges, one token that ends again and again, a server that revokes everything when it sees a refresh token twice
//! (A14, A17; RFC 9700 §4.14.2): one refresh for each expiry, no failed call, no second tab.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use mcp_mock_server::{Fault, MockServer, MockServerBuilder};
use tokio::task::JoinSet;

use crate::torture::clock::{Clock, HOUR};
use crate::torture::dice::Dice;
use crate::torture::host::{Disappointment, Host};
use crate::torture::house::{Counts, House};
use crate::torture::report::Report;

/// Within which time of a round a bridge is killed.
const ROUND: Duration = Duration::from_millis(120);

/// How long the token endpoint may take.
const SLOWEST_TOKEN: Duration = Duration::from_millis(50);
/// How long a server that has a grace gives the same answer again.
const GRACE: Duration = Duration::from_secs(10);

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// How many bridges share the state folder.
    pub bridges: usize,
    /// How many expiries.
    pub rounds: usize,
    /// For who is killed when.
    pub seed: u64,
    /// Where the state folder lies.
    pub place: PathBuf,
    /// How long tokens live.
    pub lifetime: Duration,
    /// They are lived through to their end; else the server ends them at a barrier, before their time.
    pub to_the_end: bool,
    /// One bridge in so many is killed each round, and started again.
    pub kill_one_in: Option<u64>,
    /// The wall clock of the bridges jumps by an hour between rounds, back and forth.
    pub clock_jump: bool,
    /// The answer to one refresh in so many is lost, by a server that gives it again within a grace of 10 s.
    pub lose_one_in: Option<u64>,
}

/// What came of the rounds.
#[derive(Debug, Default)]
struct Tally {
    calls: usize,
    failed: usize,
    kills: usize,
    lost_answers: usize,
    at_the_start: usize,
    further_ends: usize,
    slowest: Duration,
}

/// Runs it.
pub async fn run(settings: &Settings) -> Report {
    let Settings { bridges, rounds, lifetime, kill_one_in, .. } = settings;
    let end = if settings.to_the_end { "lived through" } else { "ended by the server at a barrier" };
    let kills = kill_one_in.map_or(String::new(), |one_in| format!(", one in {one_in} killed each round"));
    let jumps = if settings.clock_jump { ", the clock jumps by an hour" } else { "" };
    let lost = settings.lose_one_in.map_or(String::new(), |one_in| format!(", one answer in {one_in} lost"));
    let what = format!(
        "{bridges} bridges share one sign-in through {rounds} expiries of tokens of {} s, {end}{kills}{jumps}{lost}",
        lifetime.as_secs()
    );
    let mut report = Report::begin("race", what, settings.seed);
    let mut dice = Dice::new(settings.seed);
    let mut house = House::new(server(settings), &settings.place).await;
    let mut clock = None;
    if settings.clock_jump {
        match Clock::build(house.folder()) {
            Ok(built) => {
                house = built.hang_in(house);
                clock = Some(built);
            }
            Err(why) => {
                report.skip(why);
                return report;
            }
        }
    }

    let mut hosts = match moved_in(&house, *bridges).await {
        Ok(hosts) => hosts,
        Err(disappointment) => {
            report.fail(format_args!("at the start: {disappointment}"));
            return report;
        }
    };
    // Where tokens live shorter than many bridges take to start.
    let mut tally = Tally { at_the_start: house.counts().refreshes, ..Tally::default() };
    for round in 1..=*rounds {
        end_the_token(&house, settings).await;
        if let Some(clock) = &clock {
            clock.set(HOUR * *dice.pick(&[-1, 0, 1]));
        }
        let loses = settings.lose_one_in.is_some_and(|one_in| dice.below(one_in) == 0);
        if loses {
            tally.lost_answers += 1;
            house.server.set_fault(Some(Fault::LostTokenAnswer));
        }
        hosts = round_of(&house, hosts, settings, &mut dice, &mut tally, (round, loses, &mut report)).await;
        report.progress(round, *rounds);
    }
    judge(&house, settings, &tally, &mut report).await;
    report
}

fn server(settings: &Settings) -> MockServerBuilder {
    // Only the counts are asked for: a long run must not grow.
    let mut server = MockServer::builder().log_limit(100).access_token_lifetime(settings.lifetime);
    if settings.lose_one_in.is_some() {
        server = server.refresh_grace(GRACE);
    }
    server.token_delay(Duration::ZERO..SLOWEST_TOKEN, settings.seed)
}

/// All bridges up and signed in: the first signs in, the others find it.
async fn moved_in(house: &House, bridges: usize) -> Result<Vec<Host>, Disappointment> {
    let mut hosts = Vec::new();
    for _ in 0..bridges {
        let mut host = Host::start(house.options());
        host.shake_hands_and_call().await?;
        hosts.push(host);
    }
    Ok(hosts)
}

async fn end_the_token(house: &House, settings: &Settings) {
    if settings.to_the_end {
        // Time itself is what is awaited: the token ends by the server's clock.
        tokio::time::sleep(settings.lifetime).await;
    } else {
        house.server.expire_access_tokens();
    }
}

async fn round_of(
    house: &House,
    hosts: Vec<Host>,
    settings: &Settings,
    dice: &mut Dice,
    tally: &mut Tally,
    (round, loses, report): (usize, bool, &mut Report),
) -> Vec<Host> {
    let (before, began) = (house.counts(), Instant::now());
    let mut calls = JoinSet::new();
    for host in hosts {
        let is_victim = settings.kill_one_in.is_some_and(|one_in| dice.below(one_in) == 0);
        let victim = is_victim.then(|| (dice.within(ROUND), house.options()));
        tally.kills += usize::from(is_victim);
        calls.spawn(called(host, victim));
    }
    let mut alive = Vec::new();
    while let Some(joined) = calls.join_next().await {
        let (host, called) = joined.expect("no panic");
        tally.calls += 1;
        if let Err(disappointment) = called {
            tally.failed += 1;
            report.fail(format_args!("round {round}: {disappointment}"));
        }
        alive.push(host);
    }
    let took = began.elapsed();
    tally.slowest = tally.slowest.max(took);
    let after = house.counts();
    // Where a round takes longer than a token lives, the next end of the token is honest.
    let honest = took.as_millis() / settings.lifetime.as_millis().max(1);
    let honest = usize::try_from(honest).unwrap_or(0);
    let refreshes = after.refreshes - before.refreshes;
    let wanted = 1 + usize::from(loses);
    tally.further_ends += refreshes.saturating_sub(wanted).min(honest);
    if refreshes < wanted || refreshes > wanted + honest {
        report.fail(format_args!("round {round}: {refreshes} refreshes ({took:.1?}); {before:?} then {after:?}"));
    }
    alive
}

/// One call; of a bridge that is to be killed, the call that its successor answers.
async fn called(
    mut host: Host,
    victim: Option<(Duration, crate::bridge::Options)>,
) -> (Host, Result<(), Disappointment>) {
    let Some((instant, options)) = victim else {
        let called = host.call().await;
        return (host, called);
    };
    let _ = tokio::time::timeout(instant, host.call()).await;
    // Its pipes close with it, or the next one would hang here.
    let _ = host.kill().await;
    let mut host = Host::start(options);
    let called = host.shake_hands_and_call().await;
    (host, called)
}

async fn judge(house: &House, settings: &Settings, tally: &Tally, report: &mut Report) {
    let Counts { tabs, registrations, refreshes, families_revoked, .. } = house.counts();
    report.figure("calls", tally.calls);
    report.must_be("failed calls", tally.failed, 0);
    report.must_be("families revoked", families_revoked, 0);
    report.must_be("tabs after the first", tabs.saturating_sub(1), 0);
    report.must_be("registrations", registrations, 1);
    report.must_be(
        "refreshes",
        refreshes,
        settings.rounds + tally.lost_answers + tally.further_ends + tally.at_the_start,
    );
    report.figure("of them repeated, for the answer was lost", tally.lost_answers);
    report.figure("of them in rounds longer than a token lives", tally.further_ends);
    report.figure("of them while the bridges started", tally.at_the_start);
    report.figure("bridges killed", tally.kills);
    report.figure("slowest round", format_args!("{:.0?}", tally.slowest));
    let leftovers = house.room().map(|room| room.leftovers()).unwrap_or_default();
    if !leftovers.is_empty() {
        report.fail(format_args!("leftover files: {leftovers:?}"));
    }
    report.figure("leftover files", leftovers.len());
}
