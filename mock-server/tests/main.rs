//! The server over real sockets: the honest walk, and each refusal by name.
#![cfg(test)] // then what the tests share counts as one too, where unwrap is allowed

mod admin;
mod asking;
mod authorization;
mod binary;
mod client;
mod cookies;
mod device;
mod every_fault;
mod faults;
mod faults_of_authorization;
mod http_sse;
mod introspection;
mod issuer;
mod known_clients;
mod layers;
mod machines;
mod management;
mod modern;
mod odd_answers;
mod openid;
mod outages;
mod pages;
mod primitives;
mod recovery;
mod refusals;
mod registration;
mod resource;
mod resumption;
mod revocation;
mod server;
mod tls;
mod token;
mod tools;
mod transport;
mod walk;
