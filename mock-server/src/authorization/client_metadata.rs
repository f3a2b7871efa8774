//! Client metadata (RFC 7591 §2) and its judgment, strict: what is not understood is refused or left out, never guessed.
//! Registration and its management share it; neither the client's id nor its secrets are known here.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;

use crate::authorization::device;
use crate::authorization::redirect_uri;
use crate::authorization::scope::Scope;
use crate::settings::{AuthMethod, Settings};

/// The client metadata that is understood (RFC 7591 §2, `application_type` of OpenID Connect); other members are ignored.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Metadata {
    redirect_uris: Option<Vec<String>>,
    token_endpoint_auth_method: Option<String>,
    grant_types: Option<Vec<String>>,
    response_types: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) client_name: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    client_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    logo_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    scope: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    contacts: Option<Vec<String>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    tos_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    policy_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    software_version: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    application_type: Option<String>,
}

/// Metadata with nothing wrong in it, its defaults filled in.
pub(crate) struct Judged {
    pub(crate) metadata: Metadata,
    pub(crate) redirect_uris: Vec<String>,
    pub(crate) grant_types: Vec<String>,
    pub(crate) auth_method: AuthMethod,
}

/// The rule that metadata break.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MetadataFault {
    #[error("{0}")]
    Form(#[from] serde_json::Error),
    #[error("redirect_uris is missing or empty")]
    NoRedirectUri,
    #[error("this redirect URI is neither https nor http on a loopback host, or has a fragment: {0}")]
    RedirectUri(String),
    #[error("{0}: not supported: {1}")]
    Unsupported(&'static str, String),
    #[error("{0}: this is no web address: {1}")]
    NoAddress(&'static str, String),
    #[error("the grant type authorization_code and the response type code belong together")]
    Inconsistent,
    #[error("jwks and jwks_uri exclude each other")]
    TwoKeySets,
}

impl MetadataFault {
    /// The error code of RFC 7591 §3.2.2.
    pub(crate) fn code(&self) -> &'static str {
        match self {
            MetadataFault::NoRedirectUri | MetadataFault::RedirectUri(_) => "invalid_redirect_uri",
            _ => "invalid_client_metadata",
        }
    }
}

/// Judges a JSON object of metadata.
pub(crate) fn judged(settings: &Settings, document: Value) -> Result<Judged, MetadataFault> {
    let mut metadata = serde_json::from_value::<Metadata>(document)?;
    let grant_types = judge_types(settings, &mut metadata)?;
    let redirect_uris = judge_redirect_uris(&metadata, &grant_types)?;
    let auth_method = judge_auth_method(settings, metadata.token_endpoint_auth_method.as_deref())?;
    judge_addresses(&metadata)?;
    judge_rest(settings, &metadata)?;
    metadata.token_endpoint_auth_method = Some(auth_method.name().to_owned());
    Ok(Judged { metadata, redirect_uris, grant_types, auth_method })
}

/// Who is never redirected needs none (RFC 7591 §2).
fn judge_redirect_uris(metadata: &Metadata, grant_types: &[String]) -> Result<Vec<String>, MetadataFault> {
    let uris = metadata.redirect_uris.clone().unwrap_or_default();
    if uris.is_empty() && grant_types.iter().any(|name| name == "authorization_code") {
        return Err(MetadataFault::NoRedirectUri);
    }
    match uris.iter().find(|uri| !redirect_uri::may_be_registered(uri)) {
        Some(bad) => Err(MetadataFault::RedirectUri(bad.clone())),
        None => Ok(uris),
    }
}

/// Fills in the defaults of RFC 7591 §2 and checks §2.1: both lists, each by itself and together.
fn judge_types(settings: &Settings, metadata: &mut Metadata) -> Result<Vec<String>, MetadataFault> {
    let grants = metadata.grant_types.get_or_insert_with(|| vec!["authorization_code".to_owned()]).clone();
    let responses = metadata.response_types.get_or_insert_with(|| vec!["code".to_owned()]);
    let is_taken = |name: &str| {
        matches!(name, "authorization_code" | "refresh_token") || (settings.device_code && name == device::GRANT_TYPE)
    };
    if let Some(other) = grants.iter().find(|name| !is_taken(name)) {
        return Err(MetadataFault::Unsupported("grant_types", other.clone()));
    }
    if let Some(other) = responses.iter().find(|name| *name != "code") {
        return Err(MetadataFault::Unsupported("response_types", other.clone()));
    }
    let has = |grant: &str| grants.iter().any(|name| name == grant);
    if responses.is_empty() == has("authorization_code") || grants.iter().all(|name| name == "refresh_token") {
        return Err(MetadataFault::Inconsistent);
    }
    Ok(grants)
}

/// The method asked for; without one basic, RFC 7591's default, or the only one that this server takes.
fn judge_auth_method(settings: &Settings, asked: Option<&str>) -> Result<AuthMethod, MetadataFault> {
    let Some(asked) = asked else {
        return Ok(settings.token_endpoint_auth_method.unwrap_or(AuthMethod::Basic));
    };
    let known = AuthMethod::from_name(asked).filter(|method| settings.auth_methods().contains(method));
    known.ok_or_else(|| MetadataFault::Unsupported("token_endpoint_auth_method", asked.to_owned()))
}

/// RFC 7591 §2: what is shown to a person, or fetched, is a web address.
fn judge_addresses(metadata: &Metadata) -> Result<(), MetadataFault> {
    for (name, address) in [
        ("client_uri", &metadata.client_uri),
        ("logo_uri", &metadata.logo_uri),
        ("tos_uri", &metadata.tos_uri),
        ("policy_uri", &metadata.policy_uri),
        ("jwks_uri", &metadata.jwks_uri),
    ] {
        let Some(address) = address else { continue };
        if !Url::parse(address).is_ok_and(|url| ["http", "https"].contains(&url.scheme())) {
            return Err(MetadataFault::NoAddress(name, address.clone()));
        }
    }
    if metadata.jwks.is_some() && metadata.jwks_uri.is_some() { Err(MetadataFault::TwoKeySets) } else { Ok(()) }
}

fn judge_rest(settings: &Settings, metadata: &Metadata) -> Result<(), MetadataFault> {
    if let Some(kind) = metadata.application_type.as_deref().filter(|kind| !["native", "web"].contains(kind)) {
        return Err(MetadataFault::Unsupported("application_type", kind.to_owned()));
    }
    let supported = settings.server_scopes().into_iter().collect::<Scope>();
    match &metadata.scope {
        Some(scope) if !Scope::parse(scope).is_some_and(|scope| scope.is_within(&supported)) => {
            Err(MetadataFault::Unsupported("scope", scope.clone()))
        }
        _ => Ok(()),
    }
}
