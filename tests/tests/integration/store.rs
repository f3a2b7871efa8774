//! What lies on the disk: private, readable, versioned, never torn, nothing lost (S1, S2, S4).

use std::fs;
use std::path::Path;

use mcp_bridge_tests::bridge::Ended;
use mcp_mock_server::{Endpoint, MockServer};
use serde_json::{Value, json};

use crate::{House, code, text};

fn read(path: &Path) -> Value {
    serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
}

async fn signed_in() -> (House, Ended) {
    let house = House::new(MockServer::builder()).await;
    let ended = house.bridge().await.end().await;
    (house, ended)
}

#[cfg(unix)]
#[tokio::test]
async fn s1_folders_are_0700_and_files_0600_whatever_the_umask() {
    use std::os::unix::fs::PermissionsExt;
    let (house, _) = signed_in().await;
    let mut open = vec![house.state.path().join("state")];
    let mut files = 0;
    while let Some(path) = open.pop() {
        let mode = fs::metadata(&path).unwrap().permissions().mode() & 0o777;
        if path.is_dir() {
            assert_eq!(mode, 0o700, "{}", path.display());
            open.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            assert_eq!(mode, 0o600, "{}", path.display());
            files += 1;
        }
    }
    assert!(files >= 2);
}

#[cfg(unix)]
#[tokio::test]
async fn s1_a_state_folder_that_others_could_read_is_mended() {
    use std::os::unix::fs::PermissionsExt;
    let (house, _) = signed_in().await;
    let folder = house.state.path().join("state");
    fs::set_permissions(&folder, fs::Permissions::from_mode(0o755)).unwrap();
    house.server.expire_access_tokens();
    let mut bridge = house.bridge().await;
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    assert_eq!(fs::metadata(&folder).unwrap().permissions().mode() & 0o777, 0o700);
}

#[tokio::test]
async fn s4_the_record_is_readable_json_with_a_version_and_unknown_fields_survive() {
    let (house, _) = signed_in().await;
    let path = house.record();
    let mut stored = read(&path);
    assert_eq!(stored["version"], 1);
    assert_eq!(stored["resource"], house.server.mcp_url());
    assert!(stored["issuers"][stored["issuer"].as_str().unwrap()]["tokens"]["access_token"].is_string());
    stored["from_the_future"] = json!({"a": [1]});
    fs::write(&path, stored.to_string()).unwrap();
    house.server.expire_access_tokens();
    let mut bridge = house.bridge().await;
    assert!(bridge.call_tool("list_files", json!({})).await["result"].is_object());
    let after = read(&path);
    assert_eq!(after["from_the_future"], json!({"a": [1]}));
    assert!(after["generation"].as_u64() > stored["generation"].as_u64());
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[tokio::test]
async fn s2_a_torn_record_is_set_aside_and_the_person_signs_in_again() {
    let (house, _) = signed_in().await;
    let path = house.record();
    let torn = &fs::read(&path).unwrap()[..100];
    fs::write(&path, torn).unwrap();
    drop(house.bridge().await);
    assert_eq!(house.browser.tabs_opened(), 2);
    let beside: Vec<_> = fs::read_dir(path.parent().unwrap()).unwrap().map(|e| e.unwrap().path()).collect();
    let aside = beside.iter().find(|path| path.to_str().unwrap().contains("damaged")).expect("it was set aside");
    assert_eq!(fs::read(aside).unwrap(), torn);
    assert_eq!(read(&path)["version"], 1);
}

#[tokio::test]
async fn s4_a_record_of_a_newer_version_is_an_error_and_stays_as_it_is() {
    let (house, _) = signed_in().await;
    let path = house.record();
    let mut stored = read(&path);
    stored["version"] = json!(99);
    let newer = stored.to_string();
    fs::write(&path, &newer).unwrap();
    let mut bridge = house.options().start();
    assert_eq!(code(&bridge.initialize().await), "record_too_new");
    assert_eq!(fs::read_to_string(&path).unwrap(), newer);
    assert_eq!(house.browser.tabs_opened(), 1);
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn s2_where_the_tokens_would_find_no_room_nobody_is_asked_to_sign_in() {
    let house = House::new(MockServer::builder()).await;
    // Room for a client, not for what is reserved for tokens.
    let mut bridge = house.options().under(&["prlimit", "--fsize=50000"]).start();
    assert_eq!(code(&bridge.initialize().await), "state_dir_unusable");
    assert_eq!((house.server.count(Endpoint::Registration), house.browser.tabs_opened()), (1, 0));
}

#[tokio::test]
async fn s3_two_state_folders_know_nothing_of_each_other() {
    let house = House::new(MockServer::builder()).await;
    drop(house.bridge().await);
    let other = house.state.path().join("other");
    let mut bridge = house.options().with(&["--state-dir", other.to_str().unwrap()]).start();
    assert!(bridge.initialize().await["result"].is_object());
    assert_eq!((house.browser.tabs_opened(), house.server.count(Endpoint::Registration)), (2, 2));
}

#[tokio::test]
async fn a10_the_registration_is_used_again_on_its_own_port_and_anew_where_that_is_taken() {
    let (house, _) = signed_in().await;
    let redirect_uri =
        read(&house.record())["issuers"][house.server.issuer()]["registration"]["redirect_uris"][0].clone();
    let login = |house: &House| {
        let url = house.server.mcp_url();
        mcp_bridge_tests::bridge::Options::new(&["login", &url, "--force"], house.state.path()).browser(&house.browser)
    };
    assert!(login(&house).start().end().await.status.success());
    assert_eq!(house.server.count(Endpoint::Registration), 1);
    let port: u16 =
        redirect_uri.as_str().unwrap().split(':').nth(2).unwrap().split('/').next().unwrap().parse().unwrap();
    let _taken = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.unwrap();
    assert!(login(&house).start().end().await.status.success());
    assert_eq!((house.server.count(Endpoint::Registration), house.browser.tabs_opened()), (2, 3));
}

#[cfg(target_os = "linux")]
#[tokio::test]
async fn s3_where_the_file_system_has_no_locks_a_person_is_shown_where_to_sign_in_and_it_counts() {
    let house = House::new(MockServer::builder()).await;
    let source = house.state.path().join("nolock.c");
    std::fs::write(
        &source,
        "#include <errno.h>\nint flock(int f, int o) { (void)f; (void)o; errno = ENOLCK; return -1; }\n",
    )
    .unwrap();
    let library = house.state.path().join("nolock.so");
    let built =
        std::process::Command::new("cc").args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status().unwrap();
    assert!(built.success());

    let mut bridge = house.options().with(&["--no-browser"]).variable("LD_PRELOAD", library.clone()).start();
    bridge.send_initialize().await;
    let call = bridge.send_request("tools/call", json!({"name": "get_user_profile", "arguments": {}})).await;
    let url = bridge.stderr_line_with("/authorize?").await;
    mcp_bridge_tests::browser::visit(url.trim()).await;
    assert!(text(&bridge.response(call).await).contains("alice"));
}
