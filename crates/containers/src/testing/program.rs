//! Programs for containers, compiled from the C beside this file.

use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What keeps a sandbox's namespaces: waits, reaps, ends when asked to.
pub fn pause(directory: &Path) -> io::Result<PathBuf> {
    compile(directory, "pause", include_str!("pause.c"))
}

/// What tests run; it does what its first argument says.
pub fn guest(directory: &Path) -> io::Result<PathBuf> {
    compile(directory, "guest", include_str!("guest.c"))
}

/// Linked into one file: it runs in an image that holds nothing else.
fn compile(directory: &Path, name: &str, source: &str) -> io::Result<PathBuf> {
    let (code, program) = (directory.join(name).with_extension("c"), directory.join(name));
    std::fs::write(&code, source)?;
    let output = Command::new("cc").args(["-O1", "-static", "-s", "-o"]).arg(&program).arg(&code).output()?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(io::Error::other(format!("failed to compile {}: {said}", code.display())));
    }
    Ok(program)
}
