//! The pages for people: what runs here, the consent page, the flow to try, the endpoints and their description.
//! They read the state and change nothing of it, but for the consent page, which hands on what a person decides.
//! Start with `markup.rs` (how text becomes HTML) and `layout.rs` (what all have in common).

mod api;
pub(crate) mod consent;
pub(crate) mod device;
mod docs;
pub(crate) mod layout;
pub(crate) mod markup;
mod moments;
mod requests;
mod start;
mod try_it;

use axum::Router;
use axum::response::Response;
use axum::routing::get;

use crate::state::Shared;

/// The paths of the pages and of what they load.
pub(crate) fn routes() -> Router<Shared> {
    assets()
        .route("/", get(start::start))
        .route("/health", get(start::health))
        .route("/openapi.json", get(api::openapi))
        .route("/docs", get(docs::docs))
        .route("/try", get(try_it::page))
        .route("/try/callback", get(try_it::page))
        .route("/try/app.js", get(try_it::script))
}

/// What every page loads, the consent page on a port of its own too.
pub(crate) fn assets() -> Router<Shared> {
    Router::new().route("/style.css", get(style)).route("/icon.svg", get(icon))
}

async fn style() -> Response {
    layout::asset("text/css; charset=utf-8", include_str!("pages/style.css"))
}

async fn icon() -> Response {
    layout::asset("image/svg+xml", include_str!("pages/icon.svg"))
}
