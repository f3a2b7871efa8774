//! What is kept between two starts: for each resource and profile one folder with the record of its registrations and
//! tokens, the state of a sign-in under way, and a lock. Knows no OAuth rule, no network and no MCP; the worker writes,
//! bridges only read. Start at [`store`]; [`record`] says what is kept, [`file`] how it reaches the disk unharmed.

pub mod file;
pub mod lock;
pub mod record;
pub mod sign_in;
pub mod store;
