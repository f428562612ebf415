//! What configMap, secret, downwardAPI and projected volumes hold.

use std::collections::{BTreeMap, BTreeSet};

use sampan_api::k8s::api::core::v1::{
    ConfigMap, DownwardAPIVolumeFile, KeyToPath, Pod, Secret, ServiceAccountTokenProjection, Volume, VolumeProjection,
};

use super::atomic::Content;
use crate::environment::{ConfigError, Surroundings, fields};

type Files = BTreeMap<String, Content>;

/// Which token: audience and life time in seconds.
pub(crate) type TokenKey = (String, i64);
/// Tokens of the pod's service account.
pub(crate) type Tokens = BTreeMap<TokenKey, String>;

const DEFAULT_MODE: i32 = 0o644;

pub(super) fn payload(volume: &Volume, around: &Surroundings<'_>, tokens: &Tokens) -> Result<Option<Files>, String> {
    let mut files = Files::new();
    if let Some(source) = &volume.config_map {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        config_map(&source.name, source.items.as_deref(), source.optional, mode, around, &mut files)?;
    } else if let Some(source) = &volume.secret {
        let (mode, name) =
            (source.default_mode.unwrap_or(DEFAULT_MODE), source.secret_name.as_deref().unwrap_or_default());
        secret(name, source.items.as_deref(), source.optional, mode, around, &mut files)?;
    } else if let Some(source) = &volume.downward_api {
        downward(source.items.as_deref(), source.default_mode.unwrap_or(DEFAULT_MODE), around, &mut files)?;
    } else if let Some(source) = &volume.projected {
        let mode = source.default_mode.unwrap_or(DEFAULT_MODE);
        for projection in source.sources.iter().flatten() {
            project(projection, mode, around, tokens, &mut files)?;
        }
    } else {
        return Ok(None);
    }
    Ok(Some(files))
}

fn project(
    source: &VolumeProjection,
    mode: i32,
    around: &Surroundings<'_>,
    tokens: &Tokens,
    files: &mut Files,
) -> Result<(), String> {
    if let Some(source) = &source.config_map {
        config_map(&source.name, source.items.as_deref(), source.optional, mode, around, files)?;
    }
    if let Some(source) = &source.secret {
        secret(&source.name, source.items.as_deref(), source.optional, mode, around, files)?;
    }
    if let Some(source) = &source.downward_api {
        downward(source.items.as_deref(), mode, around, files)?;
    }
    if let Some(source) = &source.service_account_token {
        let token = tokens.get(&token_key(source)).ok_or("the service account token was not issued")?;
        put(&source.path, token.clone().into_bytes(), None, mode, files)?;
    }
    if source.cluster_trust_bundle.is_some() {
        return Err("clusterTrustBundle projections are not offered by this node".to_owned());
    }
    Ok(())
}

fn token_key(source: &ServiceAccountTokenProjection) -> TokenKey {
    (source.audience.clone().unwrap_or_default(), source.expiration_seconds.unwrap_or(3600))
}

/// The tokens a pod's volumes need.
pub(crate) fn token_requests(pod: &Pod) -> BTreeSet<TokenKey> {
    let projected = volumes(pod).filter_map(|volume| volume.projected.as_ref());
    let sources = projected.flat_map(|projected| projected.sources.iter().flatten());
    sources.filter_map(|source| source.service_account_token.as_ref()).map(token_key).collect()
}

fn volumes(pod: &Pod) -> impl Iterator<Item = &Volume> {
    pod.spec.iter().flat_map(|spec| spec.volumes.iter().flatten())
}

fn config_map(
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
    mode: i32,
    around: &Surroundings<'_>,
    files: &mut Files,
) -> Result<(), String> {
    let Some(map) = around.objects.config_maps.get(name) else { return missing("configmap", name, optional) };
    let find = |key: &str| config_value(map, key);
    let keys = map.data.iter().flat_map(BTreeMap::keys).chain(map.binary_data.iter().flat_map(BTreeMap::keys));
    keyed(items, keys, find, "config", optional, mode, files)
}

fn config_value(map: &ConfigMap, key: &str) -> Option<Vec<u8>> {
    let text = map.data.as_ref().and_then(|data| data.get(key)).map(|text| text.clone().into_bytes());
    text.or_else(|| map.binary_data.as_ref()?.get(key).map(|bytes| bytes.0.clone()))
}

fn secret(
    name: &str,
    items: Option<&[KeyToPath]>,
    optional: Option<bool>,
    mode: i32,
    around: &Surroundings<'_>,
    files: &mut Files,
) -> Result<(), String> {
    let Some(secret) = around.objects.secrets.get(name) else { return missing("secret", name, optional) };
    let find = |key: &str| secret_value(secret, key);
    keyed(items, secret.data.iter().flat_map(BTreeMap::keys), find, "secret", optional, mode, files)
}

