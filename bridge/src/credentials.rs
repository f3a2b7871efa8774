//! What is kept between two starts: for each resource and profile one folder with the record of its registrations and
//! tokens, the state of a sign-in under way, and a lock. Knows no OAuth rule, no network and no MCP; the worker writes,
//! bridges only read. Secrets may lie in the system's keyring
//! instead, or a room in memory alone. Start at [`store`]; [`record`] says what is kept, [`file`] how it reaches the disk unharmed.

mod backend;
pub mod file;
mod keyring;
pub mod lock;
pub mod record;
pub mod sign_in;
pub mod store;
