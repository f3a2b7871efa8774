//! The process wall: a sign-in outlives its bridge, is one for all, and never holds the host's pipes (A17).

use std::time::Duration;

use mcp_mock_server::{Approval, Endpoint, MockServer};
use serde_json::{Value, json};

use crate::{House, code};

#[tokio::test]
async fn a17_a_sign_in_outlives_the_kill_of_its_bridge_and_serves_the_next_one() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    // The end of stdout is seen although the sign-in goes on: it holds none of the host's pipes.
    bridge.kill().await;

    let mut second = house.options().start();
    let id = second.send_initialize().await;
    let page = tab.follow().await;
    assert!(page.text.contains("signed in"), "{}", page.text);
    assert!(second.response(id).await["result"].is_object());
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (1, 1));
}

#[tokio::test]
async fn a17_a_sign_in_that_is_finished_while_no_bridge_runs_is_there_for_the_next_start() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    bridge.kill().await;
    assert!(tab.follow().await.text.contains("signed in"));
    let mut second = house.options().start();
    assert!(second.initialize().await["result"].is_object());
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn a17_a_bridge_whose_file_was_replaced_by_an_update_still_signs_in_beside_itself() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let copy = house.state.path().join("installed-mcp-bridge");
    let script = "cp \"$0\" \"$COPY\" && exec \"$COPY\" \"$@\"";
    let mut bridge = house.options().under(&["sh", "-c", script]).variable("COPY", copy.clone()).start();
    bridge.send("no JSON, but answered: it runs").await;
    bridge.next().await;
    std::fs::remove_file(&copy).unwrap();

    let id = bridge.send_initialize().await;
    let tab = house.browser.next_tab().await;
    let sign_in = std::fs::read(house.record().with_file_name("sign-in.json")).unwrap();
    let sign_in: Value = serde_json::from_slice(&sign_in).unwrap();
    assert_ne!(sign_in["pid"].as_u64(), bridge.id().map(u64::from), "a process of its own");
    tab.follow().await;
    assert!(bridge.response(id).await["result"].is_object());
}

/// Kills the sign-in process, as a person or the system does that is out of memory.
#[cfg(unix)]
fn kill_the_worker(house: &House) {
    let sign_in = std::fs::read(house.record().with_file_name("sign-in.json")).unwrap();
    let sign_in: Value = serde_json::from_slice(&sign_in).unwrap();
    let pid = sign_in["pid"].as_u64().unwrap().to_string();
    assert!(std::process::Command::new("kill").args(["-KILL", &pid]).status().unwrap().success());
}

#[cfg(unix)]
#[tokio::test]
async fn a17_a_sign_in_process_that_is_killed_is_replaced_with_one_more_tab_and_nothing_is_lost() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    let ids = [bridge.send_initialize().await, bridge.send_request("ping", json!({})).await];
    let first = house.browser.next_tab().await;
    kill_the_worker(&house);
    let second = house.browser.next_tab().await;
    assert_eq!(first.parameter("redirect_uri"), second.parameter("redirect_uri"), "the same client on the same port");
    // The person finds the old tab first: its `state` is of no sign-in any more.
    assert_eq!(first.follow().await.status, 400);
    assert!(second.follow().await.text.contains("signed in"));
    for id in ids {
        assert!(bridge.response(id).await["result"].is_object());
    }
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (2, 1));
}

#[cfg(unix)]
#[tokio::test]
async fn a17_a_sign_in_process_that_is_killed_each_time_is_given_up_and_the_next_call_begins_anew() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    let id = bridge.send_initialize().await;
    for _ in 0..3 {
        house.browser.next_tab().await;
        kill_the_worker(&house);
    }
    assert_eq!(code(&bridge.response(id).await), "sign_in_interrupted");
    let id = bridge.send_initialize().await;
    house.browser.next_tab().await.follow().await;
    assert!(bridge.response(id).await["result"].is_object());
    assert_eq!(house.browser.tabs_opened(), 4);
}

