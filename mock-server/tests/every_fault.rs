//! The table of faults against the tests: none without a test that names it.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use mcp_mock_server::Fault;

/// Every file of tests below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    entries.flat_map(|path| if path.is_dir() { files(&path) } else { vec![path] }).collect()
}

#[test]
fn every_fault_has_a_test_that_shows_it() {
    let files = files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"));
    let files = files.iter().filter(|path| path.extension().is_some_and(|extension| extension == "rs"));
    let texts = files.map(|path| std::io::read_to_string(File::open(path).unwrap()).unwrap()).collect::<Vec<_>>();
    let is_named = |fault: &Fault| {
        let name = format!("Fault::{fault:?}");
        let ends = |rest: &str| !rest.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        texts.iter().any(|text| text.split(&name).skip(1).any(ends))
    };
    let without = Fault::all().filter(|fault| !is_named(fault)).collect::<Vec<_>>();
    assert_eq!(without, Vec::<Fault>::new(), "no test in mock-server/tests names these");
}
