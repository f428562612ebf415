//! A real OCI registry (Debian's `docker-registry`) on loopback.

use std::path::PathBuf;
use std::process::Command;

use sampan_containers::testing::Image;
use sampan_store::testing::free_port;

use crate::process::Process;
use crate::programs::{curl, run};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

/// A running registry with an empty store of its own.
pub struct DockerRegistry {
    _process: Process,
    directory: tempfile::TempDir,
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
        let process = Process::start(
            Command::new("docker-registry").arg("serve").arg(file("config.yml", &config)),
            &directory.path().join("log"),
        );
        // Answers 401 when it is protected, which is an answer too: so without --fail.
        let start = std::time::Instant::now();
        while !curl(["--no-fail", &format!("http://{host}/v2/")]).success {
            assert!(start.elapsed().as_secs() < 20, "docker-registry did not start: {}", process.output());
            std::thread::sleep(std::time::Duration::from_millis(50));
        }
        Self { _process: process, directory, host }
    }
}

/// What a test puts into a registry byte by byte, with no client between that would refuse it.
impl DockerRegistry {
    /// Pushes a manifest of one layer and returns its image and the layer's digest.
    pub fn put(&self, name: &str, config_type: &str, layer_type: &str, layer: &[u8]) -> (String, String) {
        let config = br#"{"architecture":"amd64","os":"linux","rootfs":{"type":"layers","diff_ids":[]},"config":{}}"#;
        let (config_digest, layer_digest) = (self.blob(name, config), self.blob(name, layer));
        let manifest = serde_json::json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": {"mediaType": config_type, "digest": config_digest, "size": config.len()},
            "layers": [{"mediaType": layer_type, "digest": layer_digest, "size": layer.len()}],
        });
        let url = format!("http://{}/v2/{name}/manifests/1", self.host);
        self.send(&["-X", "PUT", "-H", &format!("Content-Type: {MANIFEST}"), &url], manifest.to_string().as_bytes());
        (format!("{}/{name}:1", self.host), layer_digest)
    }

    /// Pushes Wasm as the artifact it should be.
    pub fn put_wasm(&self, name: &str, wasm: &[u8]) -> (String, String) {
        self.put(name, "application/vnd.wasm.config.v0+json", "application/wasm", wasm)
    }

    /// Pushes a container image under tag 1.
    pub fn put_image(&self, name: &str, image: &Image) -> String {
        self.blob(name, &image.config);
        self.blob(name, &image.layer);
        let url = format!("http://{}/v2/{name}/manifests/1", self.host);
        self.send(&["-X", "PUT", "-H", &format!("Content-Type: {}", Image::MANIFEST_TYPE), &url], &image.manifest);
        format!("{}/{name}:1", self.host)
    }

    /// Makes the registry answer with other bytes for a blob it has.
    pub fn lie(&self, digest: &str, bytes: &[u8]) {
        let hex = digest.trim_start_matches("sha256:");
        let blob = format!("data/docker/registry/v2/blobs/sha256/{}/{hex}/data", &hex[..2]);
        std::fs::write(self.directory.path().join(blob), bytes).expect("the registry keeps its blobs there");
    }

    fn blob(&self, name: &str, bytes: &[u8]) -> String {
        let digest = format!("sha256:{}", self.sha256(bytes));
        let started = curl(["-X", "POST", "-D", "-", &format!("http://{}/v2/{name}/blobs/uploads/", self.host)]).ok();
        let location =
            started.lines().find_map(|line| line.strip_prefix("Location: ")).expect("an upload has a location").trim();
        self.send(
            &["-X", "PUT", "-H", "Content-Type: application/octet-stream", &format!("{location}&digest={digest}")],
            bytes,
        );
        digest
    }

    fn send(&self, arguments: &[&str], body: &[u8]) {
        let file = self.body(body);
        curl(arguments.iter().copied().chain(["--data-binary", &format!("@{}", file.display())])).ok();
    }

    fn sha256(&self, bytes: &[u8]) -> String {
        let printed = run(Command::new("sha256sum").arg(self.body(bytes))).ok();
        printed.split_whitespace().next().expect("sha256sum prints the sum first").to_owned()
    }

    fn body(&self, bytes: &[u8]) -> PathBuf {
        let path = self.directory.path().join("body");
        std::fs::write(&path, bytes).expect("a test's own directory can be written");
        path
    }
}
