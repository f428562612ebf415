//! What tests of this and other crates need to have a store to test with.

pub mod postgres;
