//! Cookies of a load balancer in front of many servers: one that ties a session to its server, and others with every
//! attribute, to see who sends what back. They prove nothing; nobody is let in for a cookie.

use axum::response::Response;
use http::header::{COOKIE, SET_COOKIE};
use http::{HeaderMap, HeaderValue};

use crate::faults::Fault;
use crate::random;
use crate::state::ServerState;

/// The cookie that names the server behind the balancer.
const NODE: &str = "mock-node";

/// The server that the balancer leads this request to: the one named by its cookie, else a new one.
pub(crate) struct Node {
    name: String,
    is_new: bool,
}

impl Node {
    /// Where no cookie is asked for, all are one server.
    pub(crate) fn of(state: &ServerState, headers: &HeaderMap) -> Self {
        if !state.settings.mcp.sticky_cookie {
            return Node { name: String::new(), is_new: false };
        }
        match named(headers, NODE) {
            Some(name) => Node { name, is_new: false },
            None => Node { name: random::token().unwrap_or_default(), is_new: true },
        }
    }

    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The answer with its cookies: the balancer's for who had none, those of the settings always.
    pub(crate) fn answer(&self, state: &ServerState, mut response: Response) -> Response {
        let mut cookies = state.settings.mcp.cookies.clone();
        if self.is_new {
            cookies.push(format!("{NODE}={}; Path=/; HttpOnly; Max-Age=3600", self.name));
        }
        if state.has(Fault::CookieForAnotherDomain) {
            cookies.push("mock-elsewhere=1; Domain=elsewhere.example; Path=/".to_owned());
        }
        for cookie in cookies {
            if let Ok(value) = HeaderValue::from_str(&cookie) {
                response.headers_mut().append(SET_COOKIE, value);
            }
        }
        response
    }
}

/// The value of a cookie that was sent (RFC 6265 §4.2).
fn named(headers: &HeaderMap, name: &str) -> Option<String> {
    let lines = headers.get_all(COOKIE).iter().filter_map(|line| line.to_str().ok());
    let mut pairs = lines.flat_map(|line| line.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(known, _)| *known == name).map(|(_, value)| value.to_owned())
}
