//! The sign-in process that a bridge starts: its job comes on stdin, its outcome goes to the store, and what the store cannot
//! be told, to stdout.

use std::io::Read;
use std::process::ExitCode;

use crate::problem::{Code, Problem};
use crate::terminal;
use crate::worker::{self, job::Job, process};

/// The largest job, in bytes; far more than any settings need.
const MAX_JOB: u64 = 1024 * 1024;

/// Does the job.
pub async fn run() -> ExitCode {
    process::detach();
    let mut json = Vec::new();
    let read = std::io::stdin().lock().take(MAX_JOB).read_to_end(&mut json);
    let job: Job = match read.map_err(serde_json::Error::io).and_then(|_| serde_json::from_slice(&json)) {
        Ok(job) => job,
        Err(error) => {
            let what = format!("no job on stdin: {error}");
            return super::failed(&Problem::new(
                Code::Internal,
                what,
                "this command is for mcp-bridge itself; try `login`",
            ));
        }
    };
    if let Err(problem) = terminal::start_logging(&job.settings.log) {
        return super::failed(&problem);
    }
    match worker::run(&job).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            // To the bridge that started this, if it still lives: a full disk cannot tell it.
            process::report(&problem);
            ExitCode::FAILURE
        }
    }
}
