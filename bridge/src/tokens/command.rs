//! A credential that a person's command gives, in place of a sign-in: kept for as long as it says, fetched anew when it ends
//! and, once for each message, when the server rejects it. One run at a time. Must never start a sign-in nor write anything
//! down. `command::run` runs the command, `command::output` reads what it prints.

mod output;
mod run;

use std::sync::Arc;
use std::time::Instant;

use http::HeaderMap;
use tokio::sync::Mutex;

use self::output::Supply;
use self::run::CommandError;
use super::{Pass, Verdict};
use crate::credentials::record::unix_now;
use crate::problem::{Code, Problem};
use crate::safe_url::SafeUrl;
use crate::settings::{CommandLine, Given};

/// Where the credential of one upstream comes from that no sign-in brings.
#[derive(Debug)]
pub(super) struct Supplier {
    given: Given,
    /// One run at a time; keeps what came of the last one.
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    supply: Option<Arc<Supply>>,
    /// When the last run failed, and how.
    failed: Option<(Instant, Problem)>,
}

/// What one message got of the supplier.
#[derive(Debug, Default)]
pub(super) struct Supplied {
    supply: Option<Arc<Supply>>,
    /// The command ran again for this message.
    renewed: bool,
}

impl Supplier {
    pub(super) fn new(given: Given) -> Self {
        Supplier { given, state: Mutex::default() }
    }

    /// The headers that are there already, if any.
    pub(super) fn at_hand(&self) -> Option<HeaderMap> {
        Some(self.state.try_lock().ok()?.supply.as_ref()?.headers.clone())
    }

    /// A supply that has not ended and is not the `refused` one.
    async fn supply(&self, refused: Option<&Arc<Supply>>, arrived: Instant) -> Result<Arc<Supply>, Problem> {
        let mut state = self.state.lock().await;
        let now = unix_now();
        let is_refused = |supply: &Arc<Supply>| refused.is_some_and(|refused| Arc::ptr_eq(refused, supply));
        let kept = state.supply.clone().filter(|supply| !is_refused(supply));
        if let Some(supply) = kept.as_ref().filter(|supply| !supply.is_due(now)) {
            return Ok(supply.clone());
        }
        // What had arrived when a run failed shares its failure: each would fail alike, and wait as long.
        if let Some((_, problem)) = state.failed.as_ref().filter(|(at, _)| *at >= arrived) {
            return kept.filter(|supply| !supply.has_ended(now)).ok_or_else(|| problem.clone());
        }
        match self.run().await {
            Ok(supply) => {
                let supply = Arc::new(supply);
                *state = State { supply: Some(supply.clone()), failed: None };
                Ok(supply)
            }
            Err(error) => {
                let problem = Problem::from(error);
                state.failed = Some((Instant::now(), problem.clone()));
                match kept.filter(|supply| !supply.has_ended(now)) {
                    Some(supply) => {
                        tracing::warn!("{problem}: what it gave before is used until it ends");
                        Ok(supply)
                    }
                    None => Err(problem),
                }
            }
        }
    }

    async fn run(&self) -> Result<Supply, CommandError> {
        let (command, limit, parse): (&CommandLine, _, fn(&[u8], u64) -> _) = match &self.given {
            Given::Token(command, limit) => (command, *limit, output::token),
            Given::Headers(command, limit) => (command, *limit, output::headers),
            Given::Variable(_) => return Ok(Supply::default()),
        };
        tracing::debug!("running `{command}` for a credential");
        let printed = run::run(command, limit).await?;
        parse(&printed, unix_now()).map_err(|error| CommandError::Output { program: command.to_string(), error })
    }

    fn rejected(&self, upstream: &SafeUrl) -> Problem {
        let what = format!("`{upstream}` rejects what {} gives (401)", self.given);
        let hint = "check that the credential is for this server and has not ended; its operator can say whether it has access";
        Problem::new(Code::TokenRejected, what, hint).at(upstream.clone())
    }
}

impl Pass<'_> {
    /// The headers that the person's command gives; none where no command is named.
    ///
    /// # Errors
    /// [`Code::CredentialCommandFailed`] where it gives none.
    pub async fn supplied(&mut self) -> Result<HeaderMap, Problem> {
        // Rare, and large as a future: every message would carry it.
        match &self.keeper.supplier {
            None | Some(Supplier { given: Given::Variable(_), .. }) => Ok(HeaderMap::new()),
            Some(supplier) => Box::pin(self.take_from(supplier)).await,
        }
    }

    async fn take_from(&mut self, supplier: &Supplier) -> Result<HeaderMap, Problem> {
        if !self.supplied.renewed {
            self.supplied.supply = Some(supplier.supply(None, self.arrived).await?);
        }
        Ok(self.supplied.supply.as_ref().map(|supply| supply.headers.clone()).unwrap_or_default())
    }

    /// The server rejects the credential that the person gave: a command runs again, once for a message.
    pub(super) async fn credential_refused(&mut self) -> Result<Verdict, Problem> {
        let upstream = SafeUrl::new(&self.keeper.settings.upstream);
        let Some(supplier) = &self.keeper.supplier else {
            return Err(self.keeper.job(self.purpose).rejected("the `Authorization` header given"));
        };
        if self.supplied.renewed || matches!(supplier.given, Given::Variable(_)) {
            return Err(supplier.rejected(&upstream));
        }
        let renewed = Box::pin(supplier.supply(self.supplied.supply.as_ref(), self.arrived)).await?;
        let is_the_same = self.supplied.supply.as_ref().is_some_and(|refused| refused.headers == renewed.headers);
        self.supplied = Supplied { supply: Some(renewed), renewed: true };
        if is_the_same { Err(supplier.rejected(&upstream)) } else { Ok(Verdict::SendAgain) }
    }
}

impl From<CommandError> for Problem {
    fn from(error: CommandError) -> Problem {
        Problem::new(Code::CredentialCommandFailed, error.to_string(), error.hint())
    }
}

#[cfg(test)]
#[cfg(unix)]
mod tests;
