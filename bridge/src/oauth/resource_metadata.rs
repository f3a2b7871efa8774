//! Protected resource metadata (RFC 9728): where it may be, and whether what was found may be used for the upstream. It
//! must never fetch or choose a server: the worker does, and goes through the candidates. Read `issuer` next.

use bytes::Bytes;
use http::{Request, StatusCode};
use serde_json::Value;
use url::Url;

use super::endpoint::{Endpoint, EndpointError, UrlRule};
use super::json::{self, Object};
use super::{request, resource};
use crate::problem::Code;
use crate::safe_url::SafeUrl;
use crate::untrusted::Untrusted;

/// How many authorization servers of one resource are looked at.
const MAX_SERVERS: usize = 16;

/// What a resource says of itself (RFC 9728 §2), after [`judge`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ProtectedResourceMetadata {
    /// `resource` as published, to the letter: it goes into the `resource` parameter like this (A8).
    pub resource: String,
    /// `authorization_servers` as published, at least one, at most 16; each has yet to pass `Issuer::parse`.
    pub authorization_servers: Vec<String>,
    /// `scopes_supported`, if it was published as an array.
    pub scopes_supported: Option<Vec<String>>,
    /// `resource_name`, to show.
    pub resource_name: Option<Untrusted>,
    /// `dpop_bound_access_tokens_required`: only tokens that are bound by DPoP are taken.
    pub dpop_bound_access_tokens_required: bool,
    /// `dpop_signing_alg_values_supported`: by which algorithms it takes proofs, if it says so.
    pub dpop_signing_alg_values_supported: Option<Vec<String>>,
}

/// The URLs to ask when the challenge named none (A1, RFC 9728 §3.1): well-known with the upstream's path and query
/// put behind it, then the root.
pub fn candidates(upstream: &Url, rule: &UrlRule) -> Result<Vec<Endpoint>, EndpointError> {
    let mut root = upstream.clone();
    root.set_fragment(None);
    root.set_query(None);
    root.set_path("/.well-known/oauth-protected-resource");
    let mut inserted = root.clone();
    if upstream.path() != "/" {
        inserted.set_path(&format!("/.well-known/oauth-protected-resource{}", upstream.path()));
    }
    inserted.set_query(upstream.query());
    let mut urls = vec![inserted];
    if urls[0] != root {
        urls.push(root);
    }
    urls.iter().map(|url| Endpoint::parse("resource metadata URL", url.as_str(), rule)).collect()
}

/// The URL that a challenge named (RFC 9728 §5.1). It may be on another origin than the upstream.
pub fn named_by_challenge(resource_metadata: &str, rule: &UrlRule) -> Result<Endpoint, EndpointError> {
    Endpoint::parse("resource_metadata", resource_metadata, rule)
}

/// Asks for the metadata (RFC 9728 §3.1).
#[must_use]
pub fn request(at: &Endpoint) -> Request<Bytes> {
    request::get(at)
}

/// Judges the answer from `at` for `upstream` (RFC 9728 §3.2, §3.3).
pub fn judge(
    at: &Endpoint,
    upstream: &Url,
    status: StatusCode,
    body: &[u8],
) -> Result<ProtectedResourceMetadata, ResourceMetadataError> {
    if status != StatusCode::OK {
        let status = status.as_u16();
        return Err(if (400..500).contains(&status) && status != 429 {
            ResourceMetadataError::Absent { at: at.shown(), status }
        } else {
            ResourceMetadataError::Status { at: at.shown(), status, excerpt: json::excerpt(body) }
        });
    }
    let Some(object) = json::object(body) else {
        return Err(ResourceMetadataError::NotJson { at: at.shown(), excerpt: json::excerpt(body) });
    };
    let Some(resource) = json::text(&object, "resource") else {
        return Err(ResourceMetadataError::NoResource { at: at.shown() });
    };
    if !resource::covers(resource, upstream) {
        let (published, upstream) = (SafeUrl::from_text(resource), SafeUrl::new(upstream));
        return Err(ResourceMetadataError::Mismatch { at: at.shown(), published, upstream });
    }
    Ok(ProtectedResourceMetadata {
        resource: resource.to_owned(),
        authorization_servers: authorization_servers(&object, at)?,
        scopes_supported: json::texts(&object, "scopes_supported"),
        resource_name: json::words(&object, "resource_name"),
        dpop_bound_access_tokens_required: json::flag(&object, "dpop_bound_access_tokens_required"),
        dpop_signing_alg_values_supported: json::texts(&object, "dpop_signing_alg_values_supported"),
    })
}

