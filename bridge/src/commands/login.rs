//! `mcp-bridge login URL`: the sign-in that a bridge starts by itself, in a terminal. Whoever waits for it goes on.

use std::process::ExitCode;
use std::time::Duration;

use super::failed;
use crate::credentials::store::{Room, Store};
use crate::oauth::resource::ResourceIdentifier;
use crate::problem::Problem;
use crate::safe_url::SafeUrl;
use crate::settings::SignInSettings;
use crate::terminal;
use crate::worker::job::Job;
use crate::worker::{self, Audience, Obtained};

/// How often to look whether another process has finished its sign-in: it tells nobody.
const LOOK: Duration = Duration::from_millis(200);

/// Signs in, or says why there is no need.
pub async fn run(settings: SignInSettings, force: bool) -> ExitCode {
    if let Err(problem) = terminal::start_logging(&settings.log) {
        return failed(&problem);
    }
    let upstream = SafeUrl::new(&settings.upstream);
    match sign_in(settings, force).await {
        Ok(Obtained::NotNeeded) => terminal::say(&format!("`{upstream}` asks for no sign-in")),
        Ok(Obtained::AlreadyThere | Obtained::UnderWay) => {
            terminal::say(&format!("already signed in to `{upstream}`; `--force` signs in anew"));
        }
        Ok(Obtained::Refreshed) => terminal::say(&format!("signed in to `{upstream}`: the stored sign-in was renewed")),
        Ok(Obtained::SignedIn) => terminal::say(&format!("signed in to `{upstream}`")),
        Err(problem) => return failed(&problem),
    }
    ExitCode::SUCCESS
}

async fn sign_in(settings: SignInSettings, force: bool) -> Result<Obtained, Problem> {
    let resource = ResourceIdentifier::new(&settings.upstream);
    let room = Store::open(&settings.state_dir).room(resource.as_str(), &settings.profile);
    let upstream = SafeUrl::new(&settings.upstream);
    let mut job = Job::new(settings);
    if force {
        job.skip_refresh = true;
        job.refused = room.read()?.and_then(|record| Some(record.current_tokens()?.fingerprint()));
    }
    loop {
        match worker::obtain(&job, &Terminal).await? {
            Obtained::UnderWay => wait_for_other(&room, &upstream).await?,
            obtained => return Ok(obtained),
        }
    }
}

/// A bridge has a sign-in open: its tab is as good as ours would be.
async fn wait_for_other(room: &Room, upstream: &SafeUrl) -> Result<(), Problem> {
    let mut told = None;
    while !room.is_free()? {
        if let Some(url) = room.sign_in().and_then(|sign_in| sign_in.authorization_url)
            && told.as_ref() != Some(&url)
        {
            terminal::say(&format!(
                "a sign-in to `{upstream}` is already open:\n{url}\nwaiting for it (Ctrl-C to stop)"
            ));
            told = Some(url);
        }
        tokio::time::sleep(LOOK).await;
    }
    Ok(())
}

/// The person at the terminal.
struct Terminal;

impl Audience for Terminal {
    fn sign_in_open(&self, upstream: &SafeUrl, issuer: &SafeUrl, url: &str, in_browser: bool) {
        let how = if in_browser { "in the browser that was opened, or at this URL" } else { "at this URL" };
        terminal::say(&format!("sign in to `{upstream}` through `{issuer}` {how}:\n{url}\nwaiting (Ctrl-C to stop)"));
    }
}
