//! `cargo run --bin torture -- RUN`: the reliability runs. It parses what was typed, builds, and turns the verdict into an
//! exit code; the runs themselves are `mcp_bridge_tests::torture`, what they prove is in docs/reliability.md.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use clap::{Args, Parser, Subcommand};
use mcp_bridge_tests::binary;
use mcp_bridge_tests::torture::{disk, faults, kills, order, race, report::Report, start, syscalls, workers};

/// Kills, races and starves real bridges, and counts what is lost.
///
/// Every run prints its seed, its figures and PASS, SKIP or FAIL; the exit code is 0 only for PASS, and for SKIP unless
/// `--skip-fails`.
#[derive(Debug, Parser)]
#[command(name = "torture", max_term_width = 100)]
struct Arguments {
    #[command(subcommand)]
    run: Run,
    /// The seed of every chance; another one each time if none is given
    #[arg(long, global = true)]
    seed: Option<u64>,
    /// Where state folders are made [default: memory where there is /dev/shm, else the folder for temporary files]
    #[arg(long, global = true, value_name = "DIR")]
    folder: Option<PathBuf>,
    /// What cannot be run here is a failure
    #[arg(long, global = true)]
    skip_fails: bool,
}

#[derive(Debug, Subcommand)]
enum Run {
    /// Bridges that start together with an empty state folder
    Start(StartArguments),
    /// Bridges that share a token which ends again and again
    Race(RaceArguments),
    /// Bridges that are killed at random instants and started again
    Kills(KillsArguments),
    /// Workers that are killed while a bridge waits for them
    Workers(WorkersArguments),
    /// A kill before every system call of a sign-in and of a refresh
    Syscalls(SyscallsArguments),
    /// Every system call on the store fails, with every error of a disk
    Faults(FaultsArguments),
    /// The order of system calls, as a power failure would meet it
    Order,
    /// Full, read-only and bounded disks, and a thousand stored resources
    Disk(DiskArguments),
}

#[derive(Debug, Args)]
struct StartArguments {
    /// How many bridges start at once
    #[arg(long, default_value_t = 20)]
    bridges: usize,
    /// How often
    #[arg(long, default_value_t = 100)]
    rounds: usize,
}

#[derive(Debug, Args)]
struct RaceArguments {
    /// How many bridges share the state folder
    #[arg(long, default_value_t = 50)]
    bridges: usize,
    /// How many expiries
    #[arg(long, default_value_t = 1000)]
    rounds: usize,
    /// How long tokens live
    #[arg(long, value_name = "SECONDS", default_value_t = 3600)]
    lifetime: u64,
    /// Tokens are lived through to their end, instead of being ended by the server
    #[arg(long)]
    to_the_end: bool,
    /// One bridge in so many is killed each round, and started again
    #[arg(long, value_name = "N")]
    kill_one_in: Option<u64>,
    /// The wall clock of the bridges jumps by an hour between rounds, back and forth
    #[arg(long)]
    clock_jump: bool,
    /// The answer to one refresh in so many is lost; the server gives it again within 10 s
    #[arg(long, value_name = "N")]
    lose_one_in: Option<u64>,
}

#[derive(Debug, Args)]
struct KillsArguments {
    /// How many rounds, each with at least one kill
    #[arg(long, default_value_t = 10_000)]
    rounds: usize,
    /// How many are played beside each other
    #[arg(long, default_value_t = 6)]
    lanes: usize,
}

#[derive(Debug, Args)]
struct WorkersArguments {
    /// How many rounds
    #[arg(long, default_value_t = 2000)]
    rounds: usize,
}

#[derive(Debug, Args)]
struct SyscallsArguments {
    /// Only the calls that have to do with the store
    #[arg(long)]
    store_only: bool,
    /// How often each kill: threads take turns as they like
    #[arg(long, default_value_t = 5)]
    repeat: usize,
}

#[derive(Debug, Args)]
struct FaultsArguments {
    /// Only this error, of ENOSPC, EIO, EACCES, EROFS, EMFILE and EINTR; may be repeated
    #[arg(long = "error", value_name = "NAME")]
    errors: Vec<String>,
    /// Each call fails once only, and not from then on
    #[arg(long)]
    once: bool,
}

#[derive(Debug, Args)]
struct DiskArguments {
    /// How many resources are stored in the crowded folder
    #[arg(long, default_value_t = 1000)]
    resources: usize,
    /// This is the second start, where file systems can be mounted
    #[arg(long, hide = true)]
    mounts: bool,
}

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    if let Run::Disk(DiskArguments { mounts: false, .. }) = arguments.run
        && let Some(code) = disk::enter("--mounts")
    {
        return code;
    }
    let skip_fails = arguments.skip_fails;
    match run(arguments).map(|report| report.end(skip_fails)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            // Where stderr is closed too, the exit code must do.
            let _ = writeln!(io::stderr().lock(), "torture: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> io::Result<Report> {
    binary::build_aloud()?;
    let seed = arguments.seed.unwrap_or_else(seed_of_the_day);
    let place = arguments.folder.unwrap_or_else(in_memory);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    Ok(runtime.block_on(async {
        match arguments.run {
            Run::Start(StartArguments { bridges, rounds }) => {
                start::run(&start::Settings { bridges, rounds, seed, place }).await
            }
            Run::Race(race) => {
                let RaceArguments { bridges, rounds, lifetime, to_the_end, kill_one_in, clock_jump, lose_one_in } =
                    race;
                let lifetime = Duration::from_secs(lifetime);
                let settings = race::Settings {
                    bridges,
                    rounds,
                    seed,
                    place,
                    lifetime,
                    to_the_end,
                    kill_one_in,
                    clock_jump,
                    lose_one_in,
                };
                race::run(&settings).await
            }
            Run::Kills(KillsArguments { rounds, lanes }) => {
                kills::run(&kills::Settings { rounds, seed, place, lanes }).await
            }
            Run::Workers(WorkersArguments { rounds }) => workers::run(&workers::Settings { rounds, seed, place }).await,
            Run::Syscalls(SyscallsArguments { store_only, repeat }) => {
                syscalls::run(&syscalls::Settings { seed, place, store_only, repeat }).await
            }
            Run::Faults(FaultsArguments { errors, once }) => {
                faults::run(&faults::Settings { seed, place, errors, once }).await
            }
            Run::Disk(DiskArguments { resources, mounts }) => {
                disk::run(&disk::Settings { seed, place, mounts, resources }).await
            }
            Run::Order => order::run(&order::Settings { seed, place }).await,
        }
    }))
}

fn seed_of_the_day() -> u64 {
    SystemTime::UNIX_EPOCH.elapsed().map_or(0, |elapsed| elapsed.subsec_nanos().into())
}

fn in_memory() -> PathBuf {
    let memory = Path::new("/dev/shm");
    if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}
