//! What happened so far, in numbers: cheap enough for a run of many thousand requests, and never forgotten.

/// How often what happened since the start; see [`crate::MockServer::counts`].
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Requests at the authorization endpoint, whatever came of them: each is a tab in a person's browser.
    pub authorizations: usize,
    /// Clients that registered themselves.
    pub registrations: usize,
    /// Codes that were exchanged for tokens.
    pub code_exchanges: usize,
    /// Refreshes carried out, answered or not, those repeated within the grace too.
    pub refreshes: usize,
    /// Refreshes that the token endpoint refused, for whatever reason of its own (not by a fault in front of it).
    pub refreshes_refused: usize,
    /// Families of tokens that ended because an old refresh token came again (RFC 9700 §4.14.2).
    pub families_revoked: usize,
    /// Requests that the MCP endpoint answered 2xx.
    pub mcp_ok: usize,
    /// Requests that the MCP endpoint answered 401.
    pub mcp_unauthorized: usize,
    /// Requests that the revocation endpoint answered 200, also those for an unknown token.
    pub revocations: usize,
}

impl Counts {
    /// Counts an answer of the MCP endpoint by its status.
    pub(crate) fn mcp_answered(&mut self, status: http::StatusCode) {
        self.mcp_ok += usize::from(status.is_success());
        self.mcp_unauthorized += usize::from(status == http::StatusCode::UNAUTHORIZED);
    }

    /// Counts what the token endpoint made of a request of this grant type.
    pub(crate) fn token_answered(&mut self, grant_type: Option<&str>, carried_out: bool) {
        match (grant_type, carried_out) {
            (Some("authorization_code"), true) => self.code_exchanges += 1,
            (Some("refresh_token"), true) => self.refreshes += 1,
            (Some("refresh_token"), false) => self.refreshes_refused += 1,
            _ => {}
        }
    }
}
