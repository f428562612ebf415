//! Whose object is whose: controller references, adoption of orphans, release of what no longer matches.
//!
//! As upstream's `pkg/controller/controller_ref_manager.go`.

use std::sync::Arc;

use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{LabelSelector as Selector, ObjectMeta, OwnerReference};
use sampan_client::{Api, Error, Informer, Patch, PatchParams, Resource, Watched, error};
use sampan_meta::selector::LabelSelector;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::controller::{Failure, Key};

/// The name of the index of objects by their controller's uid.
pub(crate) const BY_CONTROLLER: &str = "controller";
/// The name of the index of objects without a controller by namespace.
pub(crate) const ORPHANS: &str = "orphans";

/// Adds the two indices by which an owner finds its own and the orphans it might adopt.
pub(crate) fn add_indices<K: Watched>(informer: &Informer<K>) {
    informer.add_index(BY_CONTROLLER, |object| {
        controller_of(object.meta()).map(|owner| owner.uid.clone()).into_iter().collect()
    });
    informer.add_index(ORPHANS, |object| {
        let orphan = controller_of(object.meta()).is_none();
        object.meta().namespace.clone().filter(|_| orphan).into_iter().collect()
    });
}

/// The reference to the object's controller.
pub(crate) fn controller_of(meta: &ObjectMeta) -> Option<&OwnerReference> {
    meta.owner_references.iter().flatten().find(|owner| owner.controller == Some(true))
}

/// The key of the object's controller if that is of this kind.
pub(crate) fn controller_key<O: Resource<DynamicType = ()>>(meta: &ObjectMeta) -> Option<Key> {
    let owner = controller_of(meta)?;
    let group = |api_version: &str| api_version.split_once('/').map_or("", |(group, _)| group).to_owned();
    let matches = owner.kind == O::kind(&()) && group(&owner.api_version) == O::group(&());
    matches.then(|| Key::new(meta.namespace.clone().unwrap_or_default(), &owner.name))
}

/// A reference that makes `owner` the controller of what carries it.
pub(crate) fn controller_reference<O: Resource<DynamicType = ()>>(owner: &O) -> OwnerReference {
    let meta = owner.meta();
    OwnerReference {
        api_version: O::api_version(&()).into_owned(),
        kind: O::kind(&()).into_owned(),
        name: meta.name.clone().unwrap_or_default(),
        uid: meta.uid.clone().unwrap_or_default(),
        controller: Some(true),
        block_owner_deletion: Some(true),
    }
}

/// Reads a selector of a spec. An empty one selects everything, as the API says; workloads never have one.
pub(crate) fn selector(selector: &Selector) -> Result<LabelSelector, Failure> {
    let value = serde_json::to_value(selector).map_err(|problem| Failure::Object(problem.to_string()))?;
    LabelSelector::from_json(&value).map_err(|problem| Failure::Object(format!("invalid label selector: {problem}")))
}

/// What an owner has, takes and lets go.
#[derive(Debug)]
pub(crate) struct Claims<K> {
    pub(crate) owned: Vec<Arc<K>>,
    pub(crate) adopt: Vec<Arc<K>>,
    pub(crate) release: Vec<Arc<K>>,
}

/// Sorts objects by what `owner` has to do with them. An owner that is being deleted takes and releases nothing.
pub(crate) fn claims<K: Watched>(owner: &ObjectMeta, selector: &LabelSelector, objects: Vec<Arc<K>>) -> Claims<K> {
    claims_where(owner, |object| sampan_client::informer::matches(selector, object), objects)
}

/// [`claims`] of an owner for which labels are not all that counts.
pub(crate) fn claims_where<K: Watched>(
    owner: &ObjectMeta,
    matches: impl Fn(&K) -> bool,
    objects: Vec<Arc<K>>,
) -> Claims<K> {
    let mut claims = Claims { owned: Vec::new(), adopt: Vec::new(), release: Vec::new() };
    let may_change = owner.deletion_timestamp.is_none();
    for object in objects {
        let matches = matches(&*object);
        let meta = object.meta();
        match controller_of(meta) {
            Some(reference) if Some(&reference.uid) != owner.uid.as_ref() => {}
            Some(_) if matches => claims.owned.push(object),
            Some(_) if may_change => claims.release.push(object),
            Some(_) => {}
            None if matches && may_change && meta.deletion_timestamp.is_none() => claims.adopt.push(object),
            None => {}
        }
    }
    claims
}

