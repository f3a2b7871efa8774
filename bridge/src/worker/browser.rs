//! The person's browser, opened without a shell (A12, CVE-2025-6514). It must never be asked to open anything but https,
//! or http on loopback: the URL comes from a server, and the opener is another program. The browser comes back to
//! `callback`.
//!
//! On Unix `BROWSER` is honoured: a `:`-separated list of command lines, tried in turn. Each is split at blanks, without
//! quoting; `%s` becomes the URL, `%c` a colon, `%%` a percent sign; without `%s` the URL is the last argument. The URL
//! is put in after the split, so it is always exactly one argument. A text browser (`lynx`, `w3m`, …) runs in the
//! foreground with this process's stdio: only a process that speaks to no host may open one.

use std::io;
use std::time::Duration;

use url::Url;

use crate::oauth::endpoint::{Endpoint, EndpointError, UrlRule};

/// The browsers that `webbrowser` runs in the foreground.
const TEXT_BROWSERS: [&str; 9] = ["lynx", "links", "links2", "elinks", "w3m", "eww", "netrik", "retawq", "curl"];
/// How long an opener may take to say that it did not work. One that goes on longer is a text browser at work.
const OPENER: Duration = Duration::from_secs(1);

/// Opens a URL in the person's browser and says whether that worked, as far as can be known.
pub async fn open_in_background(url: Url, rule: UrlRule) -> bool {
    let opening = tokio::task::spawn_blocking(move || open(&url, &rule));
    match tokio::time::timeout(OPENER, opening).await {
        Ok(Ok(Err(error))) => {
            tracing::warn!("{error}");
            false
        }
        Ok(Err(_)) => false,
        Ok(Ok(Ok(()))) | Err(_) => true,
    }
}

/// Whether `BROWSER` names a text browser, which would have this process's stdio: all others get none of it.
#[must_use]
pub fn speaks_to_the_terminal() -> bool {
    std::env::var("BROWSER").is_ok_and(|browsers| is_for_a_terminal(&browsers))
}

/// Errs on the safe side: an argument of such a name counts as well.
fn is_for_a_terminal(browsers: &str) -> bool {
    browsers.split([':', ' ', '\t', '/']).any(|word| TEXT_BROWSERS.contains(&word))
}

/// Opens a URL in the person's browser. Blocks, for as long as a text browser runs: call it where blocking is allowed.
pub fn open(url: &Url, rule: &UrlRule) -> Result<(), BrowserError> {
    let checked = Endpoint::parse("authorization URL", url.as_str(), rule)?;
    webbrowser::open(checked.as_str()).map_err(BrowserError::NotOpened)
}

/// Why no browser was opened.
#[derive(Debug, thiserror::Error)]
pub enum BrowserError {
    /// The URL is none for a browser; nothing was started.
    #[error(transparent)]
    Refused(#[from] EndpointError),
    /// No browser was found, or it did not start.
    #[error("no browser could be opened: {0}")]
    NotOpened(io::Error),
}

#[cfg(test)]
mod tests {
    use super::{BrowserError, UrlRule, is_for_a_terminal, open};
    use url::Url;

    #[test]
    fn what_is_no_web_page_is_refused_before_anything_starts() {
        for text in [
            "javascript:alert(1)",
            "data:text/html,x",
            "file:///etc/passwd",
            "http://as.example.com/authorize",
            "https://user:pw@as.example.com/",
            "https://as.example.com/#fragment",
            "ms-search:query=x",
        ] {
            let error = open(&Url::parse(text).unwrap(), &UrlRule::default()).unwrap_err();
            assert!(matches!(error, BrowserError::Refused(_)), "{text}");
        }
    }

    #[test]
    fn a_text_browser_is_known_wherever_it_stands() {
        for (browsers, is_one) in [
            ("firefox", false),
            ("/usr/bin/lynx", true),
            ("firefox:w3m -o x", true),
            ("env\tlinks %s", true),
            ("/opt/lynx-viewer/run", false),
            ("", false),
        ] {
            assert_eq!(is_for_a_terminal(browsers), is_one, "{browsers}");
        }
    }

    #[cfg(unix)]
    mod browser_variable {
        use super::*;
        use std::fs::OpenOptions;
        use std::io::Write;
        use std::os::unix::fs::OpenOptionsExt;
        use std::process::Command;

        const URL: &str = "https://as.example.com/authorize?a=1&b=$(x)%20`y`%s%c;z='q'";

        /// Not a test: what the next one runs in a process of its own, whose environment it may choose.
        #[test]
        #[ignore = "run by the_url_is_exactly_one_argument_in_every_form"]
        fn open_in_a_process_of_its_own() {
            if let Ok(url) = std::env::var("URL_TO_OPEN") {
                open(&Url::parse(&url).unwrap(), &UrlRule::default()).unwrap();
            }
        }

        #[test]
        fn the_url_is_exactly_one_argument_in_every_form() {
            let folder = tempfile::tempdir().unwrap();
            // A text browser is waited for, and its stdout is the process's own.
            let stub = folder.path().join("lynx");
            let mut file = OpenOptions::new().write(true).create_new(true).mode(0o700).open(&stub).unwrap();
            file.write_all(b"#!/bin/sh\nfor argument; do echo \"<$argument>\"; done\n").unwrap();
            drop(file);
            let stub = stub.to_str().unwrap();
            let url = Url::parse(&URL.replace('`', "%60")).unwrap();
            let url = url.as_str();
            let table = [
                ("a command", stub.to_owned(), vec![url.to_owned()]),
                ("options around", format!("{stub} -a %s --flag"), vec!["-a".into(), url.into(), "--flag".into()]),
                ("options before", format!("{stub} -a"), vec!["-a".into(), url.into()]),
                ("the URL twice", format!("{stub} %s %s"), vec![url.into(), url.into()]),
                ("inside an option", format!("{stub} --url=%s%%%c"), vec![format!("--url={url}%:")]),
                ("quotes are no quotes", format!("{stub} \"a b\""), vec!["\"a".into(), "b\"".into(), url.into()]),
                ("the first that is there", format!("/nowhere/x:{stub}"), vec![url.into()]),
            ];
            for (name, browser, expected) in table {
                let output = Command::new(std::env::current_exe().unwrap())
                    .args(["--exact", "--ignored", "--nocapture"])
                    .arg("worker::browser::tests::browser_variable::open_in_a_process_of_its_own")
                    .env("BROWSER", browser)
                    .env("URL_TO_OPEN", url)
                    .output()
                    .unwrap();
                assert!(output.status.success(), "{name}");
                let stdout = String::from_utf8(output.stdout).unwrap();
                let seen: Vec<&str> =
                    stdout.lines().filter_map(|line| line.strip_prefix('<')?.strip_suffix('>')).collect();
                assert_eq!(seen, expected, "{name}");
            }
        }
    }
}
