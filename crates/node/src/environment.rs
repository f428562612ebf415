//! A container's environment, command and arguments, as `makeEnvironmentVariables` of pkg/kubelet/kubelet_pods.go.

mod expand;
pub(crate) mod fields;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{ConfigMap, Container, EnvFromSource, EnvVar, EnvVarSource, Pod, Secret};

pub(crate) use expand::expand;

/// ConfigMaps and Secrets a pod refers to, by name, as far as they exist.
#[derive(Clone, Debug, Default)]
pub(crate) struct Objects {
    pub(crate) config_maps: BTreeMap<String, Arc<ConfigMap>>,
    pub(crate) secrets: BTreeMap<String, Arc<Secret>>,
}

/// What an environment is made from beside the container.
pub(crate) struct Surroundings<'a> {
    pub(crate) pod: &'a Pod,
    pub(crate) address: Option<IpAddr>,
    pub(crate) node_name: &'a str,
    pub(crate) node_address: IpAddr,
    /// What `resourceFieldRef` says of a limit that is not set.
    pub(crate) capacity: crate::Capacity,
    pub(crate) objects: &'a Objects,
    /// Variables about services; weakest of all.
    pub(crate) services: Vec<(String, String)>,
}

/// Why a container cannot be configured: `CreateContainerConfigError`.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub(crate) enum ConfigError {
    #[error("{kind} \"{name}\" not found")]
    Missing { kind: &'static str, name: String },
    #[error("couldn't find key {key} in {kind} {namespace}/{name}")]
    NoKey { kind: &'static str, namespace: String, name: String, key: String },
    #[error("{0}")]
    Field(String),
    #[error("environment variable {variable} is not UTF-8: {kind} {name} key {key}; mount it as a volume instead")]
    NotText { variable: String, kind: &'static str, name: String, key: String },
}

/// Name and value of every variable, later ones having replaced earlier ones of the same name.
pub(crate) fn environment(
    container: &Container,
    around: &Surroundings<'_>,
) -> Result<Vec<(String, String)>, ConfigError> {
    let mut variables = Variables::default();
    for source in container.env_from.iter().flatten() {
        from_source(source, around, &mut variables)?;
    }
    let services: BTreeMap<&str, &str> =
        around.services.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    for variable in container.env.iter().flatten() {
        let value = match (&variable.value_from, &variable.value) {
            (Some(source), _) => value_from(variable, source, container, around)?,
            (None, value) => {
                let text = value.as_deref().unwrap_or_default();
                let known =
                    |name: &str| variables.get(name).or_else(|| services.get(name).map(|value| (*value).to_owned()));
                Some(expand(text, known))
            }
        };
        if let Some(value) = value {
            variables.set(&variable.name, value);
        }
    }
    let missing: Vec<_> = around.services.iter().filter(|(name, _)| variables.get(name).is_none()).cloned().collect();
    Ok(variables.list.into_iter().chain(missing).collect())
}

/// Command and arguments with `$(VARIABLE)` replaced.
pub(crate) fn words(words: Option<&Vec<String>>, environment: &[(String, String)]) -> Vec<String> {
    let known = |name: &str| environment.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
    words.into_iter().flatten().map(|word| expand(word, known)).collect()
}

#[derive(Default)]
struct Variables {
    list: Vec<(String, String)>,
}

impl Variables {
    fn get(&self, name: &str) -> Option<String> {
        self.list.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
    }

    fn set(&mut self, name: &str, value: String) {
        match self.list.iter_mut().find(|(known, _)| known == name) {
            Some(known) => known.1 = value,
            None => self.list.push((name.to_owned(), value)),
        }
    }
}

fn from_source(
    source: &EnvFromSource,
    around: &Surroundings<'_>,
    variables: &mut Variables,
) -> Result<(), ConfigError> {
    let prefix = source.prefix.as_deref().unwrap_or_default();
    if let Some(reference) = &source.config_map_ref {
        let map = around.objects.config_maps.get(&reference.name);
        let Some(map) = or_missing(map, "configmap", &reference.name, reference.optional)? else { return Ok(()) };
        for (key, value) in map.data.iter().flatten() {
            variables.set(&format!("{prefix}{key}"), value.clone());
        }
    }
    if let Some(reference) = &source.secret_ref {
        let secret = around.objects.secrets.get(&reference.name);
        let Some(secret) = or_missing(secret, "secret", &reference.name, reference.optional)? else { return Ok(()) };
        for (key, value) in secret.data.iter().flatten() {
            let variable = format!("{prefix}{key}");
            variables.set(&variable, text(&value.0, &variable, "Secret", &reference.name, key)?);
        }
    }
    Ok(())
}

fn or_missing<'a, T>(
    object: Option<&'a Arc<T>>,
    kind: &'static str,
    name: &str,
    optional: Option<bool>,
) -> Result<Option<&'a Arc<T>>, ConfigError> {
    match object {
        None if optional != Some(true) => Err(ConfigError::Missing { kind, name: name.to_owned() }),
        found => Ok(found),
    }
}

fn text(bytes: &[u8], variable: &str, kind: &'static str, name: &str, key: &str) -> Result<String, ConfigError> {
    String::from_utf8(bytes.to_vec()).map_err(|_| ConfigError::NotText {
        variable: variable.to_owned(),
        kind,
        name: name.to_owned(),
        key: key.to_owned(),
    })
}

/// `None`: optional and not there, so the variable is not set at all.
fn value_from(
    variable: &EnvVar,
    source: &EnvVarSource,
    container: &Container,
    around: &Surroundings<'_>,
) -> Result<Option<String>, ConfigError> {
    if let Some(field) = &source.field_ref {
        return fields::field(&field.field_path, around).map(Some).map_err(ConfigError::Field);
    }
    if let Some(selector) = &source.resource_field_ref {
        let named = selector.container_name.as_deref().and_then(|name| crate::pod::facts::container(around.pod, name));
        return fields::resource(selector, named.unwrap_or(container), around.capacity)
            .map(Some)
            .map_err(ConfigError::Field);
    }
    if let Some(selector) = &source.config_map_key_ref {
        let map = around.objects.config_maps.get(&selector.name);
        let Some(map) = or_missing(map, "configmap", &selector.name, selector.optional)? else { return Ok(None) };
        let value = map.data.as_ref().and_then(|data| data.get(&selector.key)).cloned();
        return or_no_key(value, "ConfigMap", &selector.name, &selector.key, selector.optional, around);
    }
    if let Some(selector) = &source.secret_key_ref {
        let secret = around.objects.secrets.get(&selector.name);
        let Some(secret) = or_missing(secret, "secret", &selector.name, selector.optional)? else { return Ok(None) };
        let bytes = secret.data.as_ref().and_then(|data| data.get(&selector.key));
        let value =
            bytes.map(|bytes| text(&bytes.0, &variable.name, "Secret", &selector.name, &selector.key)).transpose()?;
        return or_no_key(value, "Secret", &selector.name, &selector.key, selector.optional, around);
    }
    Ok(Some(String::new()))
}

fn or_no_key(
    value: Option<String>,
    kind: &'static str,
    name: &str,
    key: &str,
    optional: Option<bool>,
    around: &Surroundings<'_>,
) -> Result<Option<String>, ConfigError> {
    if value.is_none() && optional != Some(true) {
        let namespace = crate::pod::facts::namespace(around.pod).to_owned();
        return Err(ConfigError::NoKey { kind, namespace, name: name.to_owned(), key: key.to_owned() });
    }
    Ok(value)
}
