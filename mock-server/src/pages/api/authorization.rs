//! The authorization server in the description: registration, authorization, tokens and their end.

use utoipa::openapi::{HttpMethod, Required};

use super::words::{Described, Endpoint, empty, endpoint, headed, html, in_path, json, named, query, text};

use crate::authorization::device::{PAGE, PATH};

const FORM: &str = "application/x-www-form-urlencoded";

/// All below the path of the issuer.
pub(super) fn endpoints(issuer_path: &str) -> Vec<Described> {
    let [shown, decided] = consent();
    let [read, update, delete] = management();
    let all = [register(), read, update, delete, authorize(), shown, decided, token(), revoke(), introspect()];
    all.into_iter().chain(device()).map(|described| described.below(issuer_path)).collect()
}

fn register() -> Described {
    let about = "Anybody may (RFC 7591 §3). Members that are not understood are left out of the answer.";
    endpoint(HttpMethod::Post, "/register", "Registration", "Register a client", about)
        .body("application/json", named("ClientMetadata"))
        .answers(201, json("The client.", "ClientInformation"))
        .answers(400, json("invalid_redirect_uri or invalid_client_metadata, and why.", "OAuthError"))
        .answers(401, headed(json("An initial access token is wanted.", "OAuthError"), "WWW-Authenticate", "Bearer."))
        .answers(404, empty("Registration is not offered."))
        .answers(413, text("The body is larger than the limit."))
        .done()
}

/// A registration in the hands of its client.
fn management() -> [Described; 3] {
    let at = |method, summary, about| {
        endpoint(method, "/register/{id}", "Registration", summary, about)
            .takes([in_path("id", "The client id.")])
            .secured_by(&["registration_token"])
            .answers(
                401,
                headed(json("The token is not that of this client.", "OAuthError"), "WWW-Authenticate", "Bearer."),
            )
            .answers(404, empty("It is not offered."))
    };
    let update = "All of it anew: what is left out is as if never said (RFC 7592 §2.2).";
    let malformed = json("invalid_client_metadata or invalid_redirect_uri, and why.", "OAuthError");
    [
        at(HttpMethod::Get, "Read the registration", "As it is now (RFC 7592 §2.1).")
            .answers(200, json("The client.", "ClientInformation"))
            .done(),
        at(HttpMethod::Put, "Change the registration", update)
            .body("application/json", named("ClientUpdate"))
            .answers(200, json("The client.", "ClientInformation"))
            .answers(400, malformed)
            .answers(413, text("The body is larger than the limit."))
            .done(),
        at(HttpMethod::Delete, "End the registration", "Its codes and tokens end with it (RFC 7592 §2.3).")
            .answers(204, empty("It has ended."))
            .done(),
    ]
}

fn introspect() -> Described {
    let about = "What a token says and whether it counts (RFC 7662). A client registered by hand may ask of any token, others of \
                 their own; of all else they hear that it is not active.";
    let challenge = "Basic, or Bearer for a token that is no good.";
    endpoint(HttpMethod::Post, "/introspect", "Authorization", "Ask about a token", about)
        .secured_by(&["client_secret", "access_token", ""])
        .body(FORM, named("RevocationRequest"))
        .answers(200, json("What is known.", "Introspection"))
        .answers(400, json("The request is malformed, or the client is public.", "OAuthError"))
        .answers(401, headed(json("Who asks is not who they say.", "OAuthError"), "WWW-Authenticate", challenge))
        .answers(404, empty("Introspection is not offered."))
        .answers(413, text("The body is larger than the limit."))
        .done()
}

fn authorize() -> Described {
    let about = "Where a browser goes (RFC 6749 §4.1.1). Client and redirect URI are judged first: until both are known to be \
                 right, a refusal is a page, and nobody is sent anywhere.";
    let back = "The client's redirect URI with code, state and iss (RFC 9207), or with error and error_description.";
    endpoint(HttpMethod::Get, "/authorize", "Authorization", "Ask the person", about)
        .takes([
            query("response_type", Required::True, "code."),
            query("client_id", Required::True, "Of registration, of the settings, or the URL of a metadata document."),
            query("redirect_uri", Required::True, "One that is registered; the port of a loopback address is free."),
            query("code_challenge", Required::True, "RFC 7636 §4.2."),
            query("code_challenge_method", Required::True, "S256."),
            query("resource", Required::False, "The MCP endpoint (RFC 8707 §2); demanded but for layout 2025-03-26."),
            query("scope", Required::False, "With spaces between; without one: mcp:tools."),
            query("state", Required::False, "Comes back as it was."),
        ])
        .answers(302, headed(empty("Back to the client."), "Location", back))
        .answers(400, html("The client or its redirect URI is not right."))
        .done()
}

