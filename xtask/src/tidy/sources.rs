//! What may stand in a source file.

use std::path::Path;

use anyhow::Result;

use super::Workspace;

/// Lines a file may have before it must be two files. Tests and tables may be longer.
const LONGEST: usize = 400;

/// Packages whose code may reach for unsafe operations, each block with its `SAFETY:`.
const UNSAFE: &[&str] = &["sampan-wasm", "sampan-node", "sampan-network"];

/// Packages that are the outside: they read clocks, dice, flags and the environment for all others.
const OUTSIDE: &[&str] = &["sampan", "xtask", "sampan-e2e", "sampan-benches"];

const AMBIENT: &[&str] = &[
    "SystemTime::now",
    "Timestamp::now()",
    "std::time::Instant::now",
    "Zoned::now()",
    "rand::rng()",
    "thread_rng",
    "Uuid::new_v4",
    "env::var(",
    "env::args",
];

const UNFINISHED: &[&str] = &["todo!(", "unimplemented!(", "FIXME", "XXX", "dbg!("];

/// Complains of code below the outermost crates that looks up the time, draws random numbers or reads the environment by itself. A line
/// that must (a child process's entry point) says `tidy: outside` and why.
pub(super) fn ambient(workspace: &Workspace) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (package, path, text) in workspace.sources()? {
        if OUTSIDE.contains(&package.name.as_str()) || is_test(&path) {
            continue;
        }
        for (number, line) in production(&text).filter(|(_, line)| !line.contains("tidy: outside")) {
            let word = AMBIENT.iter().find(|word| line.contains(*word));
            complaints.extend(word.map(|word| format!("{}:{number}: {word}", workspace.shown(&path))));
        }
    }
    Ok(complaints)
}

pub(super) fn length(workspace: &Workspace) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (_, path, text) in workspace.sources()? {
        let lines = text.lines().count();
        if lines > LONGEST && !is_test(&path) {
            complaints.push(format!("{}: {lines} lines, more than {LONGEST}", workspace.shown(&path)));
        }
    }
    Ok(complaints)
}

pub(super) fn unsafe_code(workspace: &Workspace) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (package, path, text) in workspace.sources()? {
        if UNSAFE.contains(&package.name.as_str()) || package.name == "xtask" {
            continue;
        }
        let wrong = text
            .lines()
            .enumerate()
            .filter(|(_, line)| line.contains("unsafe {") || line.contains("allow(unsafe_code"));
        complaints.extend(wrong.map(|(number, _)| format!("{}:{}", workspace.shown(&path), number + 1)));
    }
    Ok(complaints)
}

pub(super) fn unfinished(workspace: &Workspace) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for (package, path, text) in workspace.sources()? {
        if package.name == "xtask" {
            continue;
        }
        for (number, line) in text.lines().enumerate() {
            let word = UNFINISHED.iter().find(|word| line.contains(*word));
            complaints.extend(word.map(|word| format!("{}:{}: {word}", workspace.shown(&path), number + 1)));
        }
    }
    Ok(complaints)
}

/// The numbered lines before a file's own tests begin.
fn production(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let own = text.lines().take_while(|line| !line.starts_with("#[cfg(test)]"));
    own.enumerate().map(|(number, line)| (number + 1, line)).filter(|(_, line)| !line.trim_start().starts_with("//"))
}

fn is_test(path: &Path) -> bool {
    path.components().any(|part| {
        let part = part.as_os_str().to_string_lossy();
        part == "tests"
            || part == "tests.rs"
            || part == "testing"
            || part == "testing.rs"
            || part.ends_with("_tests.rs")
            || part == "conformance"
    })
}
