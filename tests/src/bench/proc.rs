//! What the system knows of a process and its children: CPU time, memory, wake-ups (Linux's /proc). Elsewhere all of it is
//! not a number, and the rows stay empty.

use std::fs;

/// Ticks of a second in /proc/PID/stat: USER_HZ, the same on every Linux that Rust runs on.
const TICKS: f64 = 100.0;
const MEGABYTE: f64 = 1024.0 * 1024.0;

/// CPU time so far, in seconds, to 10 ms.
#[must_use]
pub fn cpu_seconds(pid: u32) -> f64 {
    sum(pid, |pid| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // The name before may have blanks and brackets in it; utime and stime are the fields 14 and 15.
        let mut fields = stat.rsplit(')').next()?.split_whitespace().skip(11);
        let [user, system] = [fields.next()?.parse::<f64>().ok()?, fields.next()?.parse::<f64>().ok()?];
        Some((user + system) / TICKS)
    })
}

/// Resident memory, in megabytes of 1024 × 1024 bytes.
#[must_use]
pub fn resident(pid: u32) -> f64 {
    sum(pid, |pid| kilobytes(pid, "VmRSS:"))
}

/// The most memory that was ever resident, in megabytes.
#[must_use]
pub fn peak(pid: u32) -> f64 {
    sum(pid, |pid| kilobytes(pid, "VmHWM:"))
}

/// How often a thread has waited for something so far.
#[must_use]
pub fn wake_ups(pid: u32) -> f64 {
    sum(pid, |pid| {
        let threads = fs::read_dir(format!("/proc/{pid}/task")).ok()?.flatten();
        threads.map(|thread| field(&thread.path().join("status").to_string_lossy(), "voluntary_ctxt_switches:")).sum()
    })
}

fn kilobytes(pid: u32, name: &str) -> Option<f64> {
    Some(field(&format!("/proc/{pid}/status"), name)? * 1024.0 / MEGABYTE)
}

fn field(path: &str, name: &str) -> Option<f64> {
    let status = fs::read_to_string(path).ok()?;
    let value = status.lines().find_map(|line| line.strip_prefix(name))?;
    value.split_whitespace().next()?.parse().ok()
}

fn sum(pid: u32, figure: impl Fn(u32) -> Option<f64>) -> f64 {
    family(pid).into_iter().map(|pid| figure(pid).unwrap_or(f64::NAN)).sum()
}

/// A process and all that it has started: some bridges come in a wrapper.
fn family(pid: u32) -> Vec<u32> {
    let mut family = vec![pid];
    let mut at = 0;
    while at < family.len() {
        for thread in fs::read_dir(format!("/proc/{}/task", family[at])).into_iter().flatten().flatten() {
            let children = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
            family.extend(children.split_whitespace().filter_map(|child| child.parse::<u32>().ok()));
        }
        at += 1;
    }
    family
}
