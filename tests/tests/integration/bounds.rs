//! Bounds: the longest message (H4), how many requests the server has at once, a host that does not read (H10).

use std::fs;

use mcp_mock_server::ReplyForm;
use serde_json::{Value, json};

use crate::{House, cancelled, code, is_post, open, progress, steps, text};

const LIMIT: usize = 5000;

#[tokio::test]
async fn h4_max_message_bounds_a_line_of_the_host() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options().with(&["--max-message", "5000"])).await;
    let line = |id: &str, length: usize| {
        let empty = json!({"jsonrpc": "2.0", "id": id, "method": "ping", "params": {"pad": ""}}).to_string();
        empty.replace("\"pad\":\"\"", &format!("\"pad\":\"{}\"", "x".repeat(length - empty.len())))
    };
    bridge.send(line("just", LIMIT)).await;
    assert_eq!(bridge.next().await["result"], json!({}));
    bridge.send(line("over", LIMIT + 1)).await;
    let answer = bridge.next().await;
    assert_eq!((&answer["id"], &answer["error"]["code"]), (&json!("over"), &json!(-32600)), "{answer}");
    assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}));
    assert_eq!(house.posts("ping"), 2);
}

#[tokio::test]
async fn h4_max_message_bounds_an_answer_in_either_form_and_the_next_call_works() {
    for reply in [ReplyForm::Json, ReplyForm::Sse] {
        let house = House::new(open().reply(reply)).await;
        let mut bridge = house.settled(house.options().with(&["--max-message", "5000"])).await;
        let near = bridge.call_tool("large", json!({"bytes": LIMIT - 200})).await;
        assert_eq!(text(&near).len(), LIMIT - 200, "{reply:?}");
        for bytes in [LIMIT, 3_000_000] {
            assert_eq!(
                code(&bridge.call_tool("large", json!({"bytes": bytes})).await),
                "message_too_large",
                "{reply:?}"
            );
        }
        assert_eq!(bridge.request("ping", json!({})).await["result"], json!({}), "{reply:?}");
        assert_eq!(house.posts("tools/call"), 3, "none is sent again");
    }
}

#[tokio::test]
async fn h10_over_max_in_flight_requests_queue_and_cancellations_still_pass() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options().with(&["--max-in-flight", "2"])).await;
    let slow = json!({"name": "slow", "arguments": {"milliseconds": 60_000}});
    let mut ids = Vec::new();
    for _ in 0..6 {
        ids.push(bridge.send_request("tools/call", slow.clone()).await);
    }
    house.server.wait_for_slow(2).await;
    // What goes behind everything else shows that nothing more was sent before it.
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/x"})).await;
    house.server.wait_for(|log| log.iter().any(|seen| is_post(seen, "notifications/x"))).await;
    assert_eq!(house.posts("tools/call"), 2);
    // One that waits is cancelled where it stands, one that runs makes room for the next.
    for cancel in [ids.pop().unwrap(), ids.remove(0)] {
        bridge.send(cancelled(&json!(cancel))).await;
    }
    house.server.wait_for(|log| log.iter().filter(|seen| is_post(seen, "tools/call")).count() == 3).await;
    for pair in ids.chunks(2) {
        house.server.wait_for_slow(2).await;
        house.server.release_slow();
        for id in pair {
            assert!(bridge.response(*id).await["result"].is_object());
        }
    }
    assert_eq!(house.posts("tools/call"), 5, "the one that waited was never sent");
    assert_eq!(bridge.end().await.stdout.len(), 5);
}

#[tokio::test]
async fn h10_at_max_in_flight_the_hosts_answers_still_reach_the_server() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options().with(&["--max-in-flight", "1"])).await;
    let ask = bridge.send_request("tools/call", json!({"name": "ask", "arguments": {}})).await;
    let question = bridge.next().await;
    assert_eq!(question["method"], "elicitation/create");
    let waits = bridge.send_request("resources/list", json!({})).await;
    let answer = json!({"action": "accept", "content": {"name": "Anna"}});
    bridge.send(json!({"jsonrpc": "2.0", "id": question["id"], "result": answer})).await;
    assert!(text(&bridge.response(ask).await).contains("Anna"));
    assert!(bridge.response(waits).await["result"]["resources"].is_array());
}

#[tokio::test]
async fn h10_behind_all_that_queues_a_cancellation_is_acted_on_and_each_id_is_answered_once() {
    let house = House::new(open()).await;
    let mut bridge = house.settled(house.options().with(&["--max-in-flight", "1"])).await;
    let slow = json!({"name": "slow", "arguments": {"milliseconds": 60_000}});
    let first = bridge.send_request("tools/call", slow).await;
    house.server.wait_for_slow(1).await;
    // Twelve of the sixteen MiB that may wait.
    let pad = "x".repeat(64 * 1024);
    let mut ids = Vec::new();
    for n in 0..192 {
        let arguments = json!({"n": n, "pad": pad});
        ids.push(bridge.send_request("tools/call", json!({"name": "echo", "arguments": arguments})).await);
    }
    bridge.send(cancelled(&json!(first))).await;
    house.server.wait_for_slow(0).await;
    for (n, id) in ids.iter().enumerate() {
        assert_eq!(bridge.response(*id).await["result"]["structuredContent"]["n"], n);
    }
    assert_eq!(bridge.end().await.stdout.len(), 1 + 192);
}

/// The most memory that a process has held so far, in MiB.
#[cfg(target_os = "linux")]
fn peak(process: u32) -> u64 {
    let status = fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<u64>().unwrap() / 1024
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn h10_a_host_that_does_not_read_costs_bounded_memory_and_loses_nothing() {
    const CALLS: usize = 60;
    const BYTES: usize = 2 * 1024 * 1024;
    for reply in [ReplyForm::Json, ReplyForm::Sse] {
        let house = House::new(open().reply(reply)).await;
        let (options, reads) = house.options().with(&["--max-in-flight", "4"]).reads_later();
        let mut bridge = options.start();
        bridge.send_initialize().await;
        bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
        for _ in 0..CALLS {
            bridge.send_request("tools/call", json!({"name": "large", "arguments": {"bytes": BYTES}})).await;
        }
        let last = bridge.send_request("tools/call", progress(3, "p")).await;
        // Far more than fits into any buffer: nothing moves on until somebody reads.
        house.server.wait_for(|log| log.iter().filter(|seen| is_post(seen, "tools/call")).count() >= 8).await;
        reads.notify_one();
        let (mut large, mut told) = (0, false);
        while large < CALLS || !told {
            let line = bridge.next_line().await;
            if line.len() > BYTES {
                large += 1;
                continue;
            }
            let message: Value = serde_json::from_str(&line).unwrap();
            told |= message["id"] == last;
            bridge.others.push(message);
        }
        assert_eq!((steps(&bridge, "p"), bridge.others.len()), (vec![1, 2, 3], 1 + 3 + 1), "{reply:?}");
        let held = peak(bridge.id().unwrap());
        assert!(held < 80, "{reply:?}: {held} MiB of {} MiB", CALLS * BYTES / 1024 / 1024);
    }
}
