//! Objects at the apiserver that show static pods.

use std::collections::BTreeMap;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::{Api, DeleteParams, Informer, PostParams, Preconditions, error};
use sampan_meta::NamespacedName;

use super::{MIRROR, is_mirror};
use crate::context::Context;
use crate::pod::facts;
use crate::pod::workers::Workers;

/// Makes the mirrors that are missing, removes those of pods that are gone. Answers whether all is as it should be.
pub(super) async fn settle(
    context: &Context,
    informer: &Informer<Pod>,
    pods: &BTreeMap<String, Arc<Pod>>,
    workers: &Workers,
) -> bool {
    let mut settled = true;
    for mirror in informer.list().iter().filter(|pod| is_mirror(pod)) {
        let uid = facts::annotation(mirror, MIRROR).unwrap_or_default();
        let wanted = pods.contains_key(uid) && mirror.metadata.deletion_timestamp.is_none();
        if wanted {
            workers.mirror(uid, Some(mirror.clone()));
        } else {
            settled &= told("delete", mirror, delete(context, mirror).await);
        }
    }
    for pod in pods.values() {
        let name = NamespacedName { namespace: facts::namespace(pod).to_owned(), name: facts::name(pod).to_owned() };
        if informer.get(&name).is_none() {
            settled &= told("create", pod, create(context, pod).await);
        }
    }
    settled
}

fn told(what: &str, pod: &Pod, result: Result<(), sampan_client::Error>) -> bool {
    if let Err(failed) = &result {
        let why = error::message(failed);
        tracing::warn!(
            pod = facts::full_name(pod),
            why,
            "failed to {what} the mirror of a static pod; it is tried again"
        );
    }
    result.is_ok()
}

async fn create(context: &Context, pod: &Pod) -> Result<(), sampan_client::Error> {
    let mut mirror = pod.clone();
    mirror.status = None;
    let uid = mirror.metadata.uid.take().unwrap_or_default();
    mirror.metadata.annotations.get_or_insert_default().insert(MIRROR.to_owned(), uid);
    let api = Api::<Pod>::namespaced(context.client.clone(), facts::namespace(pod));
    match api.create(&PostParams::default(), &mirror).await {
        Err(failed) if !error::is_already_exists(&failed) => Err(failed),
        _ => Ok(()),
    }
}

async fn delete(context: &Context, mirror: &Pod) -> Result<(), sampan_client::Error> {
    let api = Api::<Pod>::namespaced(context.client.clone(), facts::namespace(mirror));
    let preconditions = Some(Preconditions { uid: mirror.metadata.uid.clone(), resource_version: None });
    let params = DeleteParams { grace_period_seconds: Some(0), preconditions, ..DeleteParams::default() };
    match api.delete(facts::name(mirror), &params).await {
        Err(failed) if !error::is_not_found(&failed) && !error::is_conflict(&failed) => Err(failed),
        _ => Ok(()),
    }
}
