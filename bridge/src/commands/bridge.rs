//! `mcp-bridge --upstream URL`: the rooms of a running bridge, joined. The only place that knows them all.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use http::header::AUTHORIZATION;
use tokio::sync::watch;

use super::failed;
use crate::credentials::store::{Room, Store};
use crate::host::{shutdown, stdio};
use crate::http::Network;
use crate::oauth::resource::ResourceIdentifier;
use crate::problem::{Code, Problem};
use crate::relay::notices::OpenSignIn;
use crate::relay::recall::{Memory, Recalled};
use crate::relay::{Relay, Surroundings};
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
    let Settings { patience, transport, headers, given, sign_in } = settings;
    if let Err(problem) = terminal::start_logging(&sign_in.log) {
        return failed(&problem);
    }
    let network = match Network::load(&sign_in.network) {
        Ok(network) => network,
        Err(problem) => return failed(&problem),
    };
    let upstream_url = sign_in.upstream.clone();
    tracing::info!(
        "mcp-bridge {} for `{}`, state in `{}`",
        env!("CARGO_PKG_VERSION"),
        SafeUrl::new(&upstream_url),
        sign_in.state_dir.display()
    );
    let (host, written) = match stdio::open(transport.max_message) {
        Ok(pair) => pair,
        Err(error) => {
            let hint = "start mcp-bridge with stdin and stdout open, as an MCP host does";
            return failed(&Problem::new(Code::Internal, format!("stdin or stdout cannot be used: {error}"), hint));
        }
    };
    let resource = ResourceIdentifier::new(&upstream_url);
    let room = Store::room_of(&sign_in, resource.as_str());
    let keeper = Keeper::new(sign_in, headers.contains_key(AUTHORIZATION)).supplied_by(given);
    let (open, sign_ins) = watch::channel(None);
    tokio::spawn(show_sign_ins(keeper.states(), open, SafeUrl::new(&upstream_url)));
    let surroundings =
        Surroundings { patience, transport: transport.clone(), memory: Arc::new(DiskMemory(room)), sign_ins };
    let upstream = Upstream::new(upstream_url, headers, keeper, network, transport);
    Relay::new(host, upstream, surroundings).run(shutdown::signal()).await;
    let _ = tokio::time::timeout(LAST_LINES, written).await;
    ExitCode::SUCCESS
}

/// Tells the person of a sign-in, whatever the log level: without the URL there is no way on where no browser opened. The
/// relay is told too, for the host.
async fn show_sign_ins(
    mut states: watch::Receiver<SignInState>,
    open: watch::Sender<Option<OpenSignIn>>,
    upstream: SafeUrl,
) {
    while states.changed().await.is_ok() {
        let state = states.borrow_and_update().clone();
        match &state {
            // A browser that was opened with it may be one that nobody sees: whoever chose this way is elsewhere.
            SignInState::Open { url, user_code: Some(code), .. } => {
                terminal::say(&format!(
                    "mcp-bridge: to sign in to `{upstream}`, open this URL in a browser on any device and enter the code \
                     {code}:\n{url}"
                ));
                terminal::say_qr(url);
            }
            SignInState::Open { url, user_code: None, in_browser: false } => {
                terminal::say(&format!(
                    "mcp-bridge: to sign in to `{upstream}`, open this URL in your browser:\n{url}"
                ));
            }
            SignInState::Open { in_browser: true, .. } => {
                tracing::info!("a browser was opened to sign in to `{upstream}`");
            }
            SignInState::None => {}
        }
        open.send_replace(match state {
            SignInState::Open { url, user_code, in_browser } => Some(OpenSignIn { url, user_code, in_browser }),
            SignInState::None => None,
        });
    }
}

/// The server's last answers, beside its credentials.
#[derive(Debug)]
struct DiskMemory(Room);

impl Memory for DiskMemory {
    fn recall(&self) -> Recalled {
        self.0.recall().and_then(|json| serde_json::from_slice(&json).ok()).unwrap_or_default()
    }

    fn keep(&self, recalled: Recalled) {
        let kept = serde_json::to_vec(&recalled).map_err(|e| e.to_string());
        if let Err(error) = kept.and_then(|json| self.0.keep(&json).map_err(|e| e.to_string())) {
            tracing::debug!("the server's answers are not kept: {error}");
        }
    }
}
