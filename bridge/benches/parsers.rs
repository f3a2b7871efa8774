//! What the two parsers of the message path cost by themselves: the envelope that is read of every line and every body, and
//! the parser of events. `cargo bench -p mcp-bridge`; docs/performance.md says how to compare two runs.

use std::hint::black_box;

use bytes::Bytes;
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use mcp_bridge::message::Envelope;
use mcp_bridge::upstream::sse::Parser;

/// As much as a read of a socket brings, in bytes.
const CHUNK: usize = 16 * 1024;
const MEBIBYTE: usize = 1024 * 1024;

criterion_group!(parsers, envelopes, events);
criterion_main!(parsers);

fn envelopes(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("envelope");
    let lines = [
        ("153 B, a call", call(153)),
        ("10 KB, a text", text_of(10_000)),
        ("100 KB, tools", tools_of(100_000)),
        ("10 MB, tools", tools_of(10_000_000)),
        ("10 MB, a text", text_of(10_000_000)),
    ];
    for (name, line) in &lines {
        group.throughput(Throughput::Bytes(line.len() as u64));
        group.sample_size(if line.len() < MEBIBYTE { 100 } else { 20 });
        group.bench_with_input(BenchmarkId::from_parameter(name), line.as_bytes(), |bencher, line| {
            bencher.iter(|| Envelope::parse(black_box(line)).is_ok());
        });
    }
    group.finish();
}

fn events(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("events");
    let notification =
        r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"level":"info","data":"a step"}}"#;
    let small = format!("event: message\nid: 0123456789abcdef\ndata: {notification}\n\n").repeat(MEBIBYTE / 256);
    let large = format!("event: message\ndata: {}\n\n", text_of(16 * MEBIBYTE));
    for (name, stream) in [("small ones", &small), ("one of 16 MB", &large)] {
        group.throughput(Throughput::Bytes(stream.len() as u64));
        group.sample_size(if stream.len() < 2 * MEBIBYTE { 100 } else { 20 });
        let stream = Bytes::from(stream.clone());
        group.bench_with_input(BenchmarkId::from_parameter(name), &stream, |bencher, stream| {
            bencher.iter(|| {
                let (mut parser, mut bytes) = (Parser::new(64 * MEBIBYTE), 0);
                let mut chunks =
                    (0..stream.len()).step_by(CHUNK).map(|at| stream.slice(at..stream.len().min(at + CHUNK)));
                let read = chunks.try_for_each(|chunk| parser.push(&chunk, |event| bytes += event.data.len()));
                (read.is_ok(), bytes)
            });
        });
    }
    group.finish();
}

/// A call of so many bytes.
fn call(length: usize) -> String {
    let [before, behind] = [
        r#"{"jsonrpc":"2.0","id":4711,"method":"tools/call","params":{"name":"read_file","arguments":{"path":""#,
        "\"}}}",
    ];
    format!("{before}{}{behind}", "p".repeat(length - before.len() - behind.len()))
}

/// A result that is one text, with an escape in every line.
fn text_of(length: usize) -> String {
    let line = r"    a line of a text as tools give it: a source, a log, a page of prose, as long as lines are\n";
    let text = line.repeat(length / line.len());
    format!(
        r#"{{"jsonrpc":"2.0","id":4711,"result":{{"content":[{{"type":"text","text":"{text}"}}],"isError":false}}}}"#
    )
}

/// A list of tools with their schemas: many short strings and brackets.
fn tools_of(length: usize) -> String {
    let tool = r#"{"name":"read_file","title":"Read a file","description":"Reads a file of the workspace","inputSchema":{"type":"object","properties":{"path":{"type":"string","description":"Where it is"},"lines":{"type":"array","items":{"type":"integer","minimum":1}}},"required":["path"]}}"#;
    let tools = vec![tool; length / tool.len()].join(",");
    format!(r#"{{"jsonrpc":"2.0","id":4711,"result":{{"tools":[{tools}]}}}}"#)
}
