//! Authorization server metadata (RFC 8414, OpenID Connect Discovery 1.0): where it may be, and whether what was found
//! may be used. It must never fetch, and never compare an issuer as a URL. Read `registration` next.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;
use url::Url;

use super::client_authentication::TokenEndpointAuthMethod;
use super::endpoint::{Endpoint, EndpointError, UrlRule};
use super::issuer::Issuer;
use super::issuer::spelling::{Spelling, Vouched};
use super::json::{self, Object};
use super::request;
use crate::problem::Code;
use crate::safe_url::SafeUrl;
use crate::untrusted::Untrusted;

/// What an authorization server says of itself (RFC 8414 §2), after [`judge`]; or what is assumed of one that says
/// nothing, see [`fallback_2025_03_26`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AuthorizationServerMetadata {
    /// `issuer` as published, to the letter: what `iss` is compared with (RFC 9207) and credentials are stored under.
    pub issuer: String,
    /// Why `issuer` passes for the identifier that was used (A3).
    pub spelling: Spelling,
    /// It does not say that it does PKCE with S256, and may be used all the same.
    pub pkce_is_missing: bool,
    /// Nothing was published: the endpoints are those that MCP 2025-03-26 names, PKCE is assumed.
    pub assumed: bool,
    /// `protected_resources`: the resources that it knows as its own (RFC 9728 §4).
    pub protected_resources: Vec<String>,
    /// It does OpenID Connect: its metadata has `subject_types_supported`, which OpenID Connect Discovery §3 demands.
    pub is_openid: bool,
    /// Where the browser goes; none only where no code was asked for ([`PkceRule::NoCode`]).
    pub authorization_endpoint: Option<Endpoint>,
    /// Where tokens come from.
    pub token_endpoint: Endpoint,
    /// Where a device asks for its code (RFC 8628 §4), if it can.
    pub device_authorization_endpoint: Option<Endpoint>,
    /// Where clients register (RFC 7591), if they can.
    pub registration_endpoint: Option<Endpoint>,
    /// Where tokens are revoked (RFC 7009), if they can be.
    pub revocation_endpoint: Option<Endpoint>,
    /// `scopes_supported`, for `offline_access` (A8).
    pub scopes_supported: Option<Vec<String>>,
    /// `grant_types_supported`, as published.
    pub grant_types_supported: Option<Vec<String>>,
    /// `token_endpoint_auth_methods_supported`, as published.
    pub token_endpoint_auth_methods_supported: Option<Vec<String>>,
    /// An authorization response without `iss` is to be refused (RFC 9207 §2.4).
    pub authorization_response_iss_parameter_supported: bool,
    /// A client may be known by the URL of its metadata document.
    pub client_id_metadata_document_supported: bool,
    /// `dpop_signing_alg_values_supported` (RFC 9449 §5.1), as published.
    pub dpop_signing_alg_values_supported: Option<Vec<String>>,
}

impl AuthorizationServerMetadata {
    /// The method to register with (A6): none where the server takes it, else basic, else post. Where nothing is
    /// published basic is the default (RFC 8414 §2), and where the server is only assumed, a public client.
    #[must_use]
    pub fn preferred_auth_method(&self) -> TokenEndpointAuthMethod {
        use TokenEndpointAuthMethod::{ClientSecretBasic, ClientSecretPost, None};
        match &self.token_endpoint_auth_methods_supported {
            _ if self.assumed => None,
            Option::None => ClientSecretBasic,
            Some(methods) => [None, ClientSecretBasic, ClientSecretPost]
                .into_iter()
                .find(|method| methods.iter().any(|published| published == method.as_str()))
                .unwrap_or(None),
        }
    }
}

