//! Stands in for a browser: hands the URL that it was opened with to the test that set it up, and ends.

use std::io::Write;
use std::net::TcpStream;

fn main() -> std::io::Result<()> {
    let address = std::env::var(mcp_bridge_tests::browser::ADDRESS).map_err(std::io::Error::other)?;
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    TcpStream::connect(address)?.write_all(arguments.join("\n").as_bytes())
}
