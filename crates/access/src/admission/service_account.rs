//! Every pod runs as a service account of its namespace and finds its token (upstream's `plugin/pkg/admission/serviceaccount`).

use std::sync::Arc;
use std::time::Duration;

use sampan_api::request::{AdmissionRequest, Operation};
use sampan_meta::{GroupResource, Status, object, random_suffix};
use serde_json::{Value, json};

use super::{Context, Plugin, append, forbidden, writes};
use crate::authz::{Reference, is_mirror, references_anything};

const DEFAULT: &str = "default";
const VOLUME_PREFIX: &str = "kube-api-access-";
const MOUNT_PATH: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
/// An hour and seven seconds: upstream's mark of a token that admission asked for.
const TOKEN_SECONDS: i64 = 3607;
const LOOKS: u32 = 20;
const BETWEEN_LOOKS: Duration = Duration::from_millis(50);

pub(super) struct ServiceAccount;

impl Plugin for ServiceAccount {
    fn name(&self) -> &'static str {
        "ServiceAccount"
    }

    fn mutate(&self, context: &Context, request: &AdmissionRequest<'_>, pod: &mut Value) -> Result<(), Status> {
        // A mirror pod must stay as its node wrote it.
        if !writes(request, "", "pods", &[Operation::Create]) || is_mirror(pod) {
            return Ok(());
        }
        let name = account_name(pod).unwrap_or(DEFAULT).to_owned();
        // Both members, as upstream's conversion writes them: the second is the old name of the first.
        object::set(pod, &["spec", "serviceAccountName"], json!(name));
        object::set(pod, &["spec", "serviceAccount"], json!(name));
        let account = find(context, request, pod, &name)?;
        if wants_token(&account, pod) {
            mount_token(context, pod);
        }
        if object::list_at(pod, "/spec/imagePullSecrets").is_empty() {
            let secrets = object::list_at(&account, "/imagePullSecrets");
            if !secrets.is_empty() {
                object::set(pod, &["spec", "imagePullSecrets"], json!(secrets));
            }
        }
        Ok(())
    }

    fn validate(&self, context: &Context, request: &AdmissionRequest<'_>, pod: &Value) -> Result<(), Status> {
        if !writes(request, "", "pods", &[Operation::Create]) {
            return Ok(());
        }
        let name = account_name(pod).unwrap_or_default();
        if !is_mirror(pod) {
            return find(context, request, pod, name).map(|_| ());
        }
        match () {
            () if !name.is_empty() => Err(forbidden(request, pod, "a mirror pod may not reference service accounts")),
            () if references_anything(pod, Reference::Secret) => {
                Err(forbidden(request, pod, "a mirror pod may not reference secrets"))
            }
            () if projects_token(pod) => {
                Err(forbidden(request, pod, "a mirror pod may not use ServiceAccountToken volume projections"))
            }
            () => Ok(()),
        }
    }
}

/// The default account of a new namespace is made by a controller a moment after the namespace; whoever creates both in one go
/// should not be refused for it. Upstream waits in the same way, by looking again a few times.
pub(super) async fn wait_for_default(context: &Context, request: &AdmissionRequest<'_>, pod: &Value) {
    let is_default = account_name(pod).is_none_or(|name| name == DEFAULT);
    if !writes(request, "", "pods", &[Operation::Create]) || is_mirror(pod) || !is_default {
        return;
    }
    let namespace = &request.attributes.namespace;
    let exists = |plural: &str, namespace: &str, name: &str| {
        context.lister.get(&GroupResource::new("", plural), namespace, name).is_some()
    };
    for _ in 0..LOOKS {
        if exists("serviceaccounts", namespace, DEFAULT) || !exists("namespaces", "", namespace) {
            return;
        }
        tokio::time::sleep(BETWEEN_LOOKS).await;
    }
}

fn account_name(pod: &Value) -> Option<&str> {
    object::str_at(pod, "/spec/serviceAccountName").or_else(|| object::str_at(pod, "/spec/serviceAccount"))
}

fn find(context: &Context, request: &AdmissionRequest<'_>, pod: &Value, name: &str) -> Result<Arc<Value>, Status> {
    let namespace = &request.attributes.namespace;
    let account = context.lister.get(&GroupResource::new("", "serviceaccounts"), namespace, name);
    account.ok_or_else(|| {
        let why = format!("error looking up service account {namespace}/{name}: serviceaccount {name:?} not found");
        forbidden(request, pod, why)
    })
}

/// The pod's own word counts before its account's.
fn wants_token(account: &Value, pod: &Value) -> bool {
    let own = object::bool_at(pod, "/spec/automountServiceAccountToken");
    own.or_else(|| object::bool_at(account, "/automountServiceAccountToken")).unwrap_or(true)
}

fn projects_token(pod: &Value) -> bool {
    let sources =
        object::list_at(pod, "/spec/volumes").iter().flat_map(|volume| object::list_at(volume, "/projected/sources"));
    sources.into_iter().any(|source| source.get("serviceAccountToken").is_some())
}

fn mount_token(context: &Context, pod: &mut Value) {
    let mut names = object::list_at(pod, "/spec/volumes").iter().map(object_name);
    let known = names.find(|name| name.starts_with(VOLUME_PREFIX)).map(str::to_owned);
    let is_new = known.is_none();
    let volume = known.unwrap_or_else(|| format!("{VOLUME_PREFIX}{}", random_suffix(context.entropy.as_ref(), 5)));
    let mut mounted = false;
    for list in ["initContainers", "containers"] {
        let containers = pod.pointer_mut(&format!("/spec/{list}")).and_then(Value::as_array_mut);
        for container in containers.into_iter().flatten() {
            mounted |= mount(container, &volume);
        }
    }
    if is_new && mounted {
        append(pod, &["spec", "volumes"], token_volume(&volume));
    }
}

fn object_name(volume: &Value) -> &str {
    object::str_at(volume, "/name").unwrap_or_default()
}

/// Whether the container did not have something there already.
fn mount(container: &mut Value, volume: &str) -> bool {
    let mounts = object::list_at(container, "/volumeMounts");
    if mounts.iter().any(|mount| object::str_at(mount, "/mountPath") == Some(MOUNT_PATH)) {
        return false;
    }
    append(container, &["volumeMounts"], json!({ "name": volume, "readOnly": true, "mountPath": MOUNT_PATH }));
    true
}

fn token_volume(name: &str) -> Value {
    let namespace =
        json!({ "path": "namespace", "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" } });
    json!({
        "name": name,
        "projected": {
            "defaultMode": 0o644,
            "sources": [
                { "serviceAccountToken": { "expirationSeconds": TOKEN_SECONDS, "path": "token" } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [namespace] } },
            ],
        },
    })
}
