//! What stdin and stdout may be besides pipes (H1, H2, H10): a file, a socket, one end that is stderr too. Hosts, shells and
//! supervisors give all of these.

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use mcp_bridge_tests::PATIENCE;
use serde_json::Value;

use crate::{House, open};

const LINES: &str = concat!(
    r#"{"jsonrpc":"2.0","id":1,"method":"initialize","params":{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"h","version":"1"}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#,
    "\n",
    r#"{"jsonrpc":"2.0","id":2,"method":"tools/call","params":{"name":"large","arguments":{"bytes":1000000}}}"#,
    "\n",
    r#"{"jsonrpc":"2.0","id":3,"method":"ping"}"#,
    "\n",
);

fn start(house: &House, [stdin, stdout, stderr]: [Stdio; 3]) -> Child {
    Command::new(mcp_bridge_tests::binary::mcp_bridge())
        .args(["--upstream", &house.server.mcp_url(), "--log", "error", "--state-dir"])
        .arg(house.state.path().join("state"))
        .stdin(stdin)
        .stdout(stdout)
        .stderr(stderr)
        .spawn()
        .unwrap()
}

/// The ids that were answered, in order of number.
fn answered(lines: &[String]) -> Vec<u64> {
    let messages = lines.iter().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let mut ids: Vec<u64> = messages
        .inspect(|message| assert!(message["result"].is_object(), "{message}"))
        .map(|message| message["id"].as_u64().unwrap())
        .collect();
    ids.sort_unstable();
    ids
}

fn in_file(path: &Path, text: &str) -> File {
    std::fs::write(path, text).unwrap();
    File::open(path).unwrap()
}

/// Waits beside the test's own work, which is the server's too.
async fn beside<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    tokio::time::timeout(PATIENCE, tokio::task::spawn_blocking(work)).await.expect("it goes on").unwrap()
}

#[tokio::test]
async fn h10_files_for_stdin_and_stdout_work() {
    let house = House::new(open()).await;
    let path = house.state.path().join("in");
    let out = house.state.path().join("out");
    let stdin = in_file(&path, LINES);
    let mut child = start(&house, [stdin.into(), File::create(&out).unwrap().into(), Stdio::null()]);
    assert!(beside(move || child.wait().unwrap()).await.success());
    let said: Vec<String> = BufReader::new(File::open(&out).unwrap()).lines().map(Result::unwrap).collect();
    assert_eq!(answered(&said), [1, 2, 3]);
}

#[tokio::test]
async fn h10_one_socket_for_stdin_and_stdout_works_and_ends_with_its_input() {
    let house = House::new(open()).await;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let again = theirs.try_clone().unwrap();
    let mut child = start(&house, [OwnedFd::from(theirs).into(), OwnedFd::from(again).into(), Stdio::null()]);
    let said = beside(move || {
        let mut ours = ours;
        ours.write_all(LINES.as_bytes()).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        let mut said = String::new();
        ours.read_to_string(&mut said).unwrap();
        assert!(child.wait().unwrap().success());
        said
    })
    .await;
    assert_eq!(answered(&said.lines().map(str::to_owned).collect::<Vec<_>>()), [1, 2, 3]);
}

#[tokio::test]
async fn h10_one_socket_for_all_three_is_left_as_it_is_and_works() {
    let house = House::new(open()).await;
    let (ours, theirs) = UnixStream::pair().unwrap();
    let [stdin, stdout, stderr] = [(); 3].map(|()| Stdio::from(OwnedFd::from(theirs.try_clone().unwrap())));
    let mut child = start(&house, [stdin, stdout, stderr]);
    let lines = beside(move || {
        let mut ours = ours;
        ours.write_all(LINES.as_bytes()).unwrap();
        let mut said = BufReader::new(ours.try_clone().unwrap()).lines();
        let lines: Vec<String> = said.by_ref().take(3).map(Result::unwrap).collect();
        ours.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        ours.shutdown(Shutdown::Write).unwrap();
        assert!(child.wait().unwrap().success());
        lines
    })
    .await;
    assert_eq!(answered(&lines), [1, 2, 3]);
    drop(theirs);
}
