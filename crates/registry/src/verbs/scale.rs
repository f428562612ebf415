//! `scale`: the replicas of a workload as an `autoscaling/v1` Scale.

use std::sync::{Arc, LazyLock};

use sampan_meta::field::{self, Path};
use sampan_meta::selector::LabelSelector;
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::patch::{Patch, PatchTarget};
use super::update::{Updated, check_precondition};
use crate::context::RequestContext;
use crate::managed_fields::{self, Tracking};
use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::shape::Shape;

pub(crate) const TYPE_NAME: &str = "autoscaling.v1.Scale";

impl Registry {
    pub(crate) async fn scale_of(&self, resource: &Resource, object: &Arc<Object>) -> Result<Arc<Object>, Status> {
        static SHAPE: LazyLock<Shape> = LazyLock::new(|| Shape::bare("autoscaling/v1".to_owned(), "Scale", TYPE_NAME));
        if resource.subresource("scale").is_none() {
            return Err(Status::path_not_found());
        }
        let scale = scale(resource, &self.state(resource, object).await?)?;
        let scale = Object::from_value(object.key().clone(), object.revision(), &scale, &SHAPE);
        scale.map(Arc::new).map_err(Status::internal)
    }

    pub(crate) async fn update_scale(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        sent: Value,
    ) -> Result<Updated, Status> {
        let retries = object::resource_version(&sent).is_empty();
        self.change_scale(cx, resource, retries, Tracking::ByUpdate, |_| Ok(sent.clone())).await
    }

    pub(crate) async fn patch_scale(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        patch: &Patch,
    ) -> Result<Updated, Status> {
        self.change_scale(cx, resource, true, Tracking::ByUpdate, |now| {
            patch.apply(cx, PatchTarget::Type(TYPE_NAME), now)
        })
        .await
    }

    /// Lays the Scale a client wants over the object. `wanted` is given the present Scale, with who owns its replicas.
    ///
    /// Upstream: `scaleUpdatedObjectInfo.UpdatedObject`.
    pub(crate) async fn change_scale(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        retries: bool,
        tracking: Tracking,
        mut wanted: impl FnMut(Value) -> Result<Value, Status> + Send,
    ) -> Result<Updated, Status> {
        if resource.subresource("scale").is_none() {
            return Err(Status::path_not_found());
        }
        let changed = self.modify(cx, resource, retries, Tracking::Settled, |old| {
            let mut now = scale(resource, old)?;
            managed_fields::scale::show(old, &resource.api_version(), &mut now);
            let mut wanted = wanted(now.clone())?;
            check_scale(&cx.attributes.name, &wanted)?;
            check_precondition(resource, &wanted, old)?;
            if tracking == Tracking::ByUpdate {
                managed_fields::record(&self.scale_writer(cx), Some(&now), &mut wanted);
            }
            let mut object = old.clone();
            let replicas = object::i64_at(&wanted, "/spec/replicas").unwrap_or(0);
            set_replicas(resource, &mut object, replicas);
            managed_fields::scale::settle(&wanted, &resource.api_version(), &mut object);
            Ok(object)
        });
        let object = self.scale_of(resource, &changed.await?).await?;
        Ok(Updated { object, created: false })
    }
}

fn set_replicas(resource: &Resource, object: &mut Value, replicas: i64) {
    match resource.as_custom().and_then(|kind| kind.scale()) {
        Some(paths) => {
            let names: Vec<&str> = paths.spec_replicas.iter().map(String::as_str).collect();
            object::set(object, &names, replicas.into());
        }
        None => object::set(object, &["spec", "replicas"], replicas.into()),
    }
}

/// Upstream: `scaleFromDeployment` and its kin, `scaleFromCustomResource`.
///
/// # Errors
/// 500 for a custom object without replicas.
fn scale(resource: &Resource, parent: &Value) -> Result<Value, Status> {
    let Some(paths) = resource.as_custom().and_then(|kind| kind.scale()) else { return Ok(builtin_scale(parent)) };
    let at = |names: &[String]| names.iter().try_fold(parent, |value, name| value.get(name));
    let Some(wanted) = at(&paths.spec_replicas).and_then(Value::as_i64) else {
        let path = paths.spec_replicas.join(".");
        return Err(Status::internal(format!("the spec replicas field \".{path}\" does not exist")));
    };
    let mut scale = builtin_scale(parent);
    scale["spec"]["replicas"] = wanted.into();
    scale["status"]["replicas"] = at(&paths.status_replicas).and_then(Value::as_i64).unwrap_or(0).into();
    let selector = paths.label_selector.as_deref().and_then(at).and_then(Value::as_str).unwrap_or_default();
    scale["status"]["selector"] = selector.into();
    Ok(scale)
}

fn builtin_scale(parent: &Value) -> Value {
    let mut metadata = json!({});
    for field in ["name", "namespace", "uid", "resourceVersion", "creationTimestamp"] {
        if let Some(value) = object::get(parent, &["metadata", field]) {
            metadata[field] = value.clone();
        }
    }
    let replicas = |pointer| object::i64_at(parent, pointer).unwrap_or(0);
    let selector = parent.pointer("/spec/selector").and_then(selector_of);
    json!({
        "apiVersion": "autoscaling/v1",
        "kind": "Scale",
        "metadata": metadata,
        "spec": {"replicas": replicas("/spec/replicas")},
        "status": {"replicas": replicas("/status/replicas"), "selector": selector.map(|selector| selector.to_string()).unwrap_or_default()},
    })
}

/// A ReplicationController's selector is a plain map, all others are label selectors.
fn selector_of(selector: &Value) -> Option<LabelSelector> {
    let plain = selector.as_object().filter(|members| !members.is_empty() && members.values().all(Value::is_string));
    match plain {
        Some(labels) => Some(LabelSelector::from_map(Some(labels))),
        None => LabelSelector::from_json(selector).ok(),
    }
}

/// Upstream: `ValidateScale`.
fn check_scale(name: &str, scale: &Value) -> Result<(), Status> {
    let own = object::name(scale);
    if !own.is_empty() && own != name {
        return Err(super::create::name_mismatch(own, name));
    }
    let replicas = object::i64_at(scale, "/spec/replicas").unwrap_or(0);
    if replicas >= 0 {
        return Ok(());
    }
    let path = Path::new("spec").child("replicas");
    let error = field::invalid(&path, replicas, "must be greater than or equal to 0");
    Err(Status::invalid("autoscaling", "Scale", name, vec![error]))
}
