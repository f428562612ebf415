//! Proof against a client that is not ours: oci-client pushes and pulls over plain HTTP on loopback.

#![allow(clippy::unwrap_used, reason = "the helpers of a test are part of the test")]

use std::sync::Arc;

use futures::StreamExt;
use oci_client::client::{ClientConfig, ClientProtocol, Config, ImageLayer};
use oci_client::manifest::OciImageManifest;
use oci_client::secrets::RegistryAuth;
use oci_client::{Client, Reference};
use sampan_oci::{Anybody, Authorize, Limits, Registry, SingleUser};

const WASM: &str = "application/wasm";
const WASM_CONFIG: &str = "application/vnd.wasm.config.v0+json";

struct Served {
    _directory: tempfile::TempDir,
    host: String,
    server: tokio::task::JoinHandle<()>,
}

impl Drop for Served {
    fn drop(&mut self) {
        self.server.abort();
    }
}

async fn serve(authorize: Arc<dyn Authorize>) -> Served {
    let directory = tempfile::tempdir().unwrap();
    let registry = Registry::open(directory.path(), authorize, Limits::default()).unwrap();
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let host = listener.local_addr().unwrap().to_string();
    let server = tokio::spawn(async move { axum::serve(listener, registry.router()).await.unwrap() });
    Served { _directory: directory, host, server }
}

fn client(monolithic: bool) -> Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    let config =
        ClientConfig { protocol: ClientProtocol::Http, use_monolithic_push: monolithic, ..ClientConfig::default() };
    Client::new(config)
}

/// More than one chunk of the client (4 MiB).
fn component(seed: u8) -> Vec<u8> {
    (0..5_000_000_u32).map(|number| number.to_le_bytes()[0] ^ number.to_le_bytes()[1] ^ seed).collect()
}

async fn push(
    client: &Client,
    image: &Reference,
    auth: &RegistryAuth,
    content: &[u8],
) -> oci_client::errors::Result<String> {
    let layers = [ImageLayer::new(content.to_vec(), WASM.to_owned(), None)];
    let config = Config::new(br#"{"architecture":"wasm","os":"wasip2"}"#.to_vec(), WASM_CONFIG.to_owned(), None);
    let mut manifest = OciImageManifest::build(&layers, &config, None);
    manifest.media_type = Some(oci_client::manifest::OCI_IMAGE_MEDIA_TYPE.to_owned());
    client.push(image, &layers, config, auth, Some(manifest)).await.map(|pushed| pushed.manifest_url)
}

#[tokio::test]
async fn an_artifact_pushed_in_chunks_or_whole_is_pulled_again() {
    let served = serve(Arc::new(Anybody)).await;
    for (monolithic, tag) in [(false, "chunked"), (true, "whole")] {
        let client = client(monolithic);
        let image: Reference = format!("{}/samples/hello:{tag}", served.host).parse().unwrap();
        let content = component(u8::from(monolithic));
        push(&client, &image, &RegistryAuth::Anonymous, &content).await.unwrap();
        let pulled = client.pull(&image, &RegistryAuth::Anonymous, vec![WASM]).await.unwrap();
        assert_eq!(pulled.layers[0].data, content);
        let digest = client.fetch_manifest_digest(&image, &RegistryAuth::Anonymous).await.unwrap();
        assert_eq!(pulled.digest.as_deref(), Some(digest.as_str()));
        let by_digest: Reference = format!("{}/samples/hello@{digest}", served.host).parse().unwrap();
        let again = client.pull(&by_digest, &RegistryAuth::Anonymous, vec![WASM]).await.unwrap();
        assert_eq!(again.layers[0].data, content);
    }
    let any: Reference = format!("{}/samples/hello:x", served.host).parse().unwrap();
    let tags = client(true).list_tags(&any, &RegistryAuth::Anonymous, None, None).await.unwrap();
    assert_eq!(tags.tags, ["chunked", "whole"]);
}

#[tokio::test]
async fn a_part_of_a_blob_is_pulled() {
    let served = serve(Arc::new(Anybody)).await;
    let client = client(true);
    let image: Reference = format!("{}/a:1", served.host).parse().unwrap();
    let content = component(7);
    push(&client, &image, &RegistryAuth::Anonymous, &content).await.unwrap();
    let (manifest, _) = client.pull_image_manifest(&image, &RegistryAuth::Anonymous).await.unwrap();
    let answer = client.pull_blob_stream_partial(&image, &manifest.layers[0], 1000, Some(50_000)).await.unwrap();
    let oci_client::client::BlobResponse::Partial(mut stream) = answer else { panic!("the whole blob came") };
    let mut part = Vec::new();
    while let Some(piece) = stream.stream.next().await {
        part.extend(piece.unwrap());
    }
    assert_eq!(part, content[1000..51_000]);
}

#[tokio::test]
async fn a_client_logs_in_with_user_and_password() {
    let served = serve(Arc::new(SingleUser::new("sampan", "secret", false))).await;
    let image: Reference = format!("{}/private/app:1", served.host).parse().unwrap();
    let known = RegistryAuth::Basic("sampan".to_owned(), "secret".to_owned());
    push(&client(false), &image, &known, &component(1)).await.unwrap();
    assert!(client(true).pull(&image, &known, vec![WASM]).await.is_ok());
    for stranger in [RegistryAuth::Anonymous, RegistryAuth::Basic("sampan".to_owned(), "wrong".to_owned())] {
        assert!(client(true).pull(&image, &stranger, vec![WASM]).await.is_err());
        assert!(push(&client(true), &image, &stranger, b"x").await.is_err());
    }
}

#[tokio::test]
async fn what_is_not_there_is_told_in_words_the_client_passes_on() {
    let served = serve(Arc::new(Anybody)).await;
    let image: Reference = format!("{}/none:1", served.host).parse().unwrap();
    let error = client(true).pull(&image, &RegistryAuth::Anonymous, vec![WASM]).await.err().unwrap();
    assert!(format!("{error:?}").contains("repository none has no manifest 1"), "{error:?}");
}
