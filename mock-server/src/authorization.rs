//! The authorization server: OAuth 2.1 as MCP demands it, approved by settings or by a person.
//! It knows tokens and clients, never an MCP message. A request walks metadata → registration → authorize → token.

pub(crate) mod access_token;
pub(crate) mod assertion;
pub(crate) mod authorize;
pub(crate) mod client_authentication;
pub(crate) mod client_management;
pub(crate) mod client_metadata;
pub(crate) mod client_metadata_document;
pub(crate) mod consent;
pub(crate) mod device;
pub(crate) mod dpop;
pub(crate) mod id_token;
pub(crate) mod introspection;
pub(crate) mod jwt;
pub(crate) mod machine;
pub(crate) mod metadata;
pub(crate) mod parameters;
pub(crate) mod pkce;
pub(crate) mod records;
pub(crate) mod redirect_uri;
pub(crate) mod refusal;
pub(crate) mod registration;
pub(crate) mod revocation;
pub(crate) mod routes;
pub(crate) mod scope;
pub(crate) mod software_statement;
pub(crate) mod token;
