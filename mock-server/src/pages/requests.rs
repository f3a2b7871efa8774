//! The last hundred requests with their outcome. Of a request it shows method and path, never a query's values nor a
//! header: secrets travel there.

use http::Method;
use serde_json::Value;

use crate::log::{Endpoint, Seen};
use crate::pages::markup::{Markup, markup};
use crate::pages::moments;
use crate::pages::start::table;
use crate::state::ServerState;

/// How many are shown.
const SHOWN: usize = 100;

/// The section of the start page, the newest request first.
pub(super) fn section(state: &ServerState) -> Markup {
    let rows = state.log.kept().iter().rev().take(SHOWN).map(row).collect::<Vec<_>>();
    table("Last requests", "No request has come yet.", &["Time (UTC)", "Status", "Request", "Outcome"], rows)
}

fn row(seen: &Seen) -> Markup {
    markup!(
        "<tr><td class=\"number\">{}</td><td>{}</td><td class=\"long\"><code>{} {}</code>{}</td><td class=\"long\">{}</td></tr>\n",
        moments::time_of_day(seen.at),
        status(seen.status),
        seen.method.as_str(),
        target(&seen.path_and_query),
        detail(seen),
        outcome(seen)
    )
}

/// The path, and the names of the query's parameters without their values.
fn target(path_and_query: &str) -> String {
    let Some((path, query)) = path_and_query.split_once('?') else { return path_and_query.to_owned() };
    // What has no `=` could be anything, a secret too.
    let names = query.split('&').map(|pair| pair.split_once('=').map_or("…", |(name, _)| name));
    format!("{path}?{}", names.collect::<Vec<_>>().join("&"))
}

/// What was asked of the endpoint: an MCP method and its tool, or a grant type.
fn detail(seen: &Seen) -> Markup {
    let text = match seen.endpoint {
        Endpoint::Mcp if seen.method == Method::POST => asked(&seen.json()),
        Endpoint::Token => seen.param("grant_type").map(str::to_owned),
        _ => None,
    };
    text.map_or_else(Markup::default, |text| markup!("<br><small class=\"faint\">{}</small>", text))
}

fn asked(json: &Value) -> Option<String> {
    let method = json["method"].as_str();
    let tool = json["params"]["name"].as_str();
    match (method, tool) {
        (Some(method), Some(tool)) => Some(format!("{method} {tool}")),
        (Some(method), None) => Some(method.to_owned()),
        (None, _) if json.is_array() => Some("a batch".to_owned()),
        (None, _) if json.is_object() => Some("a response".to_owned()),
        (None, _) => None,
    }
}

fn status(status: u16) -> Markup {
    match status {
        0 => markup!("<span class=\"tag warn\">none</span>"),
        200..400 => markup!("<span class=\"tag good\">{}</span>", status),
        _ => markup!("<span class=\"tag bad\">{}</span>", status),
    }
}

fn outcome(seen: &Seen) -> Markup {
    match (&seen.refusal, seen.status) {
        (Some(reason), _) => markup!("{}", reason),
        (None, 0) => markup!("<span class=\"faint\">no answer yet, or never</span>"),
        (None, 200..400) => markup!("<span class=\"faint\">done</span>"),
        (None, _) => markup!("<span class=\"faint\">refused without a word</span>"),
    }
}

#[cfg(test)]
mod tests {
    use super::target;

    #[test]
    fn no_value_of_a_query_is_shown() {
        for (sent, shown) in [
            ("/mcp", "/mcp"),
            ("/authorize?state=s3cret&code_challenge=c", "/authorize?state&code_challenge"),
            ("/mcp?s3cret", "/mcp?…"),
            ("/mcp?a=1&s3cret", "/mcp?a&…"),
        ] {
            assert_eq!(target(sent), shown);
        }
    }
}
