//! The documents that anyone may read, in the description: RFC 9728, RFC 8414, OpenID Connect Discovery, RFC 7517.

use utoipa::openapi::HttpMethod;

use super::words::{Described, empty, endpoint, json};
use crate::authorization::routes::{OAUTH_METADATA, OPENID_CONFIGURATION};

const TAG: &str = "Discovery";

/// That of the MCP server.
pub(super) fn of_resource() -> Described {
    document(
        "/.well-known/oauth-protected-resource/mcp".to_owned(),
        "Metadata of the resource",
        "Whose tokens the MCP endpoint takes, and which scopes mean something there (RFC 9728 §3).",
        "ProtectedResourceMetadata",
        Some("The server is not protected, or has the layout of 2025-03-26."),
    )
}

/// Those of an issuer with this path, which decides where its metadata stands (RFC 8414 §3.1).
pub(super) fn of_authorization(issuer_path: &str) -> Vec<Described> {
    let unprotected = "The server is not protected, or serves no such metadata.";
    let server = |path: String, summary: &str, about: &str| {
        document(path, summary, about, "AuthorizationServerMetadata", Some(unprotected))
    };
    let mut described = vec![
        server(
            format!("{OAUTH_METADATA}{issuer_path}"),
            "Metadata of the authorization server",
            "Its endpoints and what they support (RFC 8414 §3).",
        ),
        server(
            format!("{issuer_path}{OPENID_CONFIGURATION}"),
            "The same, as OpenID Connect has it",
            "With the members that OpenID Connect Discovery §3 adds.",
        ),
    ];
    if !issuer_path.is_empty() {
        described.push(server(
            format!("{OPENID_CONFIGURATION}{issuer_path}"),
            "The same, before the path",
            "Where RFC 8414 §5 allows it to stand.",
        ));
    }
    described.push(document(
        format!("{issuer_path}/jwks.json"),
        "Public keys",
        "What a token's signature is checked with (RFC 7517 §5). New at each start.",
        "JwkSet",
        None,
    ));
    described
}

fn document(path: String, summary: &str, about: &str, schema: &str, none: Option<&str>) -> Described {
    let document = endpoint(HttpMethod::Get, path, TAG, summary, about);
    let document = document.answers(200, json("The document.", schema));
    let document = match none {
        Some(none) => document.answers(404, empty(none)),
        None => document,
    };
    document.done()
}