/// The URLs to ask for an issuer, in MCP's order (A3): with a path RFC 8414 inserted, OpenID Connect inserted, then
/// appended; without one RFC 8414, OpenID Connect.
pub fn candidates(issuer: &Issuer, rule: &UrlRule) -> Result<Vec<Endpoint>, EndpointError> {
    let path = issuer.url().path().trim_end_matches('/');
    let mut paths = vec![
        format!("/.well-known/oauth-authorization-server{path}"),
        format!("/.well-known/openid-configuration{path}"),
    ];
    if !path.is_empty() {
        paths.push(format!("{path}/.well-known/openid-configuration"));
    }
    let at = |path: &String| {
        let mut url = issuer.url().clone();
        url.set_path(path);
        Endpoint::parse("authorization server metadata URL", url.as_str(), rule)
    };
    paths.iter().map(at).collect()
}

/// Asks for the metadata (RFC 8414 §3.1).
#[must_use]
pub fn request(at: &Endpoint) -> Request<Bytes> {
    request::get(at)
}

/// What is done where a server does not say that it does PKCE with S256 (A4).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PkceRule {
    /// It is refused, as MCP demands.
    Required,
    /// It is told, and used with S256 all the same: the person said so.
    MayBeMissing,
    /// No code may be asked for, so neither PKCE nor an authorization endpoint is missed (RFC 8414 §2).
    NoCode,
}

/// By which rules a server's metadata is judged.
#[derive(Clone, Copy, Debug)]
pub struct Rules<'a> {
    /// Of every URL in it (A19).
    pub urls: &'a UrlRule,
    /// Of PKCE (A4).
    pub pkce: PkceRule,
    /// Of its `issuer` (A3).
    pub vouched: &'a Vouched,
    /// A client certificate is shown where it is asked for: the endpoints that ask for it go before the others (RFC 8705 §5).
    pub mutual_tls: bool,
}

/// Judges the answer from `at` for the issuer that was asked for (RFC 8414 §3.2, §3.3; A3, A4).
pub fn judge(
    at: &Endpoint,
    issuer: &Issuer,
    rules: Rules<'_>,
    status: StatusCode,
    body: &[u8],
) -> Result<AuthorizationServerMetadata, ServerMetadataError> {
    if status != StatusCode::OK {
        let status = status.as_u16();
        return Err(if (400..500).contains(&status) && status != 429 {
            ServerMetadataError::Absent { at: at.shown(), status }
        } else {
            ServerMetadataError::Status { at: at.shown(), status, excerpt: json::excerpt(body) }
        });
    }
    let Some(object) = json::object(body) else {
        return Err(ServerMetadataError::NotJson { at: at.shown(), excerpt: json::excerpt(body) });
    };
    let spelling = judge_issuer(&object, at, issuer, rules.vouched)?;
    let rule = rules.urls;
    let pkce_is_missing = match judge_pkce(&object, at) {
        Err(_) if rules.pkce != PkceRule::Required => true,
        judged => judged.map(|()| false)?,
    };
    let aliases = object.get("mtls_endpoint_aliases").and_then(Value::as_object).filter(|_| rules.mutual_tls);
    let direct = |name| match aliases.map(|aliases| endpoint(aliases, name, rule)).transpose()?.flatten() {
        Some(alias) => Ok(Some(alias)),
        None => endpoint(&object, name, rule),
    };
    let required =
        |name, found: Option<Endpoint>| found.ok_or_else(|| ServerMetadataError::NoEndpoint { at: at.shown(), name });
    let authorization = endpoint(&object, "authorization_endpoint", rule)?;
    let authorization_endpoint = match rules.pkce {
        PkceRule::NoCode => authorization,
        _ => Some(required("authorization_endpoint", authorization)?),
    };
    Ok(AuthorizationServerMetadata {
        issuer: json::text(&object, "issuer").unwrap_or_default().to_owned(),
        spelling,
        pkce_is_missing,
        assumed: false,
        protected_resources: json::texts(&object, "protected_resources").unwrap_or_default(),
        is_openid: object.contains_key("subject_types_supported"),
        authorization_endpoint,
        token_endpoint: required("token_endpoint", direct("token_endpoint")?)?,
        device_authorization_endpoint: direct("device_authorization_endpoint")?,
        registration_endpoint: direct("registration_endpoint")?,
        revocation_endpoint: direct("revocation_endpoint")?,
        scopes_supported: json::texts(&object, "scopes_supported"),
        grant_types_supported: json::texts(&object, "grant_types_supported"),
        token_endpoint_auth_methods_supported: json::texts(&object, "token_endpoint_auth_methods_supported"),
        authorization_response_iss_parameter_supported: json::flag(
            &object,
            "authorization_response_iss_parameter_supported",
        ),
        client_id_metadata_document_supported: json::flag(&object, "client_id_metadata_document_supported"),
        dpop_signing_alg_values_supported: json::texts(&object, "dpop_signing_alg_values_supported"),
    })
}

