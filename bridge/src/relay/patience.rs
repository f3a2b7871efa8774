//! How long a host waits at its start, and so how long the bridge may: a table of what was measured, a quarter kept back.
//! Pure; who answers when the time is over stands in `reception`.

use std::time::Duration;

use crate::settings::Patience;

/// The limits for one host. `None` waits for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// For `initialize` and `server/discover`.
    pub initialize: Option<Duration>,
    /// For each list.
    pub lists: Option<Duration>,
}

/// After how many seconds a host gives up on a request of its start, by the beginning of `clientInfo.name`; 0 is never.
/// Measured in November 2026 against a server that stays mute. A host that calls itself by the name of its SDK
/// (`mcp` for Python's) is not here: what is built on an SDK sets limits of its own.
const HOSTS: [(&str, u64); 12] = [
    ("claude-ai", 60),            // Claude Desktop
    ("claude-code", 30),          // 2.1
    ("codex-mcp-client", 10),     // 30 in 0.169, 10 in its documentation
    ("cursor-vscode", 60),        // the limit of the TypeScript SDK
    ("fastmcp", 0),               // 4.2
    ("gemini-cli-mcp-client", 5), // 0.61; the server's name follows
    ("inspector-client", 30),     // 2.12
    ("mcp-inspector", 30),        // 2.12
    ("mcporter", 30),             // 0.12
    ("openai-agents", 5),         // 0.24
    ("opencode", 30),             // 1.18
    ("qwen-", 10),                // qwen-code 0.24
];

/// For hosts that are not in the table: the shortest limit that was seen is 5 s for the handshake.
const UNKNOWN: Limits = Limits { initialize: Some(Duration::from_secs(4)), lists: Some(Duration::from_secs(20)) };

impl Limits {
    /// The limits for the host of this name.
    #[must_use]
    pub fn of(patience: Patience, client_name: Option<&str>) -> Self {
        let both = |limit| Limits { initialize: limit, lists: limit };
        match patience {
            Patience::For(limit) => both((!limit.is_zero()).then_some(limit)),
            Patience::Auto => {
                let known = client_name.and_then(|name| HOSTS.iter().find(|(host, _)| name.starts_with(host)));
                match known {
                    None => UNKNOWN,
                    Some((_, 0)) => both(None),
                    Some((_, seconds)) => both(Some(Duration::from_secs(*seconds) * 3 / 4)),
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_known_host_gets_its_answer_a_quarter_before_it_gives_up() {
        let table = [
            (Some("claude-code"), Some(22_500), Some(22_500)),
            (Some("gemini-cli-mcp-client-example"), Some(3_750), Some(3_750)),
            (Some("fastmcp"), None, None),
            (Some("some-new-host"), Some(4_000), Some(20_000)),
            (None, Some(4_000), Some(20_000)),
        ];
        for (name, initialize, lists) in table {
            let limits = Limits::of(Patience::Auto, name);
            let expected = |ms: Option<u64>| ms.map(Duration::from_millis);
            assert_eq!((limits.initialize, limits.lists), (expected(initialize), expected(lists)), "{name:?}");
        }
    }

    #[test]
    fn what_the_person_set_holds_for_every_host_and_0_waits_for_ever() {
        let seven = Limits::of(Patience::For(Duration::from_secs(7)), Some("claude-code"));
        assert_eq!(seven.initialize, Some(Duration::from_secs(7)));
        assert_eq!(Limits::of(Patience::For(Duration::ZERO), None), Limits { initialize: None, lists: None });
    }
}
