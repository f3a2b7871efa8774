//! The server's own endpoints in the description: health, the switchboard of faults, the pages.

use utoipa::openapi::HttpMethod;

use super::words::{Described, Endpoint, anything, empty, endpoint, html, json, strings, with};

const TAG: &str = "Server";

/// The switchboard's path.
const FAULTS: &str = crate::faults::admin::PATH;

/// Pages and what they load: path, summary, media type.
const PAGES: [(&str, &str, &str); 7] = [
    ("/", "What runs here, who is registered, which grants live, the last requests", "text/html; charset=utf-8"),
    ("/try", "The whole flow, step by step", "text/html; charset=utf-8"),
    ("/try/callback", "Where the flow comes back to", "text/html; charset=utf-8"),
    ("/try/app.js", "Its script", "text/javascript; charset=utf-8"),
    ("/docs", "This description, to be read", "text/html; charset=utf-8"),
    ("/style.css", "The look of the pages", "text/css; charset=utf-8"),
    ("/icon.svg", "The icon of the pages", "image/svg+xml"),
];

pub(super) fn endpoints() -> Vec<Described> {
    let health = endpoint(HttpMethod::Get, "/health", TAG, "Health", "200 as long as the server serves.");
    let openapi = endpoint(HttpMethod::Get, "/openapi.json", TAG, "This description", "OpenAPI, for machines.");
    let openapi = openapi.answers(200, with("The document.", "application/json", anything("An OpenAPI document.")));
    let mut described = vec![health.answers(200, json("It serves.", "Health")).done()];
    described.extend(switchboard());
    described.push(openapi.done());
    described.extend(PAGES.iter().map(|(path, summary, media_type)| page(path, summary, media_type)));
    described
}

fn page(path: &str, summary: &str, media_type: &str) -> Described {
    let page = endpoint(HttpMethod::Get, path, TAG, summary, "For people.");
    let mut response = html("The page.");
    response.content = with("", media_type, super::words::string("")).content;
    page.answers(200, response).done()
}

fn switchboard() -> [Described; 3] {
    let shown = "Those that are on, and all there are.";
    let put = "Replaces all that are on by those of the body.";
    [
        switched(endpoint(HttpMethod::Get, FAULTS, TAG, "Show faults", shown)).done(),
        switched(endpoint(HttpMethod::Put, FAULTS, TAG, "Switch faults", put))
            .body("application/json", strings("Each NAME or NAME=VALUE."))
            .answers(400, json("The body is no array of faults.", "AdminError"))
            .done(),
        switched(endpoint(HttpMethod::Delete, FAULTS, TAG, "End all faults", "The server is honest again.")).done(),
    ]
}

fn switched(endpoint: Endpoint) -> Endpoint {
    endpoint
        .answers(200, json("What is wrong now.", "Faults"))
        .answers(403, json("The Host is no loopback address, or a web page asks.", "AdminError"))
        .answers(404, json("The switchboard is off: it needs --admin.", "AdminError"))
        .answers(413, empty("The body is larger than the limit."))
}