/// What MCP 2025-03-26 assumes of a server that publishes nothing: `/authorize`, `/token` and `/register` at the
/// upstream's origin, which is the issuer.
pub fn fallback_2025_03_26(upstream: &Url, rule: &UrlRule) -> Result<AuthorizationServerMetadata, EndpointError> {
    let at = |name, path, rule: &UrlRule| {
        let mut url = upstream.clone();
        url.set_query(None);
        url.set_fragment(None);
        url.set_path(path);
        Endpoint::parse(name, url.as_str(), rule)
    };
    Ok(AuthorizationServerMetadata {
        issuer: upstream.origin().ascii_serialization(),
        spelling: Spelling::Same,
        pkce_is_missing: false,
        assumed: true,
        protected_resources: Vec::new(),
        is_openid: false,
        authorization_endpoint: Some(at("authorization_endpoint", "/authorize", &UrlRule::default())?),
        token_endpoint: at("token_endpoint", "/token", rule)?,
        device_authorization_endpoint: None,
        registration_endpoint: Some(at("registration_endpoint", "/register", rule)?),
        revocation_endpoint: None,
        scopes_supported: None,
        grant_types_supported: None,
        token_endpoint_auth_methods_supported: None,
        authorization_response_iss_parameter_supported: false,
        client_id_metadata_document_supported: false,
        dpop_signing_alg_values_supported: None,
    })
}

/// RFC 8414 §3.3.
fn judge_issuer(
    object: &Object,
    at: &Endpoint,
    issuer: &Issuer,
    vouched: &Vouched,
) -> Result<Spelling, ServerMetadataError> {
    let Some(published) = json::text(object, "issuer") else {
        return Err(ServerMetadataError::NoIssuer { at: at.shown(), expected: Untrusted::new(issuer.as_str()) });
    };
    vouched.judge(issuer, published).ok_or_else(|| {
        let (published, expected) = (published.to_owned(), issuer.as_str().to_owned());
        ServerMetadataError::IssuerMismatch { at: at.shown(), published, expected }
    })
}

/// MCP, Authorization Code Protection: without S256 in `code_challenge_methods_supported` a client must not go on.
fn judge_pkce(object: &Object, at: &Endpoint) -> Result<(), ServerMetadataError> {
    let methods = match object.get("code_challenge_methods_supported") {
        None | Some(Value::Null) => return Err(ServerMetadataError::PkceAbsent { at: at.shown() }),
        Some(Value::Array(methods)) => methods,
        Some(_) => return Err(ServerMetadataError::PkceMalformed { at: at.shown() }),
    };
    if methods.iter().any(|method| method == "S256") {
        return Ok(());
    }
    let published = Untrusted::new(methods.iter().map(Value::to_string).collect::<Vec<_>>().join(", "));
    Err(ServerMetadataError::PkceWithoutS256 { at: at.shown(), published })
}

fn endpoint(object: &Object, name: &'static str, rule: &UrlRule) -> Result<Option<Endpoint>, EndpointError> {
    match object.get(name) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Endpoint::parse(name, text, rule).map(Some),
        Some(other) => Err(EndpointError::NotAUrl { name, url: SafeUrl::from_text(&other.to_string()) }),
    }
}

