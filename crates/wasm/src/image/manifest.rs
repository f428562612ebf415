//! Manifests and configurations: which of the shapes in which Wasm is published one has.
//!
//! - the CNCF's artifact (`application/vnd.wasm.config.v0+json`, one layer `application/wasm`) and its forerunners;
//! - runwasi's layers under an ordinary image configuration;
//! - ordinary images that hold a `.wasm` file in their tar layers and say so in their platform or an annotation.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// Layer types that are the Wasm itself.
const WASM_LAYERS: [&str; 4] = [
    "application/wasm",
    "application/vnd.wasm.content.layer.v1+wasm",
    "application/vnd.bytecodealliance.wasm.component.layer.v0+wasm",
    "application/vnd.module.wasm.content.layer.v1+wasm",
];

/// What manifests may be asked for.
pub(super) const ACCEPTED: [&str; 4] = [
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
];

/// A manifest or index, with the digest that was computed of its bytes.
#[derive(Debug)]
pub(super) struct Manifest {
    pub(super) digest: String,
    wire: Wire,
}

/// A manifest's bytes and their digest.
#[derive(Debug)]
pub(super) struct Raw {
    pub(super) digest: String,
    pub(super) bytes: Vec<u8>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Wire {
    config: Option<Descriptor>,
    layers: Vec<Descriptor>,
    manifests: Vec<Entry>,
    annotations: BTreeMap<String, String>,
}

/// A blob that a manifest names.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Descriptor {
    #[serde(default)]
    pub(super) media_type: String,
    pub(super) digest: String,
}

#[derive(Debug, Deserialize)]
struct Entry {
    digest: String,
    platform: Option<Platform>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Platform {
    os: String,
    architecture: String,
}

impl Platform {
    fn is_wasm(&self) -> bool {
        self.architecture == "wasm" || self.architecture == "wasm32" || self.os.starts_with("wasi")
    }
}

/// What an image holds.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Content {
    /// Not Wasm.
    Foreign,
    /// A layer that is the Wasm.
    Wasm(Descriptor),
    /// Tar layers, and the configuration that names the file in them.
    Layers(Vec<Descriptor>, Settings),
}

impl Manifest {
    pub(super) fn parse(raw: Raw) -> Result<Self, String> {
        let Raw { digest, bytes } = raw;
        let wire =
            serde_json::from_slice(&bytes).map_err(|error| format!("its manifest {digest} cannot be read: {error}"))?;
        Ok(Manifest { digest, wire })
    }

    /// In an index: the manifest for Wasm, when there is one.
    pub(super) fn wasm_of_index(&self) -> Option<&str> {
        let wasm = |entry: &&Entry| entry.platform.as_ref().is_some_and(Platform::is_wasm);
        self.wire.manifests.iter().find(wasm).map(|entry| entry.digest.as_str())
    }

    /// The configuration that has to be fetched to know what the image is.
    pub(super) fn config_to_ask(&self) -> Option<&Descriptor> {
        let ordinary =
            self.wire.manifests.is_empty() && self.wasm_layers().next().is_none() && !self.is_wasm_artifact();
        self.wire.config.as_ref().filter(|_| ordinary && !self.wire.layers.is_empty())
    }

    fn is_wasm_artifact(&self) -> bool {
        self.wire.config.as_ref().is_some_and(|config| config.media_type.starts_with("application/vnd.wasm.config."))
    }

    fn wasm_layers(&self) -> impl Iterator<Item = &Descriptor> {
        self.wire.layers.iter().filter(|layer| WASM_LAYERS.contains(&layer.media_type.as_str()))
    }

    /// Sorts the manifest out; `settings` are what its configuration says, when it was asked.
    pub(super) fn content(&self, settings: &Settings) -> Result<Content, String> {
        let wasm: Vec<_> = self.wasm_layers().collect();
        match wasm.as_slice() {
            [layer] => return Ok(Content::Wasm((*layer).clone())),
            [] if self.is_wasm_artifact() => {
                return Err("it is a Wasm artifact without a layer of type application/wasm".to_owned());
            }
            [] => {}
            more => return Err(format!("it has {} Wasm layers where one is allowed", more.len())),
        }
        let annotated = self.wire.annotations.keys().any(|name| name == "module.wasm.image/variant");
        if settings.wasm || (annotated && settings.program().is_some()) {
            return Ok(Content::Layers(self.wire.layers.clone(), settings.clone()));
        }
        Ok(Content::Foreign)
    }
}

/// What an image's configuration says about running it.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Settings {
    /// Its platform is Wasm.
    pub(crate) wasm: bool,
    pub(crate) entrypoint: Vec<String>,
    pub(crate) cmd: Vec<String>,
    pub(crate) env: Vec<String>,
    pub(crate) working_dir: String,
}