/// The objects that may concern an owner: those it controls and the orphans of its namespace.
pub(crate) fn candidates<K: Watched>(informer: &Informer<K>, owner: &ObjectMeta) -> Vec<Arc<K>> {
    let mut objects = informer.by_index(BY_CONTROLLER, owner.uid.as_deref().unwrap_or_default());
    objects.extend(informer.by_index(ORPHANS, owner.namespace.as_deref().unwrap_or_default()));
    objects
}

/// Adopts and releases as `claims` says and returns all that is owned afterwards, plus whether anything was written.
pub(crate) async fn settle<O, K>(
    owner: &O,
    owners: &Api<O>,
    objects: &Api<K>,
    claims: Claims<K>,
    wrote: impl Fn(&K),
) -> Result<Vec<Arc<K>>, Failure>
where
    O: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
    K: Watched + DeserializeOwned + std::fmt::Debug,
{
    let Claims { mut owned, adopt, release } = claims;
    if !adopt.is_empty() {
        check_alive(owner, owners).await?;
    }
    for object in &adopt {
        if let Some(adopted) = gone_is_none(patch_owner(objects, &**object, &adoption(owner, &**object)).await)? {
            wrote(&adopted);
            owned.push(Arc::new(adopted));
        }
    }
    for object in &release {
        if let Some(released) = gone_is_none(patch_owner(objects, &**object, &release_patch(owner, &**object)).await)? {
            wrote(&released);
        }
    }
    Ok(owned)
}

/// An owner deleted meanwhile must not adopt: its orphans may be meant for somebody else.
async fn check_alive<O>(owner: &O, owners: &Api<O>) -> Result<(), Failure>
where
    O: Resource<DynamicType = ()> + Clone + DeserializeOwned + std::fmt::Debug,
{
    let name = owner.meta().name.as_deref().unwrap_or_default();
    let fresh = owners.get(name).await?;
    if fresh.meta().uid != owner.meta().uid || fresh.meta().deletion_timestamp.is_some() {
        return Err(Failure::Object(format!("{name} was deleted or replaced and adopts nothing")));
    }
    Ok(())
}

async fn patch_owner<K>(objects: &Api<K>, object: &K, patch: &serde_json::Value) -> Result<K, Error>
where
    K: Resource + Clone + DeserializeOwned + std::fmt::Debug,
{
    let name = object.meta().name.as_deref().unwrap_or_default();
    objects.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await
}

/// Gone, or changed beyond recognition (the uid in the patch no longer fits): not ours any more.
fn gone_is_none<K>(patched: Result<K, Error>) -> Result<Option<K>, Failure> {
    match patched {
        Ok(object) => Ok(Some(object)),
        Err(failure) if error::is_not_found(&failure) || error::status(&failure).is_some_and(|s| s.code == 422) => {
            Ok(None)
        }
        Err(failure) => Err(failure.into()),
    }
}

/// The whole list is written with the version it was read at: a merge patch cannot add one member.
fn adoption<O: Resource<DynamicType = ()>, K: Resource>(owner: &O, object: &K) -> serde_json::Value {
    let mut owners = object.meta().owner_references.clone().unwrap_or_default();
    owners.retain(|other| Some(&other.uid) != owner.meta().uid.as_ref());
    owners.push(controller_reference(owner));
    owner_patch(object, &owners)
}

fn release_patch<O: Resource<DynamicType = ()>, K: Resource>(owner: &O, object: &K) -> serde_json::Value {
    let mut owners = object.meta().owner_references.clone().unwrap_or_default();
    owners.retain(|other| Some(&other.uid) != owner.meta().uid.as_ref());
    owner_patch(object, &owners)
}

fn owner_patch<K: Resource>(object: &K, owners: &[OwnerReference]) -> serde_json::Value {
    let meta = object.meta();
    json!({ "metadata": { "uid": meta.uid, "resourceVersion": meta.resource_version, "ownerReferences": owners } })
}