fn secret_value(secret: &Secret, key: &str) -> Option<Vec<u8>> {
    secret.data.as_ref()?.get(key).map(|bytes| bytes.0.clone())
}

fn missing(kind: &'static str, name: &str, optional: Option<bool>) -> Result<(), String> {
    if optional == Some(true) { Ok(()) } else { Err(ConfigError::Missing { kind, name: name.to_owned() }.to_string()) }
}

/// All keys under their own names, or the chosen ones where `items` wants them.
fn keyed<'a>(
    items: Option<&[KeyToPath]>,
    keys: impl Iterator<Item = &'a String>,
    find: impl Fn(&str) -> Option<Vec<u8>>,
    kind: &str,
    optional: Option<bool>,
    mode: i32,
    files: &mut Files,
) -> Result<(), String> {
    let Some(items) = items.filter(|items| !items.is_empty()) else {
        for key in keys {
            put(key, find(key).unwrap_or_default(), None, mode, files)?;
        }
        return Ok(());
    };
    for item in items {
        match find(&item.key) {
            Some(data) => put(&item.path, data, item.mode, mode, files)?,
            None if optional == Some(true) => {}
            None => return Err(format!("references non-existent {kind} key: {}", item.key)),
        }
    }
    Ok(())
}

fn downward(
    items: Option<&[DownwardAPIVolumeFile]>,
    mode: i32,
    around: &Surroundings<'_>,
    files: &mut Files,
) -> Result<(), String> {
    for item in items.into_iter().flatten() {
        let text = match (&item.field_ref, &item.resource_field_ref) {
            (Some(field), _) => fields::field(&field.field_path, around)?,
            (None, Some(selector)) => {
                let name = selector.container_name.as_deref().unwrap_or_default();
                let container = crate::pod::facts::container(around.pod, name);
                fields::resource(
                    selector,
                    container.ok_or_else(|| format!("there is no container {name}"))?,
                    around.capacity,
                )?
            }
            (None, None) => {
                return Err(format!("downwardAPI file {} names neither fieldRef nor resourceFieldRef", item.path));
            }
        };
        put(&item.path, text.into_bytes(), item.mode, mode, files)?;
    }
    Ok(())
}

fn put(path: &str, data: Vec<u8>, mode: Option<i32>, default: i32, files: &mut Files) -> Result<(), String> {
    let bad = path.is_empty()
        || path.len() > 4096
        || path.starts_with('/')
        || path.split('/').any(|part| part.starts_with("..") || part.is_empty());
    if bad {
        return Err(format!("path {path:?} must be relative and not contain '..'"));
    }
    let mode = u32::try_from(mode.unwrap_or(default)).unwrap_or(0o644) & 0o777;
    files.insert(path.to_owned(), Content { data, mode });
    Ok(())
}

/// Everything of ConfigMaps and Secrets that the pod's volumes, variables and image pulls name.
pub(super) fn references(pod: &Pod) -> BTreeSet<(&'static str, String)> {
    let (mut maps, mut secrets) = (Vec::new(), Vec::new());
    for volume in volumes(pod) {
        maps.extend(volume.config_map.as_ref().map(|source| &source.name));
        secrets.extend(volume.secret.as_ref().and_then(|source| source.secret_name.as_ref()));
        for source in volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten()) {
            maps.extend(source.config_map.as_ref().map(|source| &source.name));
            secrets.extend(source.secret.as_ref().map(|source| &source.name));
        }
    }
    for container in crate::pod::facts::all_containers(pod) {
        for source in container.env_from.iter().flatten() {
            maps.extend(source.config_map_ref.as_ref().map(|source| &source.name));
            secrets.extend(source.secret_ref.as_ref().map(|source| &source.name));
        }
        for source in container.env.iter().flatten().filter_map(|variable| variable.value_from.as_ref()) {
            maps.extend(source.config_map_key_ref.as_ref().map(|source| &source.name));
            secrets.extend(source.secret_key_ref.as_ref().map(|source| &source.name));
        }
    }
    secrets.extend(
        pod.spec.iter().flat_map(|spec| spec.image_pull_secrets.iter().flatten()).map(|reference| &reference.name),
    );
    let maps = maps.into_iter().map(|name| ("configmaps", name.clone()));
    let secrets = secrets.into_iter().map(|name| ("secrets", name.clone()));
    maps.chain(secrets).filter(|(_, name)| !name.is_empty()).collect()
}
