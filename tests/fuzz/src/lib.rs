//! Everything that reads what strangers send, as functions of bytes that must not panic and must not run away.
//!
//! `fuzz/` gives each to libFuzzer; the test of this crate gives each some hundreds of inputs that are made from good ones, the same in
//! every run, so that no build goes out that falls over the first stone.

mod mutate;
mod sample;
mod targets;

pub use mutate::{Dice, mutated};
pub use sample::sample;
pub use targets::{TARGETS, Target};

/// Gives bytes to the target of this name.
///
/// # Panics
/// When the target does, which is what is looked for, or there is none of this name.
pub fn run(name: &str, bytes: &[u8]) {
    let target = TARGETS.iter().find(|target| target.name == name).expect("a file is named for its target");
    (target.run)(bytes);
}
