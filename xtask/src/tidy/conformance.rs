//! What the account of conformance tests owes its readers.

use anyhow::Result;

use super::Workspace;
use crate::conformance;

/// The page is the one the account makes.
pub(super) fn page(_: &Workspace) -> Result<Vec<String>> {
    let current = std::fs::read_to_string(conformance::page_path()).unwrap_or_default() == conformance::page()?;
    let stale = "docs/conformance.md is not what docs/conformance.tsv says: run `cargo xtask conformance`".to_owned();
    Ok(if current { Vec::new() } else { vec![stale] })
}

/// Our own tests that it names exist.
pub(super) fn held_by(workspace: &Workspace) -> Result<Vec<String>> {
    let missing = conformance::read()?.into_iter().filter(|test| !test.held_by.is_empty()).filter(|test| {
        let Some((path, name)) = test.held_by.split_once("::") else { return true };
        let text = std::fs::read_to_string(workspace.root.join(path)).unwrap_or_default();
        !text.contains(&format!("fn {name}("))
    });
    Ok(missing.map(|test| format!("{} is not there, but said to hold {}", test.held_by, test.name)).collect())
}
