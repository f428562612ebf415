//! What the documents owe the code.

use anyhow::Result;

use super::Workspace;

pub(super) fn architecture(workspace: &Workspace) -> Result<Vec<String>> {
    let text = std::fs::read_to_string(workspace.root.join("ARCHITECTURE.md"))?;
    let directories = workspace.packages.iter().map(|package| workspace.shown(&package.directory));
    let missing = directories.filter(|directory| {
        let name = directory.strip_prefix("crates/").unwrap_or(directory);
        !text.contains(&format!("`{name}`")) && !text.contains(&format!("`{directory}`"))
    });
    Ok(missing.map(|directory| format!("ARCHITECTURE.md does not name `{directory}`")).collect())
}

/// A sample is a directory with a README, a manifest and, where it brings a guest, its source beside the component.
pub(super) fn samples(workspace: &Workspace) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    let Ok(entries) = std::fs::read_dir(workspace.root.join("samples")) else { return Ok(complaints) };
    for entry in entries {
        let directory = entry?.path();
        // What builds the guests is no sample.
        if !directory.is_dir() || directory.ends_with("tools") {
            continue;
        }
        // The toolbox is built as samples are, and is a part of the binary.
        let kept = if directory.ends_with("toolbox") { "toolbox.wasm" } else { "manifest.yaml" };
        for file in ["README.md", kept] {
            if !directory.join(file).exists() {
                complaints.push(format!("{} has no {file}", workspace.shown(&directory)));
            }
        }
    }
    Ok(complaints)
}
