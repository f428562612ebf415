//! `metrics.k8s.io/v1beta1`: what nodes and pods use, worked out from what their agents say when somebody asks.
//!
//! Upstream leaves this group to an add-on, metrics-server, whose answers these match (its `pkg/api`). Nothing is collected while nobody
//! asks: the first question waits a second for the second reading that a rate needs, later ones go by the reading before.

mod collect;
mod documents;
mod reading;

use http::{Response, StatusCode};
use sampan_api::request::Lister;
use sampan_meta::selector::{FieldSelector, LabelSelector};
use sampan_meta::{GroupResource, Status, object};
use serde_json::Value;

use crate::body::Body;
use crate::negotiate::{self, Form, Media, Shape};
use crate::pipeline::Call;
use crate::{encode, reply, verbs};

pub(crate) use collect::Collected;

/// The group and the version of it.
pub(crate) const GROUP: (&str, &str) = ("metrics.k8s.io", "v1beta1");

/// One of the two kinds.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) plural: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) type_name: &'static str,
}

/// What can be done with both.
pub(crate) const VERBS: &[&str] = &["get", "list"];

/// Both kinds.
pub(crate) const KINDS: &[Kind] = &[
    Kind { plural: "nodes", kind: "NodeMetrics", namespaced: false, type_name: "metrics.v1beta1.NodeMetrics" },
    Kind { plural: "pods", kind: "PodMetrics", namespaced: true, type_name: "metrics.v1beta1.PodMetrics" },
];

/// The kind a path names.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| (group, version) == GROUP && kind.plural == plural)
}

/// Answers for one object or for all that the selectors and the namespace leave.
pub(crate) async fn answer(call: &Call, kind: &'static Kind) -> Result<Response<Body>, Status> {
    let attributes = &call.attributes;
    let across = attributes.namespace.is_empty();
    if !attributes.subresource.is_empty() || (!kind.namespaced && !across) {
        return Err(Status::path_not_found());
    }
    let form = form(call)?;
    match &*attributes.verb {
        "get" if kind.namespaced && across => Err(Status::path_not_found()),
        "get" => {
            let found = one(call, kind).await?;
            document(call, form, kind, documents::named(kind, found))
        }
        "list" => {
            let found = selected(call, kind)?;
            let items = collect::used(call, kind, &found).await.items;
            document(call, form, kind, documents::list(kind, items))
        }
        verb => Err(Status::method_not_supported(&attributes.group_resource(), verb)),
    }
}

async fn one(call: &Call, kind: &Kind) -> Result<Value, Status> {
    let attributes = &call.attributes;
    let (namespace, name) = (&attributes.namespace, &attributes.name);
    // metrics-server names a pod with its namespace here.
    let full_name = if kind.namespaced { format!("{namespace}/{name}") } else { name.clone() };
    let missing = || Status::not_found(&attributes.group_resource(), &full_name);
    let object = Lister::get(&*call.server.registry, &GroupResource::new("", kind.plural), namespace, name);
    let used = collect::used(call, kind, &[object.ok_or_else(missing)?]).await;
    match (used.items.into_iter().next(), used.unreachable.into_iter().next()) {
        (Some(item), _) => Ok(item),
        (None, Some(why)) => Err(Status::service_unavailable(why)),
        (None, None) => Err(missing()),
    }
}

/// The nodes or pods that are asked for.
fn selected(call: &Call, kind: &Kind) -> Result<Vec<std::sync::Arc<Value>>, Status> {
    let options = verbs::list_options(&call.query)?;
    let labels = options.label_selector.unwrap_or_else(LabelSelector::everything);
    let fields = options.field_selector.unwrap_or_else(FieldSelector::everything);
    let namespace = Some(call.attributes.namespace.as_str()).filter(|namespace| !namespace.is_empty());
    let mut objects = Lister::list(&*call.server.registry, &GroupResource::new("", kind.plural), namespace);
    objects.retain(|object| {
        let field = |path: &str| match path {
            "metadata.name" => Some(object::name(object)),
            "metadata.namespace" => Some(object::namespace(object)),
            _ => None,
        };
        labels.matches_map(object::labels(object)) && fields.matches(field)
    });
    Ok(objects)
}

/// JSON, YAML or a table: a window has no protobuf in the schema's words, and every client takes JSON beside it.
fn form(call: &Call) -> Result<Form, Status> {
    let allowed = |form: Form| match form.shape {
        Shape::Whole => form.media != Media::Protobuf,
        Shape::Table { .. } => form.media == Media::Json,
        _ => false,
    };
    negotiate::accept(&call.headers, allowed)
        .ok_or_else(|| Status::not_acceptable(&["application/json, application/yaml"]))
}

fn document(call: &Call, form: Form, kind: &Kind, document: Value) -> Result<Response<Body>, Status> {
    let document = match form.shape {
        Shape::Table { beta } => documents::table(document, beta, encode::Include::of(&call.query)?),
        _ => document,
    };
    let body = encode::value(form.media, kind.type_name, &document)?;
    Ok(reply::with_type(StatusCode::OK, form.media.content_type(), body))
}
