//! What `/version` says.

use serde_json::{Value, json};

/// The version of the API and of the program, as `kubectl version` and clients that adapt themselves read it.
#[derive(Debug, Clone)]
pub struct Version {
    /// `1`.
    pub major: String,
    /// `36`.
    pub minor: String,
    /// `v1.36.2+sampan`: the version of Kubernetes whose API this is, then whose it is.
    pub git_version: String,
    /// The commit it was built from; empty if unknown.
    pub git_commit: String,
    /// When it was built, RFC 3339; empty if unknown.
    pub build_date: String,
}

impl Default for Version {
    fn default() -> Self {
        Self {
            major: "1".into(),
            minor: "36".into(),
            git_version: concat!("v1.36.2+sampan.", env!("CARGO_PKG_VERSION")).into(),
            git_commit: String::new(),
            build_date: String::new(),
        }
    }
}

impl Version {
    /// The document. Members upstream fills with the Go compiler are about this program's instead.
    pub(crate) fn document(&self) -> Value {
        let Self { major, minor, git_version, git_commit, build_date } = self;
        json!({
            "major": major,
            "minor": minor,
            "emulationMajor": major,
            "emulationMinor": minor,
            "minCompatibilityMajor": major,
            "minCompatibilityMinor": minor,
            "gitVersion": git_version,
            "gitCommit": git_commit,
            "gitTreeState": "clean",
            "buildDate": build_date,
            "goVersion": "none",
            "compiler": "rustc",
            "platform": format!("{}/{}", std::env::consts::OS, platform()),
        })
    }
}

/// The machine in Go's words, which clients compare.
fn platform() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
