//! What tests of this and other crates need to have a store to test with.

mod link;
mod ports;
pub mod postgres;
pub mod sqlite;

pub use link::Link;
pub use ports::free_port;
