//! The Wasm runtime: pods as WebAssembly components in wasmtime, behind the seam of `sampan-runtime`.
//!
//! What it is for: pulling Wasm artifacts from OCI registries, compiling each once into a cache on disk, and running
//! `wasi:cli` commands and `wasi:http` services in sandbox processes apart from the agent.
//!
//! What it does not do: it knows nothing of pods, restarts, probes by HTTP or volumes' contents (the node does), gives out no
//! addresses (a network does), and never runs or compiles a pod's code in the agent's own process. (Scheduler plugins, which whoever
//! starts a server names, run in the server: [`plugin`].)
//!
//! Invariants:
//! - A sandbox process loads only machine code that the agent's compile child wrote ([`compile`]).
//! - Nothing that a guest does can stop another guest: CPU is metered and shared, memory and output are bounded.
//! - An idle sandbox does not wake up: the epoch ticker runs only while guests do.
//! - The agent's death changes nothing for running containers; its successor finds them over their sockets.
//! - What a registry sends is believed only when its bytes have the digest that was asked for.
#![warn(missing_docs)]
// Loading machine code is `unsafe` in wasmtime; every block says why it is sound.
#![allow(unsafe_code)]

mod artifact;
pub mod compile;
mod config;
mod engine;
mod fleet;
mod host;
mod image;
mod link;
pub mod plugin;
mod process;
mod protocol;
mod push;
mod runtime;
pub mod sandbox;
mod streams;
mod world;

pub use config::{Config, Limits, Mirror};
pub use push::push;
pub use runtime::{ProcessStatus, WasmRuntime};
