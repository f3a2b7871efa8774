//! The schemas that endpoints name: the documents of the RFCs, requests as forms, JSON-RPC messages.
//! Members are those that this server understands or sends; their meaning stands in the RFC that is named.

use utoipa::openapi::{RefOr, Schema};

use super::words::{anything, boolean, either, integer, list, named, object, string, strings};

/// Every schema by its name.
pub(super) fn all() -> Vec<(&'static str, RefOr<Schema>)> {
    vec![
        ("JsonRpcMessage", json_rpc_message()),
        ("JsonRpcMessages", json_rpc_messages()),
        ("ProtectedResourceMetadata", protected_resource()),
        ("AuthorizationServerMetadata", authorization_server()),
        ("JwkSet", jwk_set()),
        ("ClientMetadata", object("What a client says of itself (RFC 7591 §2).", client_metadata()).into()),
        ("ClientUpdate", client_update()),
        ("ClientInformation", client_information()),
        ("Decision", decision()),
        ("DeviceAuthorizationRequest", device_authorization_request()),
        ("DeviceAuthorization", device_authorization()),
        ("DeviceDecision", device_decision()),
        ("TokenRequest", token_request()),
        ("TokenResponse", token_response()),
        ("RevocationRequest", revocation_request()),
        ("Introspection", introspection()),
        ("OAuthError", oauth_error()),
        ("Health", health()),
        ("Faults", faults()),
        ("AdminError", object("Why nothing was switched.", [("error!", string("").into())]).into()),
    ]
}

fn json_rpc_message() -> RefOr<Schema> {
    let version = string("").enum_values(Some(["2.0"]));
    object(
        "A JSON-RPC 2.0 request, notification or response, as MCP defines them.",
        [
            ("jsonrpc!", version.into()),
            ("id", anything("A string or an integer; absent in a notification.").into()),
            ("method", string("Of a request or a notification.").into()),
            ("params", anything("An object.").into()),
            ("result", anything("Of a response.").into()),
            ("error", anything("Of a response that says what went wrong: code, message.").into()),
        ],
    )
    .into()
}

fn json_rpc_messages() -> RefOr<Schema> {
    let batch = list(named("JsonRpcMessage"), "A batch, in a session of 2025-03-26 only.");
    either([named("JsonRpcMessage"), batch.into()]).into()
}

fn protected_resource() -> RefOr<Schema> {
    object(
        "Protected resource metadata (RFC 9728 §2).",
        [
            ("resource!", string("The MCP endpoint, which is what tokens are for.").into()),
            ("authorization_servers", strings("The issuers whose tokens are taken.").into()),
            ("scopes_supported", strings("").into()),
            ("bearer_methods_supported", strings("").into()),
            ("resource_name", string("").into()),
        ],
    )
    .into()
}

fn authorization_server() -> RefOr<Schema> {
    object(
        "Authorization server metadata (RFC 8414 §2). What is switched off has no member.",
        [
            ("issuer!", string("To the letter what was asked (§3.3).").into()),
            ("authorization_endpoint!", string("").into()),
            ("token_endpoint!", string("").into()),
            ("registration_endpoint", string("RFC 7591.").into()),
            ("revocation_endpoint", string("RFC 7009.").into()),
            ("introspection_endpoint", string("RFC 7662.").into()),
            ("device_authorization_endpoint", string("RFC 8628 §4.").into()),
            ("jwks_uri", string("").into()),
            ("scopes_supported", strings("").into()),
            ("response_types_supported!", strings("").into()),
            ("response_modes_supported", strings("").into()),
            ("grant_types_supported", strings("").into()),
            ("token_endpoint_auth_methods_supported", strings("").into()),
            ("code_challenge_methods_supported", strings("S256 (RFC 7636).").into()),
            ("authorization_response_iss_parameter_supported", boolean("RFC 9207 §3.").into()),
            ("client_id_metadata_document_supported", boolean("Whether a client may be known by its document.").into()),
        ],
    )
    .into()
}

fn jwk_set() -> RefOr<Schema> {
    object("The public key that signs tokens (RFC 7517 §5).", [("keys!", list(anything("A JWK."), "").into())]).into()
}

fn client_metadata() -> Vec<(&'static str, RefOr<Schema>)> {
    vec![
        ("redirect_uris!", strings("https, or http on a loopback host; no fragment.").into()),
        ("token_endpoint_auth_method", string("none, client_secret_basic or client_secret_post.").into()),
        ("grant_types", strings("authorization_code, and refresh_token beside it.").into()),
        ("response_types", strings("code, nothing else.").into()),
        ("client_name", string("What the consent page shows.").into()),
        ("client_uri", string("").into()),
        ("logo_uri", string("").into()),
        ("scope", string("A list with spaces between (RFC 6749 §3.3).").into()),
        ("contacts", strings("").into()),
        ("tos_uri", string("").into()),
        ("policy_uri", string("").into()),
        ("software_id", string("").into()),
        ("software_version", string("").into()),
        ("application_type", string("native or web.").into()),
    ]
}

fn client_update() -> RefOr<Schema> {
    let mut members = vec![
        ("client_id!", string("As it was registered.").into()),
        ("client_secret", string("As it was given, or left out.").into()),
    ];
    members.extend(client_metadata());
    object("What a client wants its registration to be (RFC 7592 §2.2).", members).into()
}

