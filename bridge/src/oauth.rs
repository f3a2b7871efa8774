//! The RFCs of OAuth as an MCP client needs them, pure: one function builds a request (data in, [`http::Request`] or
//! URL out), one judges the answer (status and bytes in, typed value or typed error out). It must never know MCP
//! messages, the disk, a browser, a terminal, a socket or a clock; randomness is in `pkce`, `state` and `dpop` alone.
//! Read `challenge` first: a sign-in walks challenge → `resource_metadata` → `server_metadata` → `registration` →
//! `authorization` → `grant` → `token_response`.

pub mod access_token;
pub mod authorization;
pub mod challenge;
pub mod client_assertion;
pub mod client_authentication;
pub mod client_metadata_document;
pub mod dpop;
pub mod endpoint;
pub mod grant;
pub mod issuer;
mod json;
pub mod pkce;
pub mod registration;
mod request;
pub mod resource;
pub mod resource_metadata;
pub mod revocation;
pub mod scope;
pub mod server_metadata;
pub mod state;
pub mod token_response;

/// What a person and a host are told of an error here.
macro_rules! problem_of {
    ($($error:path),+ $(,)?) => {
        $(impl From<$error> for crate::problem::Problem {
            fn from(error: $error) -> Self {
                crate::problem::Problem::new(error.code(), error.to_string(), error.hint())
            }
        })+
    };
}

problem_of!(
    authorization::AuthorizationResponseError,
    client_metadata_document::ClientMetadataUrlError,
    dpop::DpopError,
    endpoint::EndpointError,
    grant::device_code::DeviceCodeError,
    registration::RegistrationError,
    resource_metadata::ResourceMetadataError,
    scope::ScopeError,
    server_metadata::ServerMetadataError,
    state::RandomError,
    token_response::TokenError,
);
