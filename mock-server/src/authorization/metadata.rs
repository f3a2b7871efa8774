//! The documents that anyone may read: protected resource metadata (RFC 9728), authorization server metadata (RFC 8414,
//! OpenID Connect Discovery) and the public key (RFC 7517). They say what the other files do: change both together.

use axum::Json;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use http::StatusCode;
use serde_json::{Value, json};

use crate::authorization::device;
use crate::faults::{self, Fault};
use crate::public_key::ALGORITHMS;
use crate::settings::{AuthMethod, Dpop, Layout, OfferedGrant};
use crate::state::{ServerState, Shared};

/// What the faults put in the place of our own origin.
pub(crate) const ELSEWHERE: &str = "https://elsewhere.example";

/// The URL of the resource's metadata: the well-known part before the path (RFC 9728 §3.1).
pub(crate) fn resource_metadata_url(state: &ServerState) -> String {
    format!("{}/.well-known/oauth-protected-resource/mcp", state.origin)
}

/// `GET /.well-known/oauth-protected-resource/mcp` (RFC 9728 §3.2).
pub(crate) async fn protected_resource(State(state): State<Shared>) -> Response {
    if !state.settings.protected || state.settings.layout != Layout::ProtectedResource {
        return StatusCode::NOT_FOUND.into_response();
    }
    let resource = if state.has(Fault::WrongResource) { format!("{ELSEWHERE}/mcp") } else { state.mcp_url.clone() };
    let another = state.fault_text(Fault::AnotherServerFirst);
    let servers = another.into_iter().chain([state.authorization_server()]).collect::<Vec<_>>();
    let mut document = json!({
        "resource": resource,
        "authorization_servers": servers,
        "scopes_supported": state.settings.resource_scopes(),
        "bearer_methods_supported": ["header"],
        "resource_name": "Mock MCP server",
    });
    if state.settings.dpop != Dpop::Off {
        document["dpop_signing_alg_values_supported"] = json!(["ES256"]);
        document["dpop_bound_access_tokens_required"] = json!(state.settings.dpop == Dpop::Required);
    }
    Json(document).into_response()
}

/// `GET /.well-known/oauth-authorization-server` (RFC 8414 §3.2).
pub(crate) async fn authorization_server(State(state): State<Shared>) -> Response {
    let appended_only = state.has(Fault::AppendedOnly) && !state.settings.issuer_path.is_empty();
    if !state.settings.protected || !state.settings.server_metadata || appended_only {
        return StatusCode::NOT_FOUND.into_response();
    }
    Json(server_document(&state)).into_response()
}

/// `GET {issuer}/.well-known/openid-configuration` (OpenID Connect Discovery §4).
pub(crate) async fn openid_configuration(State(state): State<Shared>) -> Response {
    if !state.settings.protected || !state.settings.openid_configuration {
        return StatusCode::NOT_FOUND.into_response();
    }
    let mut document = server_document(&state);
    document["subject_types_supported"] = json!(["public"]);
    document["id_token_signing_alg_values_supported"] = json!(["ES256"]);
    document["claims_supported"] =
        json!(["iss", "sub", "aud", "exp", "iat", "auth_time", "nonce", "at_hash", "name", "email"]);
    document["claims_parameter_supported"] = json!(false);
    document["request_parameter_supported"] = json!(false);
    document["request_uri_parameter_supported"] = json!(false);
    Json(document).into_response()
}

/// The same with the well-known part before the path of the issuer, as RFC 8414 §5 allows it for compatibility.
pub(crate) async fn inserted_openid_configuration(State(state): State<Shared>) -> Response {
    if state.has(Fault::AppendedOnly) {
        return StatusCode::NOT_FOUND.into_response();
    }
    openid_configuration(State(state)).await
}

/// `GET /jwks.json` (RFC 7517 §5).
pub(crate) async fn jwks(State(state): State<Shared>) -> Json<Value> {
    Json(json!({ "keys": [state.key.public_jwk()] }))
}

fn server_document(state: &ServerState) -> Value {
    let issuer = &state.issuer;
    let methods = state.settings.auth_methods().into_iter().map(AuthMethod::name).collect::<Vec<_>>();
    let said = state.fault_text(Fault::IssuerSpelling).unwrap_or_else(|| issuer.clone());
    let mut document = json!({
        "issuer": if state.has(Fault::WrongIssuer) { ELSEWHERE } else { &said },
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/jwks.json"),
        "scopes_supported": state.settings.server_scopes(),
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported": state.settings.grant_types(),
        "token_endpoint_auth_methods_supported": methods,
        "authorization_response_iss_parameter_supported": true,
    });
    if state.settings.device_code {
        document["device_authorization_endpoint"] = json!(format!("{issuer}{}", device::PATH));
    }
    if state.settings.dpop != Dpop::Off {
        document["dpop_signing_alg_values_supported"] = json!(["ES256"]);
    }
    if state.settings.auth_methods().contains(&AuthMethod::PrivateKeyJwt) {
        document["token_endpoint_auth_signing_alg_values_supported"] = json!(ALGORITHMS);
    }
    let has_code = state.settings.grants.contains(&OfferedGrant::AuthorizationCode);
    if !has_code {
        // RFC 8414 §2: required only where a grant needs it.
        document["response_types_supported"] = json!([]);
        if let Some(members) = document.as_object_mut() {
            members.remove("authorization_endpoint");
        }
    }
    if state.settings.registration && has_code {
        document["registration_endpoint"] = json!(format!("{issuer}/register"));
    }
    if state.settings.client_metadata_documents {
        document["client_id_metadata_document_supported"] = json!(true);
    }
    if state.settings.revocation {
        document["revocation_endpoint"] = json!(format!("{issuer}/revoke"));
        document["revocation_endpoint_auth_methods_supported"] =
            document["token_endpoint_auth_methods_supported"].clone();
    }
    if state.settings.introspection {
        let proofs = state.settings.auth_methods().into_iter().filter(|method| *method != AuthMethod::None);
        let proofs = proofs.map(AuthMethod::name).chain(["Bearer"]).collect::<Vec<_>>();
        document["introspection_endpoint"] = json!(format!("{issuer}/introspect"));
        document["introspection_endpoint_auth_methods_supported"] = json!(proofs);
    }
    if state.has(Fault::EndpointsElsewhere) {
        for (name, path) in [("token_endpoint", "token"), ("registration_endpoint", "register")] {
            document[name] = json!(format!("{ELSEWHERE}/{path}"));
        }
    }
    faults::body::pad(state, &mut document);
    if has_code && !state.has(Fault::NoPkce) {
        document["code_challenge_methods_supported"] = json!(["S256"]);
    }
    document
}
