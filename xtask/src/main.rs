//! The project's own chores: `cargo xtask tidy` holds the invariants that the compiler cannot; `cargo xtask conformance` keeps the account
//! of upstream's conformance tests.

mod conformance;
mod tidy;

use anyhow::{Result, bail};

fn main() -> Result<()> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        ["tidy"] => tidy::run(),
        ["conformance"] => conformance::write(),
        ["conformance", commit, reports @ ..] => conformance::record(commit, reports),
        other => bail!("unknown task {other:?}; the tasks are: tidy, conformance [COMMIT REPORT...]"),
    }
}
