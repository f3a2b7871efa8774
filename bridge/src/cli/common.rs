//! The flags that bridging and `login` share, joined into [`Settings`].

use clap::Args;

use super::client::ClientArgs;
use super::given::GivenArgs;
use super::grant::GrantArgs;
use super::layers::{Chosen, Ground};
use super::network::NetworkArgs;
use super::server::ServerArgs;
use super::sign_in::SignInArgs;
use super::state::{StateArgs, StoreArgs};
use crate::oauth::endpoint::UrlRule;
use crate::problem::Problem;
use crate::settings::{DEFAULT_PROFILE, Patience, Settings, SignInSettings, TransportSettings, check_upstream};

/// Whatever a sign-in and a message need.
#[derive(Debug, Args)]
pub(super) struct CommonArgs {
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    given: GivenArgs,
    #[command(flatten)]
    sign_in: SignInArgs,
    #[command(flatten)]
    grant: GrantArgs,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    pub(super) state: StateArgs,
    #[command(flatten)]
    store: StoreArgs,
}

impl CommonArgs {
    /// The settings for an upstream; how its messages go is still as nobody set anything.
    ///
    /// # Errors
    /// The first value that does not hold.
    pub(super) fn settings(
        self,
        upstream: &str,
        chosen: &mut Chosen,
        ground: &Ground<'_>,
    ) -> Result<Settings, Problem> {
        let upstream = check_upstream(upstream, self.server.allow_http)?;
        let client = self.client.known()?;
        let use_id_token = self.grant.use_id_token;
        let (grant, machine) = self.grant.settings(&client)?;
        let sign_in = SignInSettings {
            issuer: self.sign_in.issuer(&UrlRule::of(&upstream, self.server.allow_http))?,
            upstream,
            state_dir_named: self.state.state_dir.is_some(),
            state_dir: self.state.dir()?,
            credential_store: self.store.choice(),
            server: chosen.server.clone(),
            config: chosen.config.clone(),
            profile: self.state.profile()?.unwrap_or_else(|| DEFAULT_PROFILE.to_owned()),
            scope: self.sign_in.scope()?,
            timeout: self.sign_in.timeout(),
            dpop: self.sign_in.dpop(),
            authorization: self.sign_in.authorization()?,
            client_name: self.sign_in.client_name,
            client,
            grant,
            machine,
            use_id_token,
            callback_port: self.sign_in.callback_port,
            no_browser: self.sign_in.no_browser,
            allow_http: self.server.allow_http,
            allow_missing_pkce: self.sign_in.allow_missing_pkce,
            network: self.network.settings()?,
            log: self.state.log(),
        };
        let (mut headers, warnings) = self.server.headers(ground)?;
        chosen.warnings.extend(warnings);
        let given = self.given.given(&mut headers, ground.variable)?;
        Ok(Settings { patience: Patience::Auto, transport: TransportSettings::default(), headers, given, sign_in })
    }
}
