//! Pushing a Wasm file as the CNCF's Wasm OCI artifact: one layer `application/wasm` and a configuration that says what the component
//! imports and exports, so that a node can refuse it before it pulls the layer.

use oci_client::client::{ClientConfig, ClientProtocol, Config as ArtifactConfig, ImageLayer};
use oci_client::manifest::{OCI_IMAGE_MEDIA_TYPE, OciImageManifest};
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use sampan_runtime::{Credentials, Error, Result};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use wit_component::DecodedWasm;

const CONFIG_TYPE: &str = "application/vnd.wasm.config.v0+json";
const LAYER_TYPE: &str = "application/wasm";

/// Pushes `wasm`, a component or a core module, to `reference` (`HOST/NAME:TAG`). Returns the digest of the manifest, `sha256:…`.
///
/// Fails with [`Error::BadImage`] when the bytes are no Wasm, and with [`Error::Pull`] when the registry cannot be reached or refuses.
pub async fn push(
    wasm: Vec<u8>,
    reference: &str,
    credentials: Option<&Credentials>,
    plain_http: bool,
) -> Result<String> {
    // One provider for the whole binary; who came first is as good.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let bad = |message: String| Error::BadImage { image: reference.to_owned(), message };
    let target: Reference =
        reference.parse().map_err(|error| bad(format!("it is not a valid image name: {error}; use HOST/NAME:TAG")))?;
    let config = serde_json::to_vec(&configuration(&wasm).map_err(bad)?).expect("a JSON value always encodes");
    let config = ArtifactConfig::new(config, CONFIG_TYPE.to_owned(), None);
    let layers = [ImageLayer::new(wasm, LAYER_TYPE.to_owned(), None)];
    let manifest = OciImageManifest {
        media_type: Some(OCI_IMAGE_MEDIA_TYPE.to_owned()),
        artifact_type: Some(CONFIG_TYPE.to_owned()),
        ..OciImageManifest::build(&layers, &config, None)
    };
    let protocol = if plain_http { ClientProtocol::Http } else { ClientProtocol::Https };
    let client = Client::new(ClientConfig { protocol, ..ClientConfig::default() });
    let auth = credentials
        .map_or(RegistryAuth::Anonymous, |known| RegistryAuth::Basic(known.username.clone(), known.password.clone()));
    let failed = |error: oci_client::errors::OciDistributionError| Error::Pull {
        image: reference.to_owned(),
        message: format!("the registry did not take it: {error}; is it up, and are you allowed to push?"),
    };
    client.push(&target, &layers, config, &auth, Some(manifest)).await.map_err(failed)?;
    client.fetch_manifest_digest(&target, &auth).await.map_err(failed)
}

/// The artifact's configuration.
fn configuration(wasm: &[u8]) -> Result<Value, String> {
    let layer = format!("sha256:{:x}", Sha256::digest(wasm));
    match wasm.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => {
            let (imports, exports) = interfaces(wasm)?;
            let component = json!({"imports": imports, "exports": exports});
            Ok(json!({"architecture": "wasm", "os": "wasip2", "layerDigests": [layer], "component": component}))
        }
        Some(b"\0asm\x01\0\0\0") => Ok(json!({"architecture": "wasm", "os": "wasip1", "layerDigests": [layer]})),
        _ => Err("it is no Wasm: it begins neither as a component nor as a core module".to_owned()),
    }
}

/// Names of what a component imports and exports.
fn interfaces(component: &[u8]) -> Result<(Vec<String>, Vec<String>), String> {
    let decoded = wit_component::decode(component).map_err(|error| format!("it is no valid component: {error:#}"))?;
    let DecodedWasm::Component(resolve, world) = decoded else {
        return Err("it is a package of WIT interfaces, not a component".to_owned());
    };
    let world = &resolve.worlds[world];
    let names =
        |items: &mut dyn Iterator<Item = &wit_parser::WorldKey>| items.map(|key| resolve.name_world_key(key)).collect();
    Ok((names(&mut world.imports.keys()), names(&mut world.exports.keys())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_core_module_is_labelled_by_its_wasi_version() {
        let module = wat::parse_str("(module)").unwrap();
        assert_eq!(configuration(&module).unwrap()["os"], "wasip1");
    }

    #[test]
    fn what_is_no_wasm_is_refused() {
        assert!(configuration(b"#!/bin/sh\n").unwrap_err().contains("it is no Wasm"));
        assert!(configuration(b"\0asm\x0d\0\x01\0garbage").unwrap_err().contains("no valid component"));
    }
}
