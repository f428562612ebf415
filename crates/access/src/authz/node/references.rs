//! Which other objects a pod refers to: what a node that runs the pod must be able to read (upstream's `pkg/api/pod/util.go`).

use serde_json::Value;

/// A kind of object pods refer to by name, in their own namespace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Reference {
    Secret,
    ConfigMap,
    Claim,
    ServiceAccount,
}

const MIRROR: &str = "kubernetes.io/config.mirror";

/// Whether the pod refers to the object of this kind and name. A mirror pod refers to nothing: it was written by the node
/// itself, which could otherwise grant itself every secret.
pub(crate) fn references(pod: &Value, reference: Reference, name: &str) -> bool {
    !is_mirror(pod)
        && (names(pod, reference).contains(&name) || (reference == Reference::Claim && is_ephemeral(pod, name)))
}

/// Whether the claim is one the pod's own ephemeral volumes are made of: they are called after both.
fn is_ephemeral(pod: &Value, claim: &str) -> bool {
    let volume = text(pod, "/metadata/name").and_then(|pod| claim.strip_prefix(pod)?.strip_prefix('-'));
    let spec = pod.get("spec").unwrap_or(&Value::Null);
    let mut ephemeral = items(spec, "volumes").filter(|volume| volume.get("ephemeral").is_some_and(Value::is_object));
    volume.is_some_and(|name| ephemeral.any(|volume| text(volume, "/name") == Some(name)))
}

/// Whether the pod refers to any object of this kind.
pub(crate) fn references_anything(pod: &Value, reference: Reference) -> bool {
    !names(pod, reference).is_empty()
}

/// Whether the pod stands for a static pod of its node.
pub(crate) fn is_mirror(pod: &Value) -> bool {
    pod.pointer("/metadata/annotations").and_then(|annotations| annotations.get(MIRROR)).is_some()
}

fn names(pod: &Value, reference: Reference) -> Vec<&str> {
    let Some(spec) = pod.get("spec") else { return Vec::new() };
    match reference {
        Reference::ServiceAccount => text(spec, "/serviceAccountName").into_iter().collect(),
        Reference::Claim => volumes(spec, "/persistentVolumeClaim/claimName").collect(),
        Reference::Secret => {
            let pull = items(spec, "imagePullSecrets").filter_map(|item| text(item, "/name"));
            let own = volumes(spec, "/secret/secretName").chain(projected(spec, "/secret/name"));
            own.chain(environment(spec, "secret")).chain(pull).collect()
        }
        Reference::ConfigMap => {
            let own = volumes(spec, "/configMap/name").chain(projected(spec, "/configMap/name"));
            own.chain(environment(spec, "configMap")).collect()
        }
    }
}

fn volumes<'a>(spec: &'a Value, path: &'static str) -> impl Iterator<Item = &'a str> {
    items(spec, "volumes").filter_map(move |volume| text(volume, path))
}

fn projected<'a>(spec: &'a Value, path: &'static str) -> impl Iterator<Item = &'a str> {
    let projected = items(spec, "volumes").filter_map(|volume| volume.get("projected"));
    projected.flat_map(|projected| items(projected, "sources")).filter_map(move |source| text(source, path))
}

/// Names in `env` and `envFrom` of every container; `kind` is `secret` or `configMap`.
fn environment<'a>(spec: &'a Value, kind: &'static str) -> impl Iterator<Item = &'a str> {
    let containers =
        ["initContainers", "containers", "ephemeralContainers"].into_iter().flat_map(|list| items(spec, list));
    containers.flat_map(move |container| {
        let single =
            items(container, "env").filter_map(move |entry| text(entry, &format!("/valueFrom/{kind}KeyRef/name")));
        let whole = items(container, "envFrom").filter_map(move |entry| text(entry, &format!("/{kind}Ref/name")));
        single.chain(whole)
    })
}

fn items<'a>(value: &'a Value, member: &str) -> impl Iterator<Item = &'a Value> {
    value.get(member).and_then(Value::as_array).into_iter().flatten()
}

fn text<'a>(value: &'a Value, path: &str) -> Option<&'a str> {
    value.pointer(path).and_then(Value::as_str).filter(|text| !text.is_empty())
}
