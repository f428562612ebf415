use sampan_runtime::fake::{FakeImage, FakeRuntime, Program};
use serde_json::{Value, json};

use super::*;

fn images(runtimes: &[&FakeRuntime]) -> Images {
    Images {
        runtimes: runtimes.iter().map(|runtime| Arc::new((*runtime).clone()) as Arc<dyn Runtime>).collect(),
        node_name: "edge-1".to_owned(),
        plain_http: Vec::new(),
        known: Mutex::default(),
    }
}

fn fake(handler: &'static str, reference: &str, accepted: bool) -> FakeRuntime {
    let runtime = FakeRuntime::new(handler, Arc::new(|| 0));
    runtime.add_image(FakeImage { accepted, ..FakeImage::new(reference, Program::sleeps()) });
    runtime
}

fn request(image: &str, policy: &str) -> Request {
    Request { image: image.to_owned(), policy: policy.to_owned(), secrets: Vec::new(), chosen: None }
}

async fn outcome(images: &Images, request: &Request) -> String {
    let mut pulling = false;
    match images.find(request, || pulling = true).await {
        Ok(Found::Present(ready)) => format!("present in {} (asked the registry: {pulling})", ready.runtime),
        Ok(Found::Pulled(ready)) => format!("pulled into {} (asked the registry: {pulling})", ready.runtime),
        Err(error) => format!("{}: {}", error.reason, error.message),
    }
}

#[tokio::test]
async fn the_policy_decides_whether_a_registry_is_asked() {
    let runtime = fake("wasm", "r.test/a:1", true);
    let images = images(&[&runtime]);
    assert_eq!(
        outcome(&images, &request("r.test/a:1", "Never")).await,
        "ErrImageNeverPull: Container image \"r.test/a:1\" is not present with pull policy of Never"
    );
    assert_eq!(
        outcome(&images, &request("r.test/a:1", "IfNotPresent")).await,
        "pulled into 0 (asked the registry: true)"
    );
    assert_eq!(
        outcome(&images, &request("r.test/a:1", "IfNotPresent")).await,
        "present in 0 (asked the registry: false)"
    );
    assert_eq!(outcome(&images, &request("r.test/a:1", "Never")).await, "present in 0 (asked the registry: false)");
    assert_eq!(outcome(&images, &request("r.test/a:1", "Always")).await, "pulled into 0 (asked the registry: true)");
}

#[tokio::test]
async fn the_first_runtime_that_accepts_takes_the_image_unless_one_was_chosen() {
    let (wasm, container) = (fake("wasm", "r.test/a:1", false), fake("container", "r.test/a:1", true));
    let images = images(&[&wasm, &container]);
    assert_eq!(outcome(&images, &request("r.test/a:1", "Always")).await, "pulled into 1 (asked the registry: true)");
    let chosen = Request { chosen: Some(0), ..request("r.test/a:1", "Always") };
    assert!(
        outcome(&images, &chosen).await.starts_with(
            "ErrImagePull: image r.test/a:1 is a container image and node edge-1 has no container runtime"
        )
    );
}

#[tokio::test]
async fn a_name_that_cannot_be_one_is_never_asked_for() {
    let images = images(&[]);
    assert_eq!(
        outcome(&images, &request("A b", "Always")).await,
        "InvalidImageName: Failed to apply default image tag \"A b\": couldn't parse image name \"A b\": invalid reference format: repository name must be lowercase"
    );
}

#[test]
fn an_image_id_is_the_name_with_the_digest() {
    assert_eq!(image_id("localhost:5000/a/b:1", "sha256:1"), "localhost:5000/a/b@sha256:1");
    assert_eq!(image_id("a", "sha256:1"), "a@sha256:1");
    assert_eq!(image_id("r.io/a@sha256:1", "sha256:1"), "r.io/a@sha256:1");
}

fn secret(key: &str, config: Value) -> Arc<Secret> {
    let data = [(key.to_owned(), sampan_api::k8s::ByteString(config.to_string().into_bytes()))].into();
    Arc::new(Secret { data: Some(data), ..Secret::default() })
}

#[test]
fn credentials_are_those_of_the_image_registry_the_most_exact_first() {
    let auths = json!({"auths": {
        "https://r.test/v1/": {"auth": "dXNlcjpwYTpzcw=="}, "r.test/team": {"username": "team", "password": "p"}, "other.test": {"auth": "eDp5"}, "*.cloud.test": {"auth": "eDp5"},
    }});
    let secrets = [
        secret(".dockerconfigjson", auths),
        secret(".dockercfg", json!({"r.test": {"username": "old", "password": "p"}})),
    ];
    let names = |image: &str| {
        credentials::for_image(image, &secrets)
            .into_iter()
            .map(|found| format!("{}@{}", found.username, found.registry))
            .collect::<Vec<_>>()
    };
    assert_eq!(names("r.test/team/a:1"), ["team@r.test", "user@r.test", "old@r.test"]);
    assert_eq!(names("r.test/teams/a:1"), ["user@r.test", "old@r.test"]);
    assert_eq!(names("x.cloud.test/a"), ["x@x.cloud.test"]);
    assert_eq!(names("nginx"), Vec::<String>::new());
    assert_eq!(credentials::for_image("r.test/a", &secrets)[0].password, "pa:ss");
}

#[tokio::test]
async fn a_runtime_that_cannot_tell_leaves_the_image_to_no_other() {
    let (wasm, container) = (fake("wasm", "r.test/other:1", true), fake("container", "r.test/a:1", true));
    let images = images(&[&wasm, &container]);
    assert_eq!(
        outcome(&images, &request("r.test/a:1", "Always")).await,
        "ErrImagePull: failed to pull image r.test/a:1: not found in the registry; check name and tag"
    );
}
