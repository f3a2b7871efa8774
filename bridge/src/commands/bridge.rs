//! `mcp-bridge --upstream URL`: the rooms of a running bridge, joined. The only place that knows them all.

use std::process::ExitCode;
use std::time::Duration;

use http::header::AUTHORIZATION;
use tokio::sync::watch;

use super::failed;
use crate::host::{shutdown, stdio};
use crate::problem::{Code, Problem};
use crate::relay::Relay;
use crate::safe_url::SafeUrl;
use crate::settings::Settings;
use crate::terminal;
use crate::tokens::Keeper;
use crate::tokens::waiting::SignInState;
use crate::upstream::Upstream;

/// How long the last lines may take to reach a host that does not read.
const LAST_LINES: Duration = Duration::from_millis(500);

/// Bridges until the host ends it.
pub async fn run(settings: Settings) -> ExitCode {
    let Settings { headers, sign_in } = settings;
    if let Err(problem) = terminal::start_logging(&sign_in.log) {
        return failed(&problem);
    }
    let upstream_url = sign_in.upstream.clone();
    tracing::info!(
        "mcp-bridge {} for `{}`, state in `{}`",
        env!("CARGO_PKG_VERSION"),
        SafeUrl::new(&upstream_url),
        sign_in.state_dir.display()
    );
    let (host, written) = match stdio::open() {
        Ok(pair) => pair,
        Err(error) => {
            let hint = "start mcp-bridge with stdin and stdout open, as an MCP host does";
            return failed(&Problem::new(Code::Internal, format!("stdin or stdout cannot be used: {error}"), hint));
        }
    };
    let keeper = Keeper::new(sign_in, headers.contains_key(AUTHORIZATION));
    tokio::spawn(show_sign_ins(keeper.states(), SafeUrl::new(&upstream_url)));
    Relay::new(host, Upstream::new(upstream_url, headers, keeper)).run(shutdown::signal()).await;
    let _ = tokio::time::timeout(LAST_LINES, written).await;
    ExitCode::SUCCESS
}

/// Tells the person of a sign-in, whatever the log level: without the URL there is no way on where no browser opened.
async fn show_sign_ins(mut states: watch::Receiver<SignInState>, upstream: SafeUrl) {
    while states.changed().await.is_ok() {
        let state = states.borrow_and_update().clone();
        match state {
            SignInState::Open { url, in_browser: false } => {
                terminal::say(&format!(
                    "mcp-bridge: to sign in to `{upstream}`, open this URL in your browser:\n{url}"
                ));
            }
            SignInState::Open { in_browser: true, .. } => {
                tracing::info!("a browser was opened to sign in to `{upstream}`");
            }
            SignInState::None => {}
        }
    }
}
