//! What bad images and bad registries get.

use std::time::Duration;

use sampan_runtime::{Credentials, Error, ImagePull, Runtime};
use sampan_wasm::Limits;
use serde_json::json;

use crate::guests;
use crate::registry::{MANIFEST, digest};
use crate::setting::Setting;

fn image(reference: &str) -> ImagePull {
    ImagePull { reference: reference.to_owned(), ..ImagePull::default() }
}

async fn pull_error(setting: &Setting, reference: &str) -> Error {
    setting.runtime.pull(&image(reference)).await.expect_err("it cannot be pulled")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lies_about_a_layer_is_refused_with_both_digests() {
    let setting = Setting::new().await;
    let (good, evil) = (guests::exits(0), guests::exits(1));
    let reference = setting.registry.push("lies", good.clone());
    setting.registry.put(&format!("lies/blobs/{}", digest(&good)), "application/octet-stream", evil.clone());
    let error = pull_error(&setting, &reference).await;
    assert!(matches!(error, Error::BadImage { .. }), "{error:?}");
    let message = error.to_string();
    assert!(
        message.contains(&digest(&good)) && message.contains(&digest(&evil)) && message.contains(&reference),
        "{message}"
    );
    assert_eq!(setting.runtime.image(&reference).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_registry_that_lies_about_a_manifest_is_refused_with_both_digests() {
    let setting = Setting::new().await;
    setting.registry.push("lies", guests::exits(0));
    let wanted = digest(b"something else");
    let manifest = json!({"schemaVersion": 2, "mediaType": MANIFEST, "layers": []}).to_string().into_bytes();
    let actual = digest(&manifest);
    setting.registry.put(&format!("lies/manifests/{wanted}"), MANIFEST, manifest);
    let error = pull_error(&setting, &format!("{}/lies@{wanted}", setting.registry.host())).await;
    assert!(matches!(error, Error::BadImage { .. }), "{error:?}");
    assert!(error.to_string().contains(&wanted) && error.to_string().contains(&actual), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_a_component_is_refused_with_the_reason() {
    let setting = Setting::new().await;
    let whole = guests::returns(true);
    for (name, wasm, reason) in [
        ("truncated", whole[..whole.len() - 20].to_vec(), "unexpected end"),
        ("text", b"#!/bin/sh\necho hello\n".to_vec(), "it is not Wasm"),
        ("empty", Vec::new(), "it is not Wasm"),
        ("future", b"\0asm\x7f\0\x7f\0".to_vec(), "unknown Wasm version"),
        ("library", wat::parse_str("(component)").unwrap(), "component exports nothing"),
        (
            "reactor",
            wat::parse_str("(module (func (export \"handle\")))").unwrap(),
            "core module exports handle; it must export _start",
        ),
    ] {
        let error = pull_error(&setting, &setting.registry.push(name, wasm)).await;
        assert!(matches!(error, Error::BadImage { .. }), "{error:?}");
        assert!(error.to_string().contains(reason), "{name}: {error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_import_nobody_offers_is_named() {
    let setting = Setting::new().await;
    let reference = setting.registry.push("nn", guests::imports_what_nobody_offers());
    let pulled = setting.runtime.pull(&image(&reference)).await.unwrap();
    setting.open("nn").await;
    let error = setting.runtime.create(setting.container("nn", &pulled.digest)).await.unwrap_err();
    assert_eq!(error.to_string(), "component imports wasi:nn/graph@0.2.0, which node does not offer");
}

#[tokio::test(flavor = "multi_thread")]
async fn sizes_are_limited() {
    let setting = Setting::with(Limits { layer_bytes: 1000, ..Limits::default() }).await;
    let error = pull_error(&setting, &setting.registry.push("large", vec![0; 1001])).await;
    assert!(matches!(error, Error::BadImage { .. }), "{error:?}");
    assert!(error.to_string().contains("more bytes than the limit of 1000"), "{error}");
}

/// A module whose compilation takes long: one function with a great many branches.
fn slow_to_compile() -> Vec<u8> {
    let body = "(if (local.get 0) (then (local.set 0 (i32.add (local.get 0) (i32.const 1)))))".repeat(200_000);
    wat::parse_str(format!("(module (func (export \"_start\") (local i32) {body}))")).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn compiling_is_bounded_in_time_and_memory() {
    let slow = slow_to_compile();
    let setting = Setting::with(Limits { compile_time: Duration::from_millis(200), ..Limits::default() }).await;
    let error = pull_error(&setting, &setting.registry.push("slow", slow.clone())).await;
    assert!(matches!(error, Error::BadImage { .. }), "{error:?}");
    assert!(error.to_string().contains("compiling took longer"), "{error}");
    let setting = Setting::with(Limits { compile_memory_bytes: 220 << 20, ..Limits::default() }).await;
    let error = pull_error(&setting, &setting.registry.push("fat", slow)).await;
    assert!(matches!(error, Error::BadImage { .. }), "{error:?}");
    assert!(error.to_string().contains("memory"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_registry_can_be_tried_again() {
    let setting = Setting::new().await;
    let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = pull_error(&setting, &format!("{closed}/hello:1")).await;
    assert!(matches!(error, Error::Pull { .. }) && error.retryable(), "{error:?}");
    assert!(error.to_string().contains("refused"), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_private_registry_wants_the_right_credentials() {
    let setting = Setting::new().await;
    let reference = setting.registry.push("private", guests::exits(0));
    // user:right
    *setting.registry.content().login.lock() = Some("dXNlcjpyaWdodA==".to_owned());
    let error = pull_error(&setting, &reference).await;
    assert!(matches!(error, Error::Pull { .. }), "{error:?}");
    assert!(error.to_string().contains("check the pull secrets"), "{error}");
    let credentials = |password: &str| Credentials {
        registry: setting.registry.host().to_owned(),
        username: "user".to_owned(),
        password: password.to_owned(),
    };
    let credentials = vec![credentials("wrong"), credentials("right")];
    setting.runtime.pull(&ImagePull { reference, credentials, ..ImagePull::default() }).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_ordinary_image_that_holds_wasm_is_run_by_its_entry_point() {
    let setting = Setting::new().await;
    let mut tar = tar::Builder::new(Vec::new());
    let wasm = guests::echoes();
    let mut header = tar::Header::new_gnu();
    header.set_size(wasm.len() as u64);
    header.set_mode(0o644);
    tar.append_data(&mut header, "app.wasm", wasm.as_slice()).unwrap();
    let registry = &setting.registry;
    let config = json!({"architecture": "wasm", "os": "wasip1", "config": {"Entrypoint": ["/app.wasm"], "Cmd": ["one"], "Env": ["A=b"]}});
    let config = registry.blob("compat", "application/vnd.oci.image.config.v1+json", config.to_string().into_bytes());
    let layer = registry.blob("compat", "application/vnd.oci.image.layer.v1.tar", tar.into_inner().unwrap());
    let reference = registry.manifest(
        "compat",
        "1",
        &json!({"schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": [layer]}),
    );
    assert!(setting.runtime.accepts(&image(&reference)).await.unwrap());
    let pulled = setting.runtime.pull(&image(&reference)).await.unwrap();
    assert_eq!(pulled.command, ["/app.wasm", "one"]);
    setting.open("compat").await;
    setting.runtime.create(setting.container("compat", &pulled.digest)).await.unwrap();
    setting.runtime.start("compat").await.unwrap();
    assert_eq!(setting.exit("compat").await.code, 0);
    assert_eq!(setting.log("compat"), "stdout F one\nstdout F HOSTNAME=compat\nstdout F A=b\n");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_layer_is_fetched_once_however_many_ask() {
    let setting = Setting::new().await;
    let wasm = guests::exits(0);
    let (one, two) = (setting.registry.push("shared", wasm.clone()), setting.registry.push("shared", wasm.clone()));
    assert_eq!(one, two);
    let asked = image(&one);
    let pulls = (0..20).map(|_| setting.runtime.pull(&asked));
    futures::future::try_join_all(pulls).await.unwrap();
    let asked = setting.registry.content().asked.lock();
    assert_eq!(asked.get(&format!("shared/blobs/{}", digest(&wasm))), Some(&1));
}
