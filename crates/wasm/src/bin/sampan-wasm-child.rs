//! Both child processes of the runtime in one small program: `sandbox …` and `compile …`. The `sampan` binary has the same two
//! entries; this one serves the crate's own tests and measurements.

use std::process::ExitCode;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1); // tidy: outside, a program of its own
    match args.next().as_deref().and_then(|word| word.to_str()) {
        Some("sandbox") => sampan_wasm::sandbox::main(args),
        Some("compile") => sampan_wasm::compile::main(args),
        _ => ExitCode::from(2),
    }
}
