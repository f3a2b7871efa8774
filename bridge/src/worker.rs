//! The worker: the process that signs in and refreshes, and the only writer of tokens. It must never know the host's
//! messages. So far it has one edge to the person: the `browser`.

pub mod browser;
