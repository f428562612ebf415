//! A real OCI registry (Debian's `docker-registry`) on loopback.

use std::process::Command;

use crate::process::{Process, free_port};
use crate::programs::curl;

/// A running registry with an empty store of its own.
pub struct DockerRegistry {
    _directory: tempfile::TempDir,
    _process: Process,
    /// `127.0.0.1:PORT`
    pub host: String,
}

impl DockerRegistry {
    /// Starts a registry that anybody may push to and pull from.
    pub fn start() -> Self {
        Self::start_with("")
    }

    /// Starts a registry that asks for this user's password (the line of an htpasswd file).
    pub fn start_protected(htpasswd: &str) -> Self {
        Self::start_with(htpasswd)
    }

    fn start_with(htpasswd: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let host = format!("127.0.0.1:{}", free_port());
        let file = |name: &str, text: &str| {
            let path = directory.path().join(name);
            std::fs::write(&path, text).expect("a test's own directory can be written");
            path
        };
        let mut config = format!(
            "version: 0.1\nlog: {{level: error}}\nstorage: {{filesystem: {{rootdirectory: {}}}}}\nhttp: {{addr: \"{host}\"}}\n",
            directory.path().join("data").display()
        );
        if !htpasswd.is_empty() {
            config += &format!("auth: {{htpasswd: {{realm: test, path: {}}}}}\n", file("htpasswd", htpasswd).display());
        }
        let mut process =
            Process::start(Command::new("docker-registry").arg("serve").arg(file("config.yml", &config)), &directory.path().join("log"));
        // Answers 401 when it is protected, which is an answer too: so without --fail.
        let start = std::time::Instant::now();
        while !curl(["--no-fail", &format!("http://{host}/v2/")]).success {
            assert!(start.elapsed().as_secs() < 20, "docker-registry did not start: {}", process.output());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        let _ = process.id();
        Self { _directory: directory, _process: process, host }
    }
}
