//! An image of one program, as the OCI lays it out.

use std::io;
use std::path::Path;

use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// An image: two blobs and the manifest that names them.
#[derive(Clone, Debug)]
pub struct Image {
    /// JSON.
    pub manifest: Vec<u8>,
    /// JSON.
    pub config: Vec<u8>,
    /// A tar archive.
    pub layer: Vec<u8>,
}

impl Image {
    /// The type the manifest is served as.
    pub const MANIFEST_TYPE: &str = MANIFEST;

    /// An image that holds this program alone, as `/NAME`, and starts it.
    pub fn of_program(name: &str, program: &Path) -> io::Result<Self> {
        let mut files = tar::Builder::new(Vec::new());
        append(&mut files, name, &std::fs::read(program)?)?;
        Ok(Self::of_layer(files.into_inner()?, &json!({"Entrypoint": [format!("/{name}")]})))
    }

    /// An image of busybox, with a link for each of its commands and directories to work in.
    pub fn of_busybox(program: &Path) -> io::Result<Self> {
        let listed = std::process::Command::new(program).arg("--list").output()?;
        let mut files = tar::Builder::new(Vec::new());
        for directory in ["bin", "etc", "tmp", "root"] {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Directory);
            header.set_size(0);
            header.set_mode(0o777);
            files.append_data(&mut header, directory, io::empty())?;
        }
        append(&mut files, "bin/busybox", &std::fs::read(program)?)?;
        for command in String::from_utf8_lossy(&listed.stdout).lines().filter(|&command| command != "busybox") {
            let mut header = tar::Header::new_gnu();
            header.set_entry_type(tar::EntryType::Symlink);
            header.set_size(0);
            header.set_mode(0o777);
            files.append_link(&mut header, format!("bin/{command}"), "busybox")?;
        }
        Ok(Self::of_layer(files.into_inner()?, &json!({"Cmd": ["sh"], "Env": ["PATH=/bin"]})))
    }

    /// An image of this archive, with these settings: `Entrypoint`, `Env`, `User`.
    pub fn of_layer(layer: Vec<u8>, settings: &Value) -> Self {
        let config = json!({
            "architecture": architecture(), "os": "linux", "config": settings,
            "rootfs": {"type": "layers", "diff_ids": [digest(&layer)]},
        });
        let config = config.to_string().into_bytes();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": descriptor(CONFIG, &config), "layers": [descriptor(LAYER, &layer)],
        });
        Self { manifest: manifest.to_string().into_bytes(), config, layer }
    }

    /// A tar archive as `ctr images import` takes it.
    pub fn archive(&self, reference: &str) -> io::Result<Vec<u8>> {
        let mut manifest = descriptor(MANIFEST, &self.manifest);
        manifest["annotations"] = json!({"io.containerd.image.name": reference});
        let index = json!({"schemaVersion": 2, "manifests": [manifest]}).to_string();
        let mut files = tar::Builder::new(Vec::new());
        append(&mut files, "oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
        append(&mut files, "index.json", index.as_bytes())?;
        for blob in [&self.manifest, &self.config, &self.layer] {
            append(&mut files, &format!("blobs/sha256/{}", digest(blob).trim_start_matches("sha256:")), blob)?;
        }
        files.into_inner()
    }
}

/// `sha256:…`
pub(super) fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

fn descriptor(media_type: &str, bytes: &[u8]) -> Value {
    json!({"mediaType": media_type, "digest": digest(bytes), "size": bytes.len()})
}

fn append(files: &mut tar::Builder<Vec<u8>>, name: &str, bytes: &[u8]) -> io::Result<()> {
    let mut header = tar::Header::new_gnu();
    header.set_size(bytes.len() as u64);
    header.set_mode(0o755);
    files.append_data(&mut header, name, bytes)
}

/// In Go's words.
fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}
