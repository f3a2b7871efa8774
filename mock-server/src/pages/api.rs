//! `/openapi.json`: every endpoint with its parameters, schemas, security and answers. Endpoints that the settings switch
//! off are described all the same, and say so by 404. A test holds the paths against those of the router.

mod authorization;
mod documents;
mod mcp;
mod own;
mod schemas;
mod words;

use axum::Json;
use axum::extract::State;
use url::Url;
use utoipa::openapi::path::{PathItem, Paths};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, Server};

use crate::state::{ServerState, Shared};

/// The groups of endpoints, in the order in which they are read.
const TAGS: [(&str, &str); 5] = [
    ("MCP", "The protected resource."),
    ("Discovery", "What a client reads before it does anything."),
    ("Registration", "How a client becomes known."),
    ("Authorization", "How a client gets tokens and gives them back."),
    ("Server", "This server itself: health, faults, pages."),
];

/// `GET /openapi.json`.
pub(super) async fn openapi(State(state): State<Shared>) -> Json<OpenApi> {
    Json(document(&state))
}

/// The whole description.
pub(super) fn document(state: &ServerState) -> OpenApi {
    let issuer_path = &state.settings.issuer_path;
    let elsewhere = authorization_origin(state);
    let of_authorization =
        documents::of_authorization(issuer_path).into_iter().chain(authorization::endpoints(issuer_path));
    let described = mcp::endpoints()
        .into_iter()
        .chain([documents::of_resource()])
        .chain(of_authorization.map(|described| described.at(elsewhere.as_deref())))
        .chain(own::endpoints());
    let mut paths = Paths::new();
    for endpoint in described {
        let item = PathItem::new(endpoint.method, endpoint.operation);
        match paths.paths.get_mut(&endpoint.path) {
            Some(known) => known.merge_operations(item),
            None => {
                paths.paths.insert(endpoint.path, item);
            }
        }
    }
    let info = InfoBuilder::new()
        .title("Mock MCP server")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "A protected MCP server with its own OAuth authorization server, for those who write clients.",
        ))
        .license(Some(License::new("MIT OR Apache-2.0")))
        .build();
    let components = schemas::all()
        .into_iter()
        .fold(ComponentsBuilder::new(), |components, (name, schema)| components.schema(name, schema));
    let components =
        security().into_iter().fold(components, |components, (name, scheme)| components.security_scheme(name, scheme));
    let tags = TAGS.map(|(name, text)| TagBuilder::new().name(name).description(Some(text)).build());
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([Server::new(&*state.origin)]))
        .paths(paths)
        .components(Some(components.build()))
        .tags(Some(tags))
        .build()
}

/// The authorization server's origin, if it has one of its own.
fn authorization_origin(state: &ServerState) -> Option<String> {
    let origin = Url::parse(&state.issuer).ok()?.origin().ascii_serialization();
    (origin != state.origin).then_some(origin)
}

/// The ways in which a request proves itself.
fn security() -> [(&'static str, SecurityScheme); 3] {
    let http = |scheme, text: &'static str| SecurityScheme::Http(described(Http::new(scheme), text));
    [
        (
            "access_token",
            http(HttpAuthScheme::Bearer, "An access token of this server, for this resource (RFC 6750 §2.1)."),
        ),
        ("client_secret", http(HttpAuthScheme::Basic, "Client id and secret, form-encoded (RFC 6749 §2.3.1).")),
        ("registration_token", http(HttpAuthScheme::Bearer, "The registration access token (RFC 7592 §1.2).")),
    ]
}

fn described(mut http: Http, text: &str) -> Http {
    http.description = Some(text.to_owned());
    http
}

#[cfg(test)]
mod tests;
