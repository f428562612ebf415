//! Registry credentials out of pull secrets.

use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sampan_api::k8s::api::core::v1::Secret;
use sampan_runtime::Credentials;
use serde_json::Value;

/// The credentials in `secrets` that are for the image's registry, in the order of the secrets, the most exact entry of each first.
/// A secret that cannot be read gives none, as with the kubelet: the pull then says it was not allowed.
pub(super) fn for_image(image: &str, secrets: &[Arc<Secret>]) -> Vec<Credentials> {
    secrets.iter().flat_map(|secret| of_secret(image, secret)).collect()
}

fn of_secret(image: &str, secret: &Secret) -> Vec<Credentials> {
    let mut found: Vec<(usize, Credentials)> =
        entries(secret).filter_map(|(key, entry)| matching(image, &key, &entry)).collect();
    found.sort_by_key(|(length, _)| std::cmp::Reverse(*length));
    found.into_iter().map(|(_, credentials)| credentials).collect()
}

/// Entries of both forms: `.dockerconfigjson` wraps them in `auths`, the older `.dockercfg` does not.
fn entries(secret: &Secret) -> impl Iterator<Item = (String, Value)> {
    let data = secret.data.as_ref();
    let read = |key: &str| {
        data.and_then(|data| data.get(key)).and_then(|bytes| serde_json::from_slice::<Value>(&bytes.0).ok())
    };
    let new = read(".dockerconfigjson").map(|mut config| config["auths"].take());
    let maps = [new, read(".dockercfg")].into_iter().flatten();
    maps.filter_map(|map| if let Value::Object(map) = map { Some(map) } else { None }).flatten()
}

fn matching(image: &str, key: &str, entry: &Value) -> Option<(usize, Credentials)> {
    let place = key.trim_start_matches("https://").trim_start_matches("http://").trim_end_matches('/');
    let place = place.trim_end_matches("/v1").trim_end_matches("/v2");
    let (host, path) = place.split_once('/').unwrap_or((place, ""));
    let (image_host, image_path) = split(image);
    let same_host = host_matches(host, image_host);
    let below = path.is_empty()
        || image_path.strip_prefix(path).is_some_and(|rest| rest.is_empty() || rest.starts_with(['/', ':', '@']));
    let (username, password) = user(entry)?;
    (same_host && below).then(|| (place.len(), Credentials { registry: image_host.to_owned(), username, password }))
}

/// `*` stands for one label of the host, as in the kubelet.
fn host_matches(pattern: &str, host: &str) -> bool {
    let docker = |host: &str| matches!(host, "docker.io" | "index.docker.io" | "registry-1.docker.io");
    if docker(pattern) && docker(host) {
        return true;
    }
    let (pattern, host): (Vec<&str>, Vec<&str>) = (pattern.split('.').collect(), host.split('.').collect());
    pattern.len() == host.len() && pattern.iter().zip(host).all(|(pattern, label)| *pattern == "*" || *pattern == label)
}

fn split(image: &str) -> (&str, &str) {
    match image.split_once('/') {
        Some((host, path)) if host.contains(['.', ':']) || host == "localhost" => (host, path),
        _ => ("docker.io", image),
    }
}

fn user(entry: &Value) -> Option<(String, String)> {
    let text = |key: &str| entry[key].as_str().filter(|text| !text.is_empty()).map(str::to_owned);
    if let (Some(username), Some(password)) = (text("username"), text("password")) {
        return Some((username, password));
    }
    let decoded = String::from_utf8(STANDARD.decode(text("auth")?.trim()).ok()?).ok()?;
    let (username, password) = decoded.split_once(':')?;
    Some((username.to_owned(), password.trim_end_matches('\0').to_owned()))
}
