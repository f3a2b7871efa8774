//! A browser that obeys: `BROWSER` names a small program that hands its URL over a socket, so a test counts tabs, looks
//! at them, and follows them when it likes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::PATIENCE;

/// The variable that tells the stand-in where to hand its URL.
pub const ADDRESS: &str = "MCP_BRIDGE_TEST_BROWSER";

/// A person's browser.
#[derive(Debug)]
pub struct Browser {
    address: String,
    tabs: mpsc::UnboundedReceiver<Tab>,
    count: Arc<AtomicUsize>,
}

/// One opened tab.
#[derive(Clone, Debug)]
pub struct Tab {
    /// Exactly what the program got as its arguments, a line each.
    pub url: String,
}

/// What a tab shows at the end of its redirects.
#[derive(Clone, Debug)]
pub struct Page {
    /// The address it ended at.
    pub url: String,
    /// The HTTP status.
    pub status: u16,
    /// The headers.
    pub headers: reqwest::header::HeaderMap,
    /// The body.
    pub text: String,
}

impl Browser {
    /// A browser whose tabs wait until the test follows them.
    pub async fn start() -> Self {
        Browser::with(|_| ()).await
    }

    /// A browser whose person agrees to everything at once.
    pub async fn obliging() -> Self {
        Browser::with(|tab: &Tab| {
            let tab = tab.clone();
            tokio::spawn(async move { tab.follow().await });
        })
        .await
    }

    /// A browser that does this with each tab.
    ///
    /// # Panics
    /// Where there is no port to be had.
    pub async fn with(on_tab: impl Fn(&Tab) + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let address = listener.local_addr().expect("an address").to_string();
        let (sender, tabs) = mpsc::unbounded_channel();
        let count = Arc::new(AtomicUsize::new(0));
        let counted = count.clone();
        tokio::spawn(async move {
            while let Ok((mut stream, _)) = listener.accept().await {
                let mut url = String::new();
                if stream.read_to_string(&mut url).await.is_ok() {
                    counted.fetch_add(1, Ordering::SeqCst);
                    let tab = Tab { url };
                    on_tab(&tab);
                    let _ = sender.send(tab);
                }
            }
        });
        Browser { address, tabs, count }
    }

    /// The environment that makes a bridge use this browser.
    pub fn environment(&self) -> [(&'static str, String); 2] {
        [("BROWSER", crate::binary::test_browser().display().to_string()), (ADDRESS, self.address.clone())]
    }

    /// The next tab.
    ///
    /// # Panics
    /// Where none is opened for [`PATIENCE`].
    pub async fn next_tab(&mut self) -> Tab {
        let tab = tokio::time::timeout(PATIENCE, self.next_tab_ever()).await;
        tab.expect("no tab was opened")
    }

    /// The next tab, however long it takes.
    pub async fn next_tab_ever(&mut self) -> Tab {
        self.tabs.recv().await.expect("the browser lives as long as this")
    }

    /// How many tabs were opened so far.
    pub fn tabs_opened(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }
}

impl Tab {
    /// Loads the page and follows every redirect, as a browser with a person who agrees.
    ///
    /// # Panics
    /// Where nobody answers.
    pub async fn follow(&self) -> Page {
        visit(&self.url).await
    }

    /// A parameter of the URL.
    pub fn parameter(&self, name: &str) -> Option<String> {
        let url = url::Url::parse(&self.url).ok()?;
        url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    }
}

/// Loads a page and follows every redirect.
///
/// # Panics
/// Where nobody answers.
pub async fn visit(url: &str) -> Page {
    try_visit(url).await.unwrap_or_else(|e| panic!("GET {url}: {e}"))
}

/// Loads a page and follows every redirect.
///
/// # Errors
/// Where nobody answers, or the answer breaks off. The error shows no URL, whose query may hold secrets.
pub async fn try_visit(url: &str) -> Result<Page, reqwest::Error> {
    let visit = async {
        let response = client().build()?.get(url).timeout(PATIENCE).send().await?;
        Ok(Page {
            url: response.url().to_string(),
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            text: response.text().await?,
        })
    };
    visit.await.map_err(reqwest::Error::without_url)
}

/// A client that speaks plain HTTP to this machine, whatever proxy the environment names.
pub fn client() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy().tls_certs_only([])
}