fn introspection() -> RefOr<Schema> {
    object(
        "What a token says (RFC 7662 §2.2).",
        [
            ("active!", boolean("Whether it counts. If not, there is nothing else.").into()),
            ("scope", string("").into()),
            ("client_id", string("").into()),
            ("username", string("").into()),
            ("token_type", string("").into()),
            ("exp", integer("Seconds since 1970.").into()),
            ("iat", integer("Seconds since 1970.").into()),
            ("sub", string("").into()),
            ("aud", anything("").into()),
            ("iss", string("").into()),
            ("jti", string("").into()),
            ("cnf", anything("The key that it is bound to, if it is (RFC 9449 §6.2).").into()),
        ],
    )
    .into()
}

fn client_information() -> RefOr<Schema> {
    let mut members = vec![
        ("client_id!", string("").into()),
        ("client_id_issued_at", integer("Seconds since 1970.").into()),
        ("client_secret", string("Absent in the information of a public client.").into()),
        ("client_secret_expires_at", integer("Seconds since 1970; 0: never.").into()),
        ("registration_access_token", string("RFC 7592 §3.").into()),
        ("registration_client_uri", string("RFC 7592 §3.").into()),
    ];
    members.extend(client_metadata());
    object("The client as it was registered (RFC 7591 §3.2.1).", members).into()
}

fn decision() -> RefOr<Schema> {
    let decision = string("").enum_values(Some(["allow", "deny"]));
    object(
        "What a person says.",
        [
            ("request!", string("The id of the request that waits.").into()),
            ("decision!", decision.into()),
            ("account", string("Who they are, of an allowance.").into()),
            ("scope", strings("What they allow, of that which was asked for.").into()),
        ],
    )
    .into()
}

fn device_authorization_request() -> RefOr<Schema> {
    object(
        "What a device asks for (RFC 8628 §3.1).",
        [
            ("scope", string("").into()),
            ("resource", string("As at the authorization endpoint.").into()),
            ("client_id", string("Of a client that sends no Authorization header.").into()),
            ("client_secret", string("Of a client that proves itself by POST.").into()),
        ],
    )
    .into()
}

fn device_authorization() -> RefOr<Schema> {
    object(
        "The codes of a device (RFC 8628 §3.2).",
        [
            ("device_code!", string("To poll with.").into()),
            ("user_code!", string("For the person.").into()),
            ("verification_uri!", string("Where the person enters it.").into()),
            ("verification_uri_complete", string("The same, entered already.").into()),
            ("expires_in!", integer("Seconds.").into()),
            ("interval", integer("Seconds between two polls.").into()),
        ],
    )
    .into()
}

fn device_decision() -> RefOr<Schema> {
    let decision = string("").enum_values(Some(["allow", "deny"]));
    object(
        "What a person says of a device.",
        [
            ("user_code!", string("The code that it shows.").into()),
            ("decision!", decision.into()),
            ("account", string("Who they are, of an allowance.").into()),
            ("scope", strings("What they allow, of that which was asked for.").into()),
        ],
    )
    .into()
}

fn token_request() -> RefOr<Schema> {
    object(
        "One of the grants: a code (RFC 6749 §4.1.3), a refresh token (§6).",
        [
            (
                "grant_type!",
                string("authorization_code, refresh_token or that of RFC 8628 §3.4; with --grant others.").into(),
            ),
            ("code", string("Of the authorization response.").into()),
            ("redirect_uri", string("That of the authorization request, to the letter.").into()),
            ("code_verifier", string("RFC 7636 §4.5.").into()),
            ("device_code", string("Of a device (RFC 8628 §3.4).").into()),
            ("refresh_token", string("").into()),
            ("scope", string("Of a refresh: no more than was granted.").into()),
            ("resource", string("That of the authorization (RFC 8707 §2.2).").into()),
            ("client_id", string("Of a client that sends no Authorization header.").into()),
            ("client_secret", string("Of a client that proves itself by POST.").into()),
        ],
    )
    .into()
}

fn token_response() -> RefOr<Schema> {
    object(
        "Tokens (RFC 6749 §5.1).",
        [
            ("access_token!", string("").into()),
            ("token_type!", string("Bearer, or DPoP: bound to the key that the request proved (RFC 9449 §5).").into()),
            ("expires_in", integer("Seconds.").into()),
            ("scope", string("").into()),
            ("refresh_token", string("For clients that registered the grant type.").into()),
        ],
    )
    .into()
}

fn revocation_request() -> RefOr<Schema> {
    object(
        "The token that is to end (RFC 7009 §2.1).",
        [
            ("token!", string("A refresh token ends with its whole grant.").into()),
            ("token_type_hint", string("Not needed: either kind is found.").into()),
            ("client_id", string("").into()),
            ("client_secret", string("").into()),
        ],
    )
    .into()
}

fn oauth_error() -> RefOr<Schema> {
    object(
        "A refusal (RFC 6749 §5.2, RFC 7591 §3.2.2).",
        [("error!", string("The code.").into()), ("error_description", string("Why, in a sentence.").into())],
    )
    .into()
}

fn health() -> RefOr<Schema> {
    object(
        "The server serves.",
        [
            ("status!", string("ok").into()),
            ("version!", string("").into()),
            ("mcp!", string("The MCP endpoint.").into()),
            ("issuer!", string("Whose tokens are taken.").into()),
        ],
    )
    .into()
}

fn faults() -> RefOr<Schema> {
    let fault = object(
        "A fault that can be switched on.",
        [("name!", string("").into()), ("value", anything("What it takes.").into()), ("sentence!", string("").into())],
    );
    object(
        "What is wrong on purpose.",
        [("active!", strings("Each as NAME or NAME=VALUE.").into()), ("known!", list(fault, "All there are.").into())],
    )
    .into()
}
