//! The worker: the process that signs in and refreshes, and the only writer of tokens. It must never know the host's
//! messages. So far it has its two edges to the person, the `browser` and the `callback` page that the browser returns
//! to.

pub mod browser;
pub mod callback;