#[tokio::test]
async fn a14_a_refresh_survives_the_kill_of_its_bridge_and_the_next_start_opens_no_tab() {
    let delay = Duration::from_millis(500)..Duration::from_millis(501);
    let house = House::new(MockServer::builder().token_delay(delay, 1)).await;
    house.bridge().await.end().await;
    house.server.expire_access_tokens();
    let mut bridge = house.options().start();
    bridge.send_initialize().await;
    house.server.wait_for(|log| log.iter().filter(|seen| seen.endpoint == Endpoint::Token).count() == 2).await;
    bridge.kill().await;
    let mut next = house.bridge().await;
    assert!(next.call_tool("list_files", json!({})).await["result"].is_object());
    let counts = house.server.counts();
    assert_eq!((house.browser.tabs_opened(), counts.refreshes, counts.families_revoked), (1, 1, 0));
}

#[tokio::test]
async fn a17_bridges_that_start_together_share_one_tab() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridges = Vec::new();
    for _ in 0..6 {
        let mut bridge = house.options().start();
        let id = bridge.send_initialize().await;
        bridges.push((bridge, id));
    }
    let tab = house.browser.next_tab().await;
    house.server.wait_for(|log| log.iter().filter(|seen| seen.status == 401).count() >= 6).await;
    tab.follow().await;
    for (bridge, id) in &mut bridges {
        assert!(bridge.response(*id).await["result"].is_object());
    }
    let counts =
        (house.browser.tabs_opened(), house.server.count(Endpoint::Registration), house.server.count(Endpoint::Token));
    assert_eq!(counts, (1, 1, 1));
}

#[tokio::test]
async fn a14_bridges_that_share_a_token_refresh_it_once() {
    let house = House::new(MockServer::builder()).await;
    let mut bridges = Vec::new();
    for _ in 0..5 {
        bridges.push(house.bridge().await);
    }
    for round in 1..=3 {
        house.server.expire_access_tokens();
        let mut ids = Vec::new();
        for bridge in &mut bridges {
            ids.push(bridge.send_request("tools/call", json!({"name": "list_files", "arguments": {}})).await);
        }
        for (bridge, id) in bridges.iter_mut().zip(ids) {
            let response = bridge.response(id).await;
            assert!(response["result"].is_object(), "{response}");
        }
        assert_eq!(house.server.count(Endpoint::Token), 1 + round, "one refresh a round");
    }
    assert_eq!((house.browser.tabs_opened(), house.server.families_revoked()), (1, 0));
}

#[tokio::test]
async fn a17_requests_that_come_during_a_sign_in_wait_for_it() {
    let mut house = House::with_patient_browser(MockServer::builder()).await;
    let mut bridge = house.options().start();
    let mut ids = vec![bridge.send_initialize().await];
    for _ in 0..5 {
        ids.push(bridge.send_request("ping", json!({})).await);
    }
    house.browser.next_tab().await.follow().await;
    let mut answered = Vec::new();
    while answered.len() < ids.len() {
        let message = bridge.next().await;
        if message.get("method").is_none() {
            assert!(message["result"].is_object(), "{message}");
            answered.push(message["id"].as_u64().unwrap());
        }
    }
    answered.sort_unstable();
    assert_eq!(answered, ids);
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a17_who_waits_for_a_sign_in_that_is_denied_shares_its_end_and_opens_no_further_tab() {
    let mut house = House::with_patient_browser(MockServer::builder().auto_approve(Approval::Deny)).await;
    let mut bridge = house.options().start();
    let mut ids = Vec::new();
    for _ in 0..4 {
        ids.push(bridge.send_request("tools/list", json!({})).await);
    }
    house.server.wait_for(|log| log.iter().filter(|seen| seen.status == 401).count() == 4).await;
    house.browser.next_tab().await.follow().await;
    for _ in &ids {
        assert_eq!(code(&bridge.next().await), "sign_in_denied");
    }
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn a17_what_a_host_sent_before_a_sign_in_was_denied_opens_no_further_tab() {
    let house = House::new(MockServer::builder().auto_approve(Approval::Deny)).await;
    let mut bridge = house.options().start();
    // A host that does not wait: the second and third line stand behind the first.
    bridge.send_initialize().await;
    bridge.send(json!({"jsonrpc": "2.0", "method": "notifications/initialized"})).await;
    bridge.send_request("tools/list", json!({})).await;
    for id in 1..=2 {
        assert_eq!(code(&bridge.response(id).await), "sign_in_denied");
    }
    assert!(bridge.end().await.status.success());
    assert_eq!(house.browser.tabs_opened(), 1);
}
