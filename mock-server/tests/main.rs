//! The server over real sockets: the honest walk, and each refusal by name.

// cfg(test): then its helpers count as tests, where unwrap is allowed.
#[cfg(test)]
mod client;
mod walk;
