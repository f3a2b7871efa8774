//! The commands, a file each; every one reads like a walk. They wire the rooms together and nothing imports them.
//! Start with [`bridge`].

pub mod bridge;
pub mod client_metadata;
pub mod login;
pub mod logout;
pub mod status;
mod when;
pub mod worker;

use std::process::ExitCode;

use crate::problem::{Code, Problem};
use crate::terminal;

/// Shows a problem and gives the exit code that goes with it.
fn failed(problem: &Problem) -> ExitCode {
    terminal::show(problem);
    match problem.code {
        Code::SignInNeeded | Code::SignInDenied | Code::SignInTimedOut => ExitCode::from(4),
        Code::InvalidSetting => ExitCode::from(2),
        _ => ExitCode::FAILURE,
    }
}
