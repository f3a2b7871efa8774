//! Disks that are full, read-only or bounded, for real: what was stored stays whole, the host is told by
//! `state_dir_unusable`, a token that lasts goes on working, no refresh token is spent, and all works again when there is
//! room (S2, A14). And a state folder with a thousand resources.

mod crowd;
mod mounts;

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};

use mcp_mock_server::MockServer;
use serde_json::Value;

pub use self::mounts::{Mount, enter};
use crate::torture::host::Host;
use crate::torture::house::{Counts, House};
use crate::torture::report::Report;

/// What the host must be told.
const CODE: &str = "state_dir_unusable";

/// What can be chosen.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Printed; there is no chance in this run.
    pub seed: u64,
    /// Where the state folders lie that need no disk of their own.
    pub place: PathBuf,
    /// File systems can be mounted, for this process alone.
    pub mounts: bool,
    /// How many resources are stored in the crowded folder.
    pub resources: usize,
}

/// A trouble that can be made and mended.
trait Trouble {
    fn make(&mut self, house: &House) -> std::io::Result<()>;
    fn mend(&mut self, house: &House) -> std::io::Result<()>;
    /// The words before a bridge's command while there is trouble.
    fn words(&self) -> Vec<&'static str> {
        Vec::new()
    }
}

/// Runs it.
///
/// # Panics
/// Where a server does not start.
pub async fn run(settings: &Settings) -> Report {
    let what = format!("full, read-only and bounded disks, and {} stored resources", settings.resources);
    let mut report = Report::begin("disk", what, settings.seed);
    let outcome = async {
        if settings.mounts {
            let mount = Mount::new(&settings.place, "2m")?;
            trouble("full", mount.place(), &mut Full, &mut report).await?;
            full_from_the_start(mount.place(), &mut report).await?;
            let mount = Mount::new(&settings.place, "2m")?;
            trouble("read-only", mount.place(), &mut ReadOnly(&mount), &mut report).await?;
        } else {
            report.skip("no file system can be mounted here: only bounded files and a thousand resources were tried");
        }
        trouble("bounded to 1000 bytes", &settings.place, &mut Bounded("--fsize=1000"), &mut report).await?;
        trouble("bounded to 66000 bytes", &settings.place, &mut Bounded("--fsize=66000"), &mut report).await?;
        crowd::run(settings, &mut report).await
    };
    if let Err(error) = outcome.await {
        report.fail(format_args!("the stage cannot be set: {error}"));
    }
    report
}

/// One house, one trouble: before, during and after.
async fn trouble(name: &str, place: &Path, trouble: &mut dyn Trouble, report: &mut Report) -> std::io::Result<()> {
    let house = House::new(MockServer::builder(), place).await;
    let mut host = Host::start(house.options());
    if let Err(disappointment) = host.shake_hands_and_call().await {
        report.fail(format_args!("{name}, before: {disappointment}"));
        return Ok(());
    }
    let room = house.room().expect("a room");
    // Due for a refresh ahead of time, and good for some time still.
    room.age(3570, 30);
    trouble.make(&house)?;
    let before = (room.bytes(), house.counts());
    let seen_it = Host::start(house.options().under(&trouble.words()));
    let seen_it = during(name, &house, seen_it, report).await;
    let (bytes, counts) = (room.bytes(), house.counts());
    if bytes != before.0 {
        report.fail(format_args!("{name}: the record has changed"));
    }
    if counts != before.1 {
        report.fail(format_args!("{name}: {:?} before, {counts:?} after", before.1));
    }
    trouble.mend(&house)?;
    // The limit of a process does not end before it does.
    after(name, &house, Some(seen_it).filter(|_| trouble.words().is_empty()), report).await;
    Ok(())
}

/// A token that lasts is used; where another one is needed, the host is told why there is none.
async fn during(name: &str, house: &House, mut host: Host, report: &mut Report) -> Host {
    if let Err(disappointment) = host.shake_hands_and_call().await {
        report.fail(format_args!("{name}: a token that lasts is not used: {disappointment}"));
    }
    house.server.expire_access_tokens();
    match host.answer_to_a_call().await {
        Ok(answer) if code(&answer) == Some(CODE) => report.figure(format_args!("{name}: the host is told"), CODE),
        Ok(answer) => report.fail(format_args!("{name}: the host is told {answer}")),
        Err(disappointment) => report.fail(format_args!("{name}: {disappointment}")),
    }
    host
}

/// All works again, for a new bridge and for the one that saw the trouble, by one refresh.
async fn after(name: &str, house: &House, seen_it: Option<Host>, report: &mut Report) {
    let mut new = Host::start(house.options());
    if let Err(disappointment) = new.shake_hands().await {
        report.fail(format_args!("{name}, after: {disappointment}"));
    }
    for mut host in [Some(new), seen_it].into_iter().flatten() {
        if let Err(disappointment) = host.call().await {
            report.fail(format_args!("{name}, after: {disappointment}"));
        }
    }
    let Counts { tabs, refreshes, families_revoked, .. } = house.counts();
    report.figure(format_args!("{name}: tabs, refreshes"), format_args!("{tabs}, {refreshes}"));
    if (tabs, refreshes, families_revoked) != (1, 1, 0) {
        report.fail(format_args!("{name}: {tabs} tabs, {refreshes} refreshes, {families_revoked} families revoked"));
    }
}

/// A first sign-in where there is no room: nobody is asked for what could not be kept.
async fn full_from_the_start(place: &Path, report: &mut Report) -> std::io::Result<()> {
    let house = House::new(MockServer::builder(), place).await;
    fs::create_dir_all(house.state())?;
    Full.make(&house)?;
    let mut host = Host::start(house.options());
    match host.answer_to_initialize().await {
        Ok(answer) if code(&answer) == Some(CODE) => {}
        Ok(answer) => report.fail(format_args!("full from the start: the host is told {answer}")),
        Err(disappointment) => report.fail(format_args!("full from the start: {disappointment}")),
    }
    report.must_be("full from the start: tabs", house.counts().tabs, 0);
    Full.mend(&house)?;
    if let Err(disappointment) = host.shake_hands_and_call().await {
        report.fail(format_args!("full from the start, after: {disappointment}"));
    }
    report.must_be("full from the start: tabs once there is room", house.counts().tabs, 1);
    Ok(())
}

fn code(answer: &Value) -> Option<&str> {
    answer["error"]["data"]["code"].as_str()
}

/// Not a byte is left.
struct Full;

impl Trouble for Full {
    fn make(&mut self, house: &House) -> std::io::Result<()> {
        let mut filler = File::create(house.folder().join("filler"))?;
        while filler.write_all(&[0; 4096]).is_ok() {}
        Ok(())
    }

    fn mend(&mut self, house: &House) -> std::io::Result<()> {
        fs::remove_file(house.folder().join("filler"))
    }
}

/// Nothing can be changed.
struct ReadOnly<'a>(&'a Mount);

impl Trouble for ReadOnly<'_> {
    fn make(&mut self, _: &House) -> std::io::Result<()> {
        self.0.remount("ro")
    }

    fn mend(&mut self, _: &House) -> std::io::Result<()> {
        self.0.remount("rw")
    }
}

/// No file may be longer than this; the first write beyond it brings a signal (SIGXFSZ).
struct Bounded(&'static str);

impl Trouble for Bounded {
    fn make(&mut self, _: &House) -> std::io::Result<()> {
        Ok(())
    }

    fn mend(&mut self, _: &House) -> std::io::Result<()> {
        Ok(())
    }

    fn words(&self) -> Vec<&'static str> {
        vec!["prlimit", self.0]
    }
}
