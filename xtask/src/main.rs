//! The project's own chores: `cargo xtask tidy` holds the invariants that the compiler cannot.

mod tidy;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    match std::env::args().nth(1).as_deref() {
        Some("tidy") => tidy::run(),
        other => bail!("unknown task {other:?}; the tasks are: tidy"),
    }
}
