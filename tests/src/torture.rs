//! The reliability runs: real bridges, killed, raced and starved of disk, against a server that counts. Each run is a file
//! of one concern and ends in figures and a verdict. None of them knows how the bridge works inside, only what may lie in
//! its state folder. Read `docs/reliability.md` for what each proves, `race.rs` for the simplest, `house.rs` for who plays.

#![expect(clippy::disallowed_methods, reason = "the runs look at the state folder, and break it, from outside")]

pub mod clock;
pub mod dice;
pub mod disk;
pub mod faults;
pub mod host;
pub mod house;
pub mod kills;
pub mod login;
pub mod order;
pub mod race;
pub mod report;
pub mod room;
pub mod start;
pub mod strace;
pub mod syscalls;
pub mod workers;
