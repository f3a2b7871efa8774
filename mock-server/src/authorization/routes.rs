//! Every path of the authorization server. All but the well-known ones lie below the issuer, which may have a path; where
//! the metadata of such an issuer stands is RFC 8414 §3.1 and OpenID Connect Discovery §4.

use axum::Router;
use axum::routing::{get, post};

use crate::authorization::{
    authorize, client_management, consent, device, introspection, metadata, registration, revocation, token,
};
use crate::pages;
use crate::state::Shared;

/// Where RFC 8414 metadata stands, before the path of the issuer.
pub(crate) const OAUTH_METADATA: &str = "/.well-known/oauth-authorization-server";
/// Where an OpenID configuration stands: before the path of the issuer, or behind it.
pub(crate) const OPENID_CONFIGURATION: &str = "/.well-known/openid-configuration";

/// The authorization server of an issuer with this path (empty, or with a slash in front and none at its end).
pub(crate) fn routes(issuer_path: &str) -> Router<Shared> {
    let below = Router::new()
        .route("/jwks.json", get(metadata::jwks))
        .route("/register", post(registration::register))
        .route(
            "/register/{id}",
            get(client_management::read).put(client_management::update).delete(client_management::delete),
        )
        .route("/authorize", get(authorize::authorize))
        .route(consent::PATH, get(pages::consent::shown).post(pages::consent::decided))
        .route(device::PATH, post(device::authorization))
        .route(device::PAGE, get(pages::device::shown).post(pages::device::decided))
        .route("/token", post(token::token))
        .route("/revoke", post(revocation::revoke))
        .route("/introspect", post(introspection::introspect))
        .route(OPENID_CONFIGURATION, get(metadata::openid_configuration));
    let metadata = get(metadata::authorization_server);
    if issuer_path.is_empty() {
        return below.route(OAUTH_METADATA, metadata);
    }
    Router::new()
        .nest(issuer_path, below)
        .route(&format!("{OAUTH_METADATA}{issuer_path}"), metadata)
        .route(&format!("{OPENID_CONFIGURATION}{issuer_path}"), get(metadata::inserted_openid_configuration))
}
