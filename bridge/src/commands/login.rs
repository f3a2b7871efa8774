//! `mcp-bridge login URL`: the sign-in that a bridge starts by itself, in a terminal. Whoever waits for it goes on.

use std::process::ExitCode;
use std::time::Duration;

use http::HeaderMap;
use tokio::sync::mpsc;

use super::failed;
use crate::credentials::record::Record;
use crate::credentials::store::{Room, Store};
use crate::http::Network;
use crate::oauth::resource::ResourceIdentifier;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::secret::Secret;
use crate::settings::{CredentialStore, Settings};
use crate::terminal;
use crate::untrusted::Untrusted;
use crate::worker::job::Job;
use crate::worker::{self, Audience, Obtained, Prompt, discovery, paste};

/// What to do where the redirect does not come back.
const ELSEWHERE: &str =
    "if that browser runs on another machine, paste here the URL that it ends at, although no page shows there";
/// How often to look whether another process has finished its sign-in: it tells nobody.
const LOOK: Duration = Duration::from_millis(200);

/// Signs in, or says why there is no need.
pub async fn run(settings: Settings, force: bool) -> ExitCode {
    if let Err(problem) = terminal::start_logging(&settings.sign_in.log) {
        return failed(&problem);
    }
    worker::process::endure_size_limits();
    let upstream = SafeUrl::new(&settings.sign_in.upstream);
    if let Some(given) = &settings.given {
        terminal::say(&format!("the credential for `{upstream}` comes from {given}: there is nothing to sign in to"));
        return ExitCode::SUCCESS;
    }
    match sign_in(settings, force).await {
        Ok(None) => terminal::say(&format!("`{upstream}` asks for no sign-in")),
        Ok(Some(Obtained::AlreadyThere | Obtained::UnderWay)) => {
            terminal::say(&format!("already signed in to `{upstream}`; `--force` signs in anew"));
        }
        Ok(Some(Obtained::Refreshed)) => {
            terminal::say(&format!("signed in to `{upstream}`: the stored sign-in was renewed"));
        }
        Ok(Some(Obtained::Granted(grant))) => {
            terminal::say(&format!("signed in to `{upstream}` without a person, by {}", grant.as_str()));
        }
        Ok(Some(Obtained::SignedIn)) => terminal::say(&format!("signed in to `{upstream}`")),
        Err(problem) => return failed(&problem),
    }
    ExitCode::SUCCESS
}

/// `None` where the server asks for no sign-in.
async fn sign_in(settings: Settings, force: bool) -> Result<Option<Obtained>, Problem> {
    let Settings { headers, sign_in, .. } = settings;
    let resource = ResourceIdentifier::new(&sign_in.upstream);
    if sign_in.credential_store == Some(CredentialStore::Memory) {
        let what = "by `--credential-store memory` a sign-in is in the bridge alone, and `login` could keep none";
        let hint = "start the bridge: it signs in at the first call; or choose another store";
        return Err(Problem::new(Code::InvalidSetting, what, hint));
    }
    let room = Store::room_of(&sign_in, resource.as_str());
    let network = Network::load(&sign_in.network)?;
    let mut job = Job::new(sign_in);
    job.at_terminal = true;
    if force {
        job.skip_refresh = true;
        job.refused = room.read()?.and_then(|record| Some(record.current_tokens()?.fingerprint()));
    }
    loop {
        match worker::obtain(&job, &Terminal).await {
            // What is stored may be good by its own account and unknown to the server.
            Ok(Obtained::AlreadyThere)
                if job.refused.is_none() && !is_taken(&room, &job, &network, &headers).await? =>
            {
                job.refused = room.read()?.and_then(|record| Some(record.current_tokens()?.fingerprint()));
            }
            Ok(Obtained::UnderWay) => wait_for_other(&room, &SafeUrl::new(&job.settings.upstream)).await?,
            Ok(obtained) => return Ok(Some(obtained)),
            // What is stored did not do: now the server is asked what it wants.
            Err(problem) if problem.code == Code::SignInNeeded && job.challenge.is_none() => {
                job.skip_refresh = true;
                job.challenge = discovery::probe(&job.settings.upstream, &network, headers.clone()).await?;
                if job.challenge.is_none() {
                    return Ok(None);
                }
            }
            Err(problem) => return Err(problem),
        }
    }
}

/// Whether the server takes the stored token.
async fn is_taken(room: &Room, job: &Job, network: &Network, headers: &HeaderMap) -> Result<bool, Problem> {
    let record = room.read()?;
    let Some(tokens) = record.as_ref().and_then(Record::current_tokens) else { return Ok(false) };
    Ok(discovery::takes(&job.settings.upstream, network, headers, tokens).await)
}

/// A bridge has a sign-in open: its tab is as good as ours would be.
async fn wait_for_other(room: &Room, upstream: &SafeUrl) -> Result<(), Problem> {
    let mut told: Option<String> = None;
    let mut pasted = None;
    while !room.is_free()? {
        if let Some(sign_in) = room.sign_in()
            && let Some(url) = sign_in.authorization_url
            && told.as_ref() != Some(&url)
        {
            let code = sign_in.user_code.as_ref().map(|code| format!("\nthe code is {code}")).unwrap_or_default();
            terminal::say(&format!("a sign-in to `{upstream}` is already open:\n{url}{code}"));
            if sign_in.user_code.is_none() && !sign_in.in_browser {
                terminal::say(ELSEWHERE);
                pasted = Some(terminal::lines());
            }
            terminal::say("waiting for it (Ctrl-C to stop)");
            told = Some(url);
        }
        let line = tokio::time::timeout(LOOK, next_line(&mut pasted)).await;
        if let (Ok(line), Some(url)) = (line, &told)
            && let Err(why) = paste::hand_over(url, &line).await
        {
            terminal::say(&why);
        }
    }
    Ok(())
}

/// The next line that is not empty; none ever where nothing can be pasted.
async fn next_line(pasted: &mut Option<mpsc::Receiver<Secret>>) -> Secret {
    if let Some(lines) = pasted {
        while let Some(line) = lines.recv().await {
            if !line.expose().trim().is_empty() {
                return line;
            }
        }
    }
    std::future::pending().await
}

/// The person at the terminal.
struct Terminal;

impl Audience for Terminal {
    fn sign_in_open(&self, prompt: &Prompt<'_>) {
        let Prompt { upstream, issuer, url, user_code, in_browser } = prompt;
        let how = match (in_browser, user_code) {
            (true, _) => "in the browser that was opened, or at this URL",
            (false, Some(_)) => "in a browser on any device, at this URL",
            (false, None) => "at this URL",
        };
        terminal::say(&format!("sign in to `{upstream}` through `{issuer}` {how}:\n{url}"));
        match (user_code, in_browser) {
            (Some(code), _) => {
                terminal::say_qr(url);
                terminal::say(&format!("the code is {code}; go on only where the page shows the same"));
            }
            (None, false) => terminal::say(ELSEWHERE),
            (None, true) => {}
        }
        terminal::say("waiting (Ctrl-C to stop)");
    }

    fn pasted(&self) -> Option<mpsc::Receiver<Secret>> {
        Some(terminal::lines())
    }

    fn not_pasted(&self, why: &str) {
        terminal::say(why);
    }

    fn vouches(&self, upstream: &SafeUrl, named: &Untrusted, published: &Untrusted) -> bool {
        terminal::agrees(&format!(
            "`{upstream}` names the authorization server `{named}`, which calls itself `{published}`.\nThat is a mistake of \
             the server, or somebody in between. Are both the server that you want to sign in to? (y/N)"
        ))
    }
}
