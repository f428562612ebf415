//! Programs run to their end, with what they printed.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// What a program left behind.
#[derive(Debug)]
pub struct Output {
    /// Exit code 0.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Output {
    /// The standard output of a program that must have succeeded.
    #[track_caller]
    pub fn ok(self) -> String {
        assert!(self.success, "failed: {}{}", self.stdout, self.stderr);
        self.stdout
    }

    /// The standard error of a program that must have failed.
    #[track_caller]
    pub fn err(self) -> String {
        assert!(!self.success, "succeeded: {}", self.stdout);
        self.stderr
    }
}

/// Runs a command to its end without input.
pub fn run(command: &mut Command) -> Output {
    let output =
        command.stdin(Stdio::null()).output().unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
    Output {
        success: output.status.success(),
        stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
        stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
    }
}

/// Where cargo put what it built: this test's own executable lies in `deps` below it.
pub fn target_directory() -> PathBuf {
    let own = std::env::current_exe().expect("a running program knows its file");
    own.ancestors().nth(2).expect("tests are built into TARGET/PROFILE/deps").to_path_buf()
}

/// The binary under test.
pub fn sampan() -> PathBuf {
    let binary = target_directory().join("sampan");
    assert!(
        binary.exists(),
        "{} is missing; build it first with: cargo build --workspace --bins --tests",
        binary.display()
    );
    binary
}

/// The body of a URL, asked for with curl; fails on HTTP errors as on connection errors.
pub fn curl(arguments: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Output {
    run(Command::new("curl")
        .args(["--silent", "--show-error", "--fail", "--max-time", "20", "--noproxy", "*"])
        .args(arguments))
}