fn authorization_servers(object: &Object, at: &Endpoint) -> Result<Vec<String>, ResourceMetadataError> {
    let members = match object.get("authorization_servers") {
        None | Some(Value::Null) => return Err(ResourceMetadataError::NoAuthorizationServers { at: at.shown() }),
        Some(Value::Array(members)) => members,
        Some(_) => return Err(ResourceMetadataError::AuthorizationServersMalformed { at: at.shown() }),
    };
    if members.is_empty() {
        return Err(ResourceMetadataError::NoAuthorizationServers { at: at.shown() });
    }
    let servers: Option<Vec<String>> =
        members.iter().take(MAX_SERVERS).map(|member| member.as_str().map(str::to_owned)).collect();
    servers.ok_or_else(|| ResourceMetadataError::AuthorizationServersMalformed { at: at.shown() })
}

/// Why an answer is no usable metadata. `at` is the URL that was asked.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[expect(missing_docs, reason = "the fields are what the message shows")]
pub enum ResourceMetadataError {
    /// A 4xx: there is nothing at this URL.
    #[error("there is no resource metadata at `{at}` (status {status})")]
    Absent { at: SafeUrl, status: u16 },
    /// Another status than 200: it says nothing of what is there.
    #[error("`{at}` answered status {status} in place of resource metadata: {excerpt}")]
    Status { at: SafeUrl, status: u16, excerpt: Untrusted },
    /// 200, but no JSON object.
    #[error("`{at}` answered no JSON object in place of resource metadata: {excerpt}")]
    NotJson { at: SafeUrl, excerpt: Untrusted },
    /// `resource` is absent or no string (RFC 9728 §2: required).
    #[error("the resource metadata at `{at}` does not name its `resource`")]
    NoResource { at: SafeUrl },
    /// `resource` is another server's (RFC 9728 §3.3).
    #[error("the resource metadata at `{at}` is for `{published}`, not for `{upstream}`")]
    Mismatch { at: SafeUrl, published: SafeUrl, upstream: SafeUrl },
    /// `authorization_servers` is absent or empty (MCP: at least one).
    #[error("the resource metadata at `{at}` names no `authorization_servers`")]
    NoAuthorizationServers { at: SafeUrl },
    /// `authorization_servers` is no array of strings.
    #[error("`authorization_servers` in the resource metadata at `{at}` is not a list of URLs")]
    AuthorizationServersMalformed { at: SafeUrl },
}

impl ResourceMetadataError {
    /// Whether there is no metadata at this URL, so that the next candidate is due. A page with status 200 is no
    /// metadata either: many sites answer every path with one.
    #[must_use]
    pub fn is_absent(&self) -> bool {
        matches!(self, ResourceMetadataError::Absent { .. } | ResourceMetadataError::NotJson { .. })
    }

    /// The stable name.
    #[must_use]
    pub fn code(&self) -> Code {
        match self {
            ResourceMetadataError::Mismatch { .. } => Code::ResourceMismatch,
            ResourceMetadataError::Status { .. } => Code::HttpError,
            _ => Code::ResourceMetadataInvalid,
        }
    }

    /// What the person can do.
    #[must_use]
    pub fn hint(&self) -> &'static str {
        match self {
            ResourceMetadataError::Mismatch { .. } => {
                "check the URL of the MCP server; if it is right, its operator has to correct `resource`"
            }
            ResourceMetadataError::Status { .. } => "try again later; if it stays, tell the server's operator",
            _ => "check the URL of the MCP server; if it is right, its operator has to correct the metadata",
        }
    }
}

#[cfg(test)]
mod tests;
