//! What changes while a session runs, and who is told: lists that grow and shrink by one surprise, and resources that
//! are subscribed to. It goes out on the standalone stream of a session, or on the subscriptions of the modern era.

use serde::Deserialize;
use serde_json::json;

use crate::mcp::message::notification;
use crate::mcp::session::{Session, toggle};
use crate::state::ServerState;

/// A list that the server can change (see [`MockServer::change_list`](crate::MockServer::change_list)).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Listed {
    /// `tools/list`.
    Tools,
    /// `resources/list`.
    Resources,
    /// `prompts/list`.
    Prompts,
}

impl Listed {
    /// The notification that tells of a change.
    pub(super) fn method(self) -> &'static str {
        match self {
            Listed::Tools => "notifications/tools/list_changed",
            Listed::Resources => "notifications/resources/list_changed",
            Listed::Prompts => "notifications/prompts/list_changed",
        }
    }
}

/// Adds the surprise to everybody's list of the modern era, or takes it away; how many subscriptions were told.
pub(crate) async fn change_modern_list(state: &ServerState, list: Listed) -> usize {
    toggle(&state.modern.surprises, list);
    state.modern.subscriptions.tell_list(state, list).await
}

/// Adds the surprise to a session's list, or takes it away; whether the client could be told.
pub(crate) async fn change_list(state: &ServerState, session: &Session, list: Listed) -> bool {
    session.toggle_surprise(list);
    announce(state, session, list).await
}

/// Tells of a change that did not happen, so that the client looks again.
pub(crate) async fn announce(state: &ServerState, session: &Session, list: Listed) -> bool {
    tell(state, session, &notification(list.method(), None)).await
}

/// Tells a subscriber that a resource changed; whether it is one, and could be told.
pub(crate) async fn update_resource(state: &ServerState, session: &Session, uri: &str) -> bool {
    if !session.subscriptions().iter().any(|known| known == uri) {
        return false;
    }
    let params = json!({ "uri": uri }).to_string();
    tell(state, session, &notification("notifications/resources/updated", Some(&params))).await
}

/// Sends a log message if the level allows it; whether somebody could get it.
pub(crate) async fn log(state: &ServerState, session: &Session, level: &str, data: &str) -> bool {
    session.wants_level(level) && tell(state, session, &log_message(level, data)).await
}

/// `notifications/message`.
pub(crate) fn log_message(level: &str, data: &str) -> String {
    let params = json!({ "level": level, "logger": "mock", "data": data });
    notification("notifications/message", Some(&params.to_string()))
}

async fn tell(state: &ServerState, session: &Session, message: &str) -> bool {
    match session.standalone() {
        Some(standalone) => standalone.send(state, message).await,
        None => false,
    }
}
