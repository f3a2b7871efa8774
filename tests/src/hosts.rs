//! Hosts of both eras, each a small driver over the real bridge with one interface: they connect, ask, answer what the
//! server asks meanwhile, and keep what they heard. A host must never know which era the server speaks, nor judge an answer;
//! it tells apart only what no bridge may do to it. Read next: `legacy.rs` and `modern.rs`, which is all that differs.

mod legacy;
mod line;
mod modern;

use serde_json::{Value, json};

pub use self::legacy::Legacy;
pub use self::line::Line;
pub use self::modern::Modern;
use crate::bridge::{Bridge, Broken, Ended};

/// How a host answers what the server asks, by method and parameters; `None`: it does not offer that.
pub type Answer = fn(&str, &Value) -> Option<Value>;

/// What a host brings along.
#[derive(Clone, Debug)]
pub struct Manners {
    /// The revision that it speaks; a modern host speaks its latest alone.
    pub revision: String,
    /// What it declares.
    pub capabilities: Value,
    /// What it answers.
    pub answer: Answer,
}

/// What went wrong, with all that the bridge said on stderr.
#[derive(Debug, thiserror::Error)]
#[error("{fault}; the bridge said:\n{stderr}")]
pub struct Failure {
    /// What went wrong.
    pub fault: Fault,
    /// What the bridge said.
    pub stderr: String,
}

/// What goes wrong for a host.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// The bridge ended, or is silent.
    #[error(transparent)]
    Broken(#[from] Broken),
    /// A request was answered with an error.
    #[error("`{method}` was answered with {error}")]
    Refused {
        /// The request.
        method: String,
        /// The error.
        error: Value,
    },
    /// A server asks on and on.
    #[error("`{0}` wanted more input after {1} rounds")]
    Rounds(String, usize),
    /// Something that no host is to see.
    #[error("{0}: {1}")]
    Breach(&'static str, Value),
}

/// A host.
#[expect(async_fn_in_trait, reason = "nobody sends a host to another thread")]
pub trait Host: Sized {
    /// The code of the error for a resource that is not there.
    const NO_RESOURCE: i32;
    /// The last revision that it can speak.
    const LATEST_REVISION: &str;

    /// Introduces itself, and waits until it may go on.
    ///
    /// # Errors
    /// [`Failure`].
    async fn connect(bridge: Bridge, manners: Manners) -> Result<Self, Failure>;

    /// What the server said of itself: `serverInfo`, `capabilities` and `instructions`; null where it did not.
    fn introduction(&self) -> &Value;

    /// The way to the bridge, with what was heard and asked.
    fn line(&mut self) -> &mut Line;

    /// Sends a request with all that its era adds, and does not wait; its id.
    ///
    /// # Errors
    /// [`Fault::Broken`].
    async fn begin(&mut self, method: &str, params: &Value) -> Result<u64, Failure>;

    /// Takes one message: a response, or `None` for what was heard or answered.
    ///
    /// # Errors
    /// [`Failure`].
    async fn step(&mut self) -> Result<Option<Value>, Failure>;

    /// The result of a request. What the server asks for it is answered.
    ///
    /// # Errors
    /// [`Fault::Refused`] with the error that came instead, and the others.
    async fn request(&mut self, method: &str, params: Value) -> Result<Value, Failure>;

    /// Hears from now on of all lists and of these resources, and of no others.
    ///
    /// # Errors
    /// [`Failure`].
    async fn follow(&mut self, resources: &[&str]) -> Result<(), Failure>;

    /// Wants log messages of this level and above from now on.
    ///
    /// # Errors
    /// [`Failure`].
    async fn log_level(&mut self, level: &str) -> Result<(), Failure>;

    /// Whether the server said that it has this.
    fn is_offered(&self, capability: &str) -> bool {
        self.introduction()["capabilities"].get(capability).is_some()
    }

    /// The response to a request that was begun.
    ///
    /// # Errors
    /// [`Fault::Breach`] where a response comes that nobody waits for, and the others.
    async fn response(&mut self, id: u64) -> Result<Value, Failure> {
        loop {
            match self.step().await? {
                Some(response) if response["id"] == id => return Ok(response),
                Some(other) => return Err(self.line().breach("a response that nobody waits for", other)),
                None => {}
            }
        }
    }

    /// All entries of a list, page after page.
    ///
    /// # Errors
    /// [`Failure`].
    async fn list(&mut self, method: &str, key: &str) -> Result<Vec<Value>, Failure> {
        let (mut entries, mut params) = (Vec::new(), json!({}));
        loop {
            let mut page = self.request(method, params).await?;
            entries.extend(page[key].as_array_mut().map(std::mem::take).unwrap_or_default());
            match page["nextCursor"].take() {
                Value::Null => return Ok(entries),
                cursor => params = json!({"cursor": cursor}),
            }
        }
    }

    /// The first notification of a method that was not taken yet; what was heard before it stays.
    ///
    /// # Errors
    /// [`Failure`].
    async fn hears(&mut self, method: &str) -> Result<Value, Failure> {
        loop {
            let heard = &mut self.line().heard;
            if let Some(at) = heard.iter().position(|notification| notification["method"] == method) {
                return Ok(heard.remove(at));
            }
            if let Some(response) = self.step().await? {
                return Err(self.line().breach("a response that nobody waits for", response));
            }
        }
    }

    /// Ends as a host does, and waits for the bridge.
    ///
    /// # Panics
    /// Where the bridge does not end.
    async fn end(mut self) -> Ended {
        self.line().end().await
    }
}
