//! An OCI registry on loopback that serves what it is given, and lies when told to.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Request, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use parking_lot::Mutex;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

pub(crate) struct Registry {
    host: String,
    content: Arc<Content>,
}

#[derive(Default)]
pub(crate) struct Content {
    /// By path below `/v2/`.
    answers: Mutex<HashMap<String, (String, Vec<u8>)>>,
    /// `user:password` that is asked for, when set.
    pub(crate) login: Mutex<Option<String>>,
    /// How often each path was asked for.
    pub(crate) asked: Mutex<HashMap<String, usize>>,
}

pub(crate) const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";

impl Registry {
    pub(crate) async fn start() -> Arc<Self> {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let host = listener.local_addr().unwrap().to_string();
        let content = Arc::new(Content::default());
        let app = axum::Router::new().fallback(answer).with_state(content.clone());
        tokio::spawn(async move { axum::serve(listener, app).await });
        Arc::new(Registry { host, content })
    }

    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    pub(crate) fn content(&self) -> &Content {
        &self.content
    }

    /// Publishes as the CNCF's artifact does, under tag 1.
    pub(crate) fn push(&self, name: &str, wasm: Vec<u8>) -> String {
        let config = json!({"architecture": "wasm", "os": "wasip2", "layerDigests": [digest(&wasm)]});
        let config = self.blob(name, "application/vnd.wasm.config.v0+json", config.to_string().into_bytes());
        let layer = self.blob(name, "application/wasm", wasm);
        self.manifest(
            name,
            "1",
            &json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}),
        )
    }

    pub(crate) fn push_container_image(&self, name: &str) -> String {
        let config = json!({"architecture": "amd64", "os": "linux", "config": {"Entrypoint": ["/bin/sh"]}});
        let config = self.blob(name, "application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
        let layer = self.blob(name, "application/vnd.oci.image.layer.v1.tar+gzip", vec![0; 64]);
        self.manifest(
            name,
            "1",
            &json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}),
        )
    }

    /// Stores a blob and describes it.
    pub(crate) fn blob(&self, name: &str, media_type: &str, bytes: Vec<u8>) -> Value {
        let (digest, size) = (digest(&bytes), bytes.len());
        self.put(&format!("{name}/blobs/{digest}"), "application/octet-stream", bytes);
        json!({"mediaType": media_type, "digest": digest, "size": size})
    }

    /// Stores a manifest under a tag and its digest. Returns the reference by tag.
    pub(crate) fn manifest(&self, name: &str, tag: &str, manifest: &Value) -> String {
        let bytes = manifest.to_string().into_bytes();
        let media_type = manifest["mediaType"].as_str().unwrap_or(MANIFEST).to_owned();
        self.put(&format!("{name}/manifests/{}", digest(&bytes)), &media_type, bytes.clone());
        self.put(&format!("{name}/manifests/{tag}"), &media_type, bytes);
        format!("{}/{name}:{tag}", self.host)
    }

    /// Answers a path with these bytes, right or wrong.
    pub(crate) fn put(&self, path: &str, media_type: &str, bytes: Vec<u8>) {
        self.content.answers.lock().insert(path.to_owned(), (media_type.to_owned(), bytes));
    }
}

pub(crate) fn digest(bytes: &[u8]) -> String {
    let hex: String = Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

async fn answer(State(content): State<Arc<Content>>, request: Request) -> Response {
    let path = request.uri().path().trim_start_matches("/v2/").to_owned();
    *content.asked.lock().entry(path.clone()).or_default() += 1;
    if let Some(login) = content.login.lock().clone() {
        let given = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        if given != Some(&format!("Basic {login}")) {
            return (StatusCode::UNAUTHORIZED, [("www-authenticate", "Basic realm=\"test\"")], "{}").into_response();
        }
    }
    match content.answers.lock().get(&path).cloned() {
        Some((media_type, bytes)) => ([("content-type", media_type)], Body::from(bytes)).into_response(),
        None => {
            (StatusCode::NOT_FOUND, r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"unknown"}]}"#).into_response()
        }
    }
}
