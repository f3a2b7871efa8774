//! That the description has every route of the sources and no other.

use std::collections::BTreeSet;

use super::document;
use crate::authorization::jwt::SigningKey;
use crate::authorization::{consent, device, routes};
use crate::faults::admin;
use crate::mcp::tools::asking;
use crate::mcp::{http_sse, outages};
use crate::settings::Settings;
use crate::state::ServerState;

const SOURCES: [&str; 3] =
    [include_str!("../../router.rs"), include_str!("../../authorization/routes.rs"), include_str!("../../pages.rs")];

/// The first arguments of all calls of `route`, as they stand in the sources.
fn arguments() -> BTreeSet<&'static str> {
    let calls = SOURCES.iter().flat_map(|source| {
        // What tests route is no endpoint.
        source.split("#[cfg(test)]").next().unwrap_or_default().split(".route(").skip(1)
    });
    calls.map(|call| call.split(',').next().unwrap_or_default().trim()).collect()
}

/// What an argument means for an issuer with this path; none if it is only for those with another kind.
fn path(argument: &str, issuer: &str) -> Option<String> {
    let of_resource =
        ["/mcp", "/.well-known/oauth-protected-resource/mcp", admin::PATH, outages::MOVED, http_sse::PATH];
    let pages =
        ["/", "/health", "/openapi.json", "/docs", "/try", "/try/callback", "/try/app.js", "/style.css", "/icon.svg"];
    let plain = match argument {
        "admin::PATH" => admin::PATH,
        "outages::MOVED" => outages::MOVED,
        "http_sse::PATH" => http_sse::PATH,
        r#"&format!("{}/{{id}}""# => return Some(format!("{}/{{id}}", asking::PAGES)),
        "consent::PATH" => consent::PATH,
        "device::PATH" => device::PATH,
        "device::PAGE" => device::PAGE,
        "OPENID_CONFIGURATION" => routes::OPENID_CONFIGURATION,
        "OAUTH_METADATA" => return issuer.is_empty().then(|| routes::OAUTH_METADATA.to_owned()),
        r#"&format!("{OAUTH_METADATA}{issuer_path}")"# => {
            return (!issuer.is_empty()).then(|| format!("{}{issuer}", routes::OAUTH_METADATA));
        }
        r#"&format!("{OPENID_CONFIGURATION}{issuer_path}")"# => {
            return (!issuer.is_empty()).then(|| format!("{}{issuer}", routes::OPENID_CONFIGURATION));
        }
        literal => literal.trim_matches('"'),
    };
    let below = !of_resource.contains(&plain) && !pages.contains(&plain);
    Some(if below { format!("{issuer}{plain}") } else { plain.to_owned() })
}

#[test]
fn every_route_is_described_and_nothing_else() {
    for issuer_path in ["", "/tenant"] {
        let settings = Settings { issuer_path: issuer_path.to_owned(), ..Settings::default() };
        let origin = "http://127.0.0.1:1".to_owned();
        let issuer = format!("{origin}{issuer_path}");
        let state = ServerState::new(settings, origin, issuer, SigningKey::generate().unwrap());
        let described = document(&state).paths.paths.keys().cloned().collect::<BTreeSet<_>>();
        let routed = arguments().into_iter().filter_map(|argument| path(argument, issuer_path));
        assert_eq!(described, routed.collect::<BTreeSet<_>>(), "{issuer_path}");
    }
}
