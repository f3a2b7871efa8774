//! What the commands besides bridging take: `login`, `logout`, `status`, `client-metadata`.

use clap::Args;

use super::client::{ClientArgs, ProofArgs};
use super::common::CommonArgs;
use super::grant::GrantArgs;
use super::layers::{Chosen, ConfigArgs, Ground};
use super::network::NetworkArgs;
use super::sign_in::SignInArgs;
use super::state::StateArgs;
use super::{Invocation, stored};
use crate::credentials::store::Store;
use crate::problem::{Code, Problem};
use crate::settings::{ClientMetadataSettings, LogoutSettings, StatusSettings, check_upstream};

/// What `login` takes.
#[derive(Debug, Args)]
pub struct LoginArgs {
    /// The MCP endpoint of the remote server, or a server of the configuration file [default: the only one that is stored]
    #[arg(value_name = "URL|NAME")]
    url: Option<String>,
    /// Sign in anew although there is a sign-in, as another account perhaps
    #[arg(long)]
    force: bool,
    #[command(flatten)]
    common: CommonArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What `logout` takes.
#[derive(Debug, Args)]
pub struct LogoutArgs {
    /// The MCP endpoint of the remote server, or a server of the configuration file [default: the only one that is stored]
    #[arg(value_name = "URL|NAME")]
    url: Option<String>,
    /// All that are stored, or all of URL, or all of --profile
    #[arg(long)]
    all: bool,
    /// Also forget the client that was registered at the server
    #[arg(long)]
    forget_registration: bool,
    #[command(flatten)]
    proof: ProofArgs,
    #[command(flatten)]
    network: NetworkArgs,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What `status` takes.
#[derive(Debug, Args)]
pub struct StatusArgs {
    /// Only this remote server, or a server of the configuration file; exit code 4 if there is no sign-in for it
    #[arg(value_name = "URL|NAME")]
    url: Option<String>,
    /// Print JSON; docs/status.md has its schema
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    state: StateArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

/// What `client-metadata` takes.
#[derive(Debug, Args)]
pub struct ClientMetadataArgs {
    /// A server of the configuration file, whose settings count
    #[arg(value_name = "NAME")]
    url: Option<String>,
    #[command(flatten)]
    client: ClientArgs,
    #[command(flatten)]
    grant: GrantArgs,
    #[command(flatten)]
    sign_in: SignInArgs,
    #[command(flatten)]
    config: ConfigArgs,
}

impl ClientMetadataArgs {
    /// # Errors
    /// A value that does not hold, or no URL for the document.
    pub(super) fn invocation(self) -> Result<Invocation, Problem> {
        let Some(url) = self.client.known()?.metadata_url else {
            let what = "the URL that the document is to have is not given: it is the `client_id` in it";
            let hint = "add `--client-metadata-url https://…`, where you can put a file";
            return Err(Problem::new(Code::InvalidSetting, what, hint));
        };
        Ok(Invocation::ClientMetadata(Box::new(ClientMetadataSettings {
            url,
            redirect: self.sign_in.redirect()?,
            scope: self.sign_in.scope()?,
            callback_port: self.sign_in.callback_port,
            client_name: self.sign_in.client_name,
            grant: self.grant.grant()?,
        })))
    }
}

impl LoginArgs {
    pub(super) fn invocation(mut self, chosen: &mut Chosen, ground: &Ground<'_>) -> Result<Invocation, Problem> {
        let url = match chosen.url(self.url.take())? {
            Some(url) => url,
            None => self.only_stored()?,
        };
        Ok(Invocation::Login(Box::new(self.common.settings(&url, chosen, ground)?), self.force))
    }

    /// The upstream of the only sign-in that is stored, or the only one of the profile; its profile is taken too.
    fn only_stored(&mut self) -> Result<String, Problem> {
        let state = &mut self.common.state;
        let store = Store::open(state.dir()?);
        let mut rooms = store.rooms()?;
        if let Some(profile) = state.profile()? {
            rooms.retain(|(room, _)| room.profile() == profile);
        }
        let (room, record) = stored::the_only(rooms, &store, "login")?;
        state.profile = Some(room.profile().to_owned());
        // As it was typed then, where that is known: the canonical form may lack a final slash.
        let discovery = record.current().and_then(|(_, current)| current.discovery.as_ref());
        Ok(discovery.map_or_else(|| room.resource().to_owned(), |discovery| discovery.upstream.clone()))
    }
}

impl LogoutArgs {
    pub(super) fn invocation(self, chosen: &Chosen) -> Result<Invocation, Problem> {
        let url = chosen.named_url(self.url)?;
        // One that stands in a file is for where it is of use.
        let is_of_use = !chosen.secret_is_layered || (url.is_some() && !self.all);
        let (secret, private_key) = self.proof.places()?;
        let secret = secret.filter(|_| is_of_use);
        if secret.is_some() && (self.all || url.is_none()) {
            let what = "a client secret is for one server, and `logout` is to sign out of whatever is stored";
            return Err(Problem::new(Code::InvalidSetting, what, "name the server: `mcp-bridge logout URL`"));
        }
        Ok(Invocation::Logout(Box::new(LogoutSettings {
            upstream: stored_upstream(url.as_deref())?,
            all: self.all,
            forget_registration: self.forget_registration,
            secret,
            private_key,
            network: self.network.settings()?,
            given: chosen.given.filter(|_| url.is_some()),
            profile: self.state.profile()?,
            state_dir: self.state.dir()?,
            log: self.state.log(),
        })))
    }
}

impl StatusArgs {
    pub(super) fn invocation(self, chosen: &Chosen) -> Result<Invocation, Problem> {
        let url = chosen.named_url(self.url)?;
        Ok(Invocation::Status(Box::new(StatusSettings {
            upstream: stored_upstream(url.as_deref())?,
            given: chosen.given.filter(|_| url.is_some()),
            json: self.json,
            profile: self.state.profile()?,
            state_dir: self.state.dir()?,
            log: self.state.log(),
        })))
    }
}

/// A URL that is only looked up: how safe it is to speak to was asked when it was stored.
fn stored_upstream(url: Option<&str>) -> Result<Option<url::Url>, Problem> {
    url.map(|url| check_upstream(url, true)).transpose()
}
