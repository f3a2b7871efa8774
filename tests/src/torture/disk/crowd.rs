//! A state folder in which a thousand resources are stored: what a bridge does at its start must not grow with them.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use aws_lc_rs::digest;
use mcp_mock_server::MockServer;
use serde_json::Value;

use super::Settings;
use crate::bridge::Options;
use crate::torture::host::Host;
use crate::torture::house::House;
use crate::torture::report::Report;

/// Slower than this is slow on any machine.
const SLOW: Duration = Duration::from_secs(5);

pub(super) async fn run(settings: &Settings, report: &mut Report) -> io::Result<()> {
    let house = House::new(MockServer::builder(), &settings.place).await;
    if let Err(disappointment) = start(&house).await {
        report.fail(format_args!("crowded, the first start: {disappointment}"));
        return Ok(());
    }
    let alone = start(&house).await;
    let room = house.room().expect("a room");
    let record: Value = serde_json::from_slice(&room.bytes().unwrap_or_default())?;
    for number in 0..settings.resources {
        add(&house.state(), &record, &format!("https://mcp-{number}.example.com/mcp"))?;
    }
    for (name, took) in [("alone", alone), ("in a crowd", start(&house).await)] {
        match took {
            Ok(took) => {
                report.figure(format_args!("start to first answer, {name}"), format_args!("{took:.0?}"));
                if took > SLOW {
                    report.fail(format_args!("{took:?} to the first answer, {name}"));
                }
            }
            Err(disappointment) => report.fail(format_args!("{name}: {disappointment}")),
        }
    }
    status(&house, settings.resources, report).await;
    Ok(())
}

async fn start(house: &House) -> Result<Duration, crate::torture::host::Disappointment> {
    let began = Instant::now();
    Host::start(house.options()).shake_hands_and_call().await.map(|()| began.elapsed())
}

/// A room as the bridge would make it: its name is `<host>-<16 hex of SHA-256(resource NUL profile)>`.
fn add(state: &Path, record: &Value, resource: &str) -> io::Result<()> {
    let mut record = record.clone();
    record["resource"] = resource.into();
    let hash = digest::digest(&digest::SHA256, format!("{resource}\0default").as_bytes());
    let hash: String = hash.as_ref().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    let host = resource.split('/').nth(2).unwrap_or_default().replace('.', "-");
    let folder = state.join("resources").join(format!("{host}-{hash}"));
    fs::create_dir_all(&folder)?;
    fs::write(folder.join("credentials.json"), record.to_string())
}

/// `status`, where this bridge has it.
async fn status(house: &House, resources: usize, report: &mut Report) {
    let began = Instant::now();
    let options = house.furnished(Options::new(&["status"], house.folder()));
    match options.start().try_ended().await {
        Ok(ended) if ended.status.code() == Some(2) => report.figure("status", "this bridge has no such command"),
        Ok(ended) if ended.status.success() => {
            let (took, lines) = (began.elapsed(), ended.stdout.len());
            report.figure("status", format_args!("{lines} lines in {took:.0?}"));
            if took > SLOW {
                report.fail(format_args!("`status` took {took:?}"));
            }
            if lines < resources {
                report.fail(format_args!("`status` has {lines} lines for {resources} resources"));
            }
        }
        Ok(ended) => report.fail(format_args!("`status`: {}; {}", ended.status, ended.stderr)),
        Err(broken) => report.fail(format_args!("`status`: {broken}")),
    }
}
