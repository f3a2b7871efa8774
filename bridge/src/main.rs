//! Parse, run, exit code.

use std::process::ExitCode;

use mcp_bridge::cli::{self, Invocation, Refusal, Understood};
use mcp_bridge::{commands, terminal};

fn main() -> ExitCode {
    let code = run();
    terminal::flush();
    code
}

fn run() -> ExitCode {
    let Understood { invocation, warnings } = match cli::parse(std::env::args_os()) {
        Ok(understood) => understood,
        Err(Refusal::Usage(error)) => {
            // Help and version go to stdout: nobody bridges then.
            let _ = error.print();
            return ExitCode::from(u8::try_from(error.exit_code()).unwrap_or(2));
        }
        Err(Refusal::Setting(problem)) => {
            terminal::show(&problem);
            return ExitCode::from(2);
        }
    };
    for warning in warnings {
        terminal::say(&format!("mcp-bridge: {warning}"));
    }
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            terminal::say(&format!("mcp-bridge: the system gives no event loop: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let code = runtime.block_on(async {
        match invocation {
            Invocation::Bridge(settings) => commands::bridge::run(*settings).await,
            Invocation::Login(settings, force) => commands::login::run(*settings, force).await,
            Invocation::Logout(settings) => commands::logout::run(*settings).await,
            Invocation::Status(settings) => commands::status::run(&settings),
            Invocation::ClientMetadata(settings) => commands::client_metadata::run(&settings),
            Invocation::Worker => commands::worker::run().await,
        }
    });
    // A browser command that still runs must not keep us.
    runtime.shutdown_background();
    code
}