fn consent() -> [Described; 2] {
    let shown = "Where the authorization endpoint sends the person, with --consent. It works without script.";
    let decided = "Yes or no. The id of the request is good for one decision, from a page of this origin.";
    let path = crate::authorization::consent::PATH;
    let unknown = || html("Nothing waits under this id; or the form was not filled in as it was shown.");
    let back = "The client's redirect URI with code, or with error=access_denied.";
    [
        endpoint(HttpMethod::Get, path, "Authorization", "The consent page", shown)
            .takes([query("request", Required::True, "The id of the request that waits.")])
            .answers(200, html("Who asks for what."))
            .answers(400, unknown())
            .done(),
        endpoint(HttpMethod::Post, path, "Authorization", "Decide", decided)
            .body(FORM, named("Decision"))
            .answers(303, headed(empty("Back to the client."), "Location", back))
            .answers(400, unknown())
            .answers(403, html("The decision comes from a page of another origin."))
            .answers(413, text("The body is larger than the limit."))
            .done(),
    ]
}

/// A device that has no browser (RFC 8628).
fn device() -> [Described; 3] {
    let about = "A code for the device to poll with, and one for a person to enter on the page (RFC 8628 §3.1).";
    let shown = "Where a person enters the code of a device. Without --consent a right code decides at once.";
    let unknown = || html("No device waits under this code; or the form was not filled in as it was shown.");
    let off = || empty("Devices may not sign in.");
    [
        authenticated(endpoint(HttpMethod::Post, PATH, "Authorization", "Get the codes of a device", about))
            .body(FORM, named("DeviceAuthorizationRequest"))
            .answers(200, json("The codes.", "DeviceAuthorization"))
            .answers(400, json("unauthorized_client, invalid_scope, …, and why.", "OAuthError"))
            .answers(404, off())
            .done(),
        endpoint(HttpMethod::Get, PAGE, "Authorization", "The page of a device", shown)
            .takes([query("user_code", Required::False, "The code; without one the page asks for it.")])
            .answers(200, html("What wants to sign in, or what became of it."))
            .answers(400, unknown())
            .answers(404, off())
            .done(),
        endpoint(
            HttpMethod::Post,
            PAGE,
            "Authorization",
            "Decide about a device",
            "Yes or no, from a page of this origin.",
        )
        .body(FORM, named("DeviceDecision"))
        .answers(200, html("What became of it."))
        .answers(400, unknown())
        .answers(403, html("The decision comes from a page of another origin."))
        .answers(404, off())
        .answers(413, text("The body is larger than the limit."))
        .done(),
    ]
}

fn token() -> Described {
    let about = "Codes and refresh tokens in, tokens out (RFC 6749 §3.2). Refresh tokens rotate: one that comes twice ends its \
                 whole grant (RFC 9700 §4.14.2).";
    authenticated(endpoint(HttpMethod::Post, "/token", "Authorization", "Get tokens", about))
        .body(FORM, named("TokenRequest"))
        .answers(200, json("The tokens.", "TokenResponse"))
        .answers(400, json("invalid_grant, invalid_target, invalid_scope, …, and why.", "OAuthError"))
        .answers(503, text("The answer took longer than the limit."))
        .done()
}

fn revoke() -> Described {
    let about = "Ends a token before its time (RFC 7009). One that nobody knows counts as ended.";
    authenticated(endpoint(HttpMethod::Post, "/revoke", "Authorization", "Give a token back", about))
        .body(FORM, named("RevocationRequest"))
        .answers(200, empty("It has ended."))
        .answers(400, json("The token was issued to another client, or the request is malformed.", "OAuthError"))
        .answers(404, empty("Revocation is not offered."))
        .done()
}

/// A client with a secret proves itself by header or form, a public one names itself in the form.
fn authenticated(endpoint: Endpoint) -> Endpoint {
    let refused = json("The client that used the Authorization header is not who it says.", "OAuthError");
    endpoint
        .secured_by(&["client_secret", ""])
        .answers(401, headed(refused, "WWW-Authenticate", "Basic."))
        .answers(413, text("The body is larger than the limit."))
}