/// Why an answer is no usable metadata. `at` is the URL that was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum ServerMetadataError {
    /// A 4xx: there is nothing at this URL.
    #[error("there is no authorization server metadata at `{at}` (status {status})")]
    Absent { at: SafeUrl, status: u16 },
    /// Another status than 200: it says nothing of what is there.
    #[error("`{at}` answered status {status} in place of authorization server metadata: {excerpt}")]
    Status { at: SafeUrl, status: u16, excerpt: Untrusted },
    /// 200, but no JSON object.
    #[error("`{at}` answered no JSON object in place of authorization server metadata: {excerpt}")]
    NotJson { at: SafeUrl, excerpt: Untrusted },
    /// `issuer` is absent or no string (RFC 8414 §2: required).
    #[error("the authorization server metadata at `{at}` has no `issuer`; expected `{expected}`")]
    NoIssuer { at: SafeUrl, expected: Untrusted },
    /// `issuer` is another one, to the letter (RFC 8414 §3.3).
    #[error(
        "the authorization server metadata at `{at}` is of issuer `{}`, not of `{}`",
        Untrusted::new(published.as_str()), Untrusted::new(expected.as_str())
    )]
    IssuerMismatch { at: SafeUrl, published: String, expected: String },
    /// A required endpoint is absent.
    #[error("the authorization server metadata at `{at}` has no `{name}`")]
    NoEndpoint { at: SafeUrl, name: &'static str },
    /// An endpoint breaks the URL rule.
    #[error(transparent)]
    Endpoint(#[from] EndpointError),
    /// `code_challenge_methods_supported` is absent.
    #[error(
        "the authorization server metadata at `{at}` has no `code_challenge_methods_supported`: PKCE is unsupported"
    )]
    PkceAbsent { at: SafeUrl },
    /// `code_challenge_methods_supported` does not list S256.
    #[error("`code_challenge_methods_supported` at `{at}` is [{published}], without \"S256\"")]
    PkceWithoutS256 { at: SafeUrl, published: Untrusted },
    /// `code_challenge_methods_supported` is no array.
    #[error("`code_challenge_methods_supported` at `{at}` is not a list")]
    PkceMalformed { at: SafeUrl },
}

impl ServerMetadataError {
    /// Whether there is no metadata at this URL. A page with status 200 is none: many sites answer every path with one.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, ServerMetadataError::Absent { .. } | ServerMetadataError::NotJson { .. })
    }

    /// Whether the next candidate is worth asking: nothing is here, or what is here is of another issuer.
    #[must_use]
    pub fn try_next(&self) -> bool {
        use ServerMetadataError::{IssuerMismatch, NoIssuer};
        self.is_absent() || matches!(self, NoIssuer { .. } | IssuerMismatch { .. })
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            ServerMetadataError::Status { .. } => Code::HttpError,
            ServerMetadataError::NoIssuer { .. } | ServerMetadataError::IssuerMismatch { .. } => Code::IssuerMismatch,
            ServerMetadataError::Endpoint(error) => error.code(),
            ServerMetadataError::PkceAbsent { .. }
            | ServerMetadataError::PkceWithoutS256 { .. }
            | ServerMetadataError::PkceMalformed { .. } => Code::PkceUnsupported,
            _ => Code::ServerMetadataInvalid,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            ServerMetadataError::Status { .. } => "try again later; if it stays, tell the server's operator",
            ServerMetadataError::NoIssuer { .. } => {
                "do not sign in there; ask the server's operator to correct `issuer`"
            }
            ServerMetadataError::IssuerMismatch { .. } => {
                "do not sign in there unless you know that both are one server, and then name its issuer by `--issuer URL`; \
                 ask the server's operator to correct `issuer`"
            }
            ServerMetadataError::Endpoint(error) => error.hint(),
            ServerMetadataError::PkceAbsent { .. }
            | ServerMetadataError::PkceWithoutS256 { .. }
            | ServerMetadataError::PkceMalformed { .. } => {
                "ask the server's operator to support PKCE with S256 and to say so in the metadata; or `--allow-missing-pkce`, \
                 if you know that it does"
            }
            _ => "ask the server's operator to correct the metadata",
        }
    }
}

#[cfg(test)]
mod tests;