impl Settings {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, String> {
        #[derive(Deserialize)]
        struct Config {
            #[serde(flatten)]
            platform: Platform,
            #[serde(default)]
            config: Option<Execution>,
        }
        #[derive(Default, Deserialize)]
        #[serde(rename_all = "PascalCase", default)]
        struct Execution {
            entrypoint: Option<Vec<String>>,
            cmd: Option<Vec<String>>,
            env: Option<Vec<String>>,
            working_dir: Option<String>,
        }
        let config: Config =
            serde_json::from_slice(bytes).map_err(|error| format!("its configuration cannot be read: {error}"))?;
        let Execution { entrypoint, cmd, env, working_dir } = config.config.unwrap_or_default();
        Ok(Settings {
            wasm: config.platform.is_wasm(),
            entrypoint: entrypoint.unwrap_or_default(),
            cmd: cmd.unwrap_or_default(),
            env: env.unwrap_or_default(),
            working_dir: working_dir.unwrap_or_default(),
        })
    }

    /// The file to run.
    pub(super) fn program(&self) -> Option<&str> {
        self.entrypoint.first().or_else(|| self.cmd.first()).map(String::as_str)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn content(manifest: serde_json::Value, config: &str) -> Result<Content, String> {
        let raw = Raw { digest: "sha256:m".into(), bytes: manifest.to_string().into_bytes() };
        let manifest = Manifest::parse(raw)?;
        let settings =
            manifest.config_to_ask().map_or_else(|| Ok(Settings::default()), |_| Settings::parse(config.as_bytes()))?;
        manifest.content(&settings)
    }

    fn manifest(config: &str, layers: &[&str]) -> serde_json::Value {
        let layers: Vec<_> =
            layers.iter().map(|kind| serde_json::json!({"mediaType": kind, "digest": "sha256:l", "size": 1})).collect();
        serde_json::json!({"schemaVersion": 2, "config": {"mediaType": config, "digest": "sha256:c", "size": 1}, "layers": layers})
    }

    fn is_wasm(result: Result<Content, String>) -> bool {
        matches!(result, Ok(Content::Wasm(layer)) if layer.digest == "sha256:l")
    }

    const ORDINARY: &str = "application/vnd.oci.image.config.v1+json";
    const TAR: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

    #[test]
    fn every_shape_of_wasm_is_known() {
        assert!(is_wasm(content(manifest("application/vnd.wasm.config.v0+json", &["application/wasm"]), "")));
        assert!(is_wasm(content(
            manifest("application/vnd.wasm.config.v1+json", &["application/vnd.wasm.content.layer.v1+wasm"]),
            ""
        )));
        assert!(is_wasm(content(
            manifest(ORDINARY, &["application/vnd.bytecodealliance.wasm.component.layer.v0+wasm"]),
            ""
        )));
        let config = r#"{"os":"wasi","architecture":"wasm","config":{"Entrypoint":["/app.wasm"],"Cmd":null}}"#;
        assert!(
            matches!(content(manifest(ORDINARY, &[TAR]), config), Ok(Content::Layers(layers, settings)) if layers.len() == 1 && settings.program() == Some("/app.wasm"))
        );
    }

    #[test]
    fn a_container_image_is_foreign_and_a_strange_artifact_an_error() {
        assert_eq!(
            content(manifest(ORDINARY, &[TAR, TAR]), r#"{"os":"linux","architecture":"amd64"}"#),
            Ok(Content::Foreign)
        );
        let two =
            content(manifest("application/vnd.wasm.config.v0+json", &["application/wasm", "application/wasm"]), "");
        assert_eq!(two, Err("it has 2 Wasm layers where one is allowed".to_owned()));
        assert!(content(manifest("application/vnd.wasm.config.v0+json", &[TAR]), "").is_err());
    }

    #[test]
    fn an_index_is_searched_for_wasm() {
        let index = serde_json::json!({"manifests": [
            {"digest": "sha256:amd", "platform": {"os": "linux", "architecture": "amd64"}},
            {"digest": "sha256:wasm", "platform": {"os": "wasip1", "architecture": "wasm"}},
        ]});
        let parsed = Manifest::parse(Raw { digest: "sha256:i".into(), bytes: index.to_string().into_bytes() }).unwrap();
        assert_eq!(parsed.wasm_of_index(), Some("sha256:wasm"));
        let index = serde_json::json!({"manifests": [{"digest": "sha256:amd", "platform": {"os": "linux", "architecture": "amd64"}}]});
        assert_eq!(content(index, ""), Ok(Content::Foreign));
    }
}
