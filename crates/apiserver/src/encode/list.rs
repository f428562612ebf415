//! Lists, put together from the bytes of their objects while they are sent.

use std::sync::Arc;

use bytes::Bytes;
use http::{Response, StatusCode};
use sampan_meta::Status;
use sampan_registry::{List, Object, Registry, Resource};
use serde_json::{Value, json};

use super::{TableOptions, partial, table, wire, yaml};
use crate::blocks::Blocks;
use crate::body::Body;
use crate::negotiate::{Form, Media, Shape};
use crate::reply;

/// Answers with a list in the form asked for.
pub(crate) fn list(
    form: Form,
    registry: &Registry,
    resource: &Resource,
    list: List,
    options: TableOptions,
) -> Result<Response<Body>, Status> {
    let body: Body = match (form.shape, form.media) {
        (Shape::Table { beta }, _) => {
            let rows = table::table(registry, resource, &list.objects, options);
            let meta = table::list_meta(list.revision, &list.continue_token, list.remaining);
            table::document(&rows, beta, table::Columns::Given, &meta).into()
        }
        (Shape::MetadataList, Media::Protobuf) => metadata_protobuf(&list)?,
        (Shape::MetadataList, _) => {
            let items = list.objects.iter().map(|object| partial(object)).collect::<Result<Vec<_>, _>>()?;
            json_list("PartialObjectMetadataList", "meta.k8s.io/v1", &list, items.into_iter())
        }
        (_, Media::Json) => {
            let items = list.objects.clone().into_iter().map(|object| object.json().clone());
            json_list(resource.names.list_kind, &resource.api_version(), &list, items)
        }
        (_, Media::Protobuf) => {
            let items = list.objects.iter().map(|object| wire::message(object)).collect::<Result<Vec<_>, _>>()?;
            protobuf_list(resource.names.list_kind, &resource.api_version(), &list, items)
        }
        (_, Media::Yaml) => yaml(&whole(resource, &list))?.into(),
    };
    Ok(reply::with_type(StatusCode::OK, form.media.content_type(), body))
}

/// The list as one value, for the rare client that reads YAML.
fn whole(resource: &Resource, list: &List) -> Value {
    let items: Vec<Value> = list.objects.iter().map(|object: &Arc<Object>| object.value()).collect();
    json!({
        "kind": resource.names.list_kind,
        "apiVersion": resource.api_version(),
        "metadata": table::list_meta(list.revision, &list.continue_token, list.remaining),
        "items": items,
    })
}

fn json_list(
    kind: &str,
    api_version: &str,
    list: &List,
    items: impl Iterator<Item = Bytes> + Clone + Send + 'static,
) -> Body {
    let meta = table::list_meta(list.revision, &list.continue_token, list.remaining);
    let head = format!("{{\"kind\":{kind:?},\"apiVersion\":{api_version:?},\"metadata\":{meta},\"items\":[");
    let count = list.objects.len() as u64;
    let content: u64 = items.clone().map(|item| item.len() as u64).sum();
    let total = head.len() as u64 + content + count.saturating_sub(1) + 2;
    let separated = items.enumerate().flat_map(|(index, item)| {
        let comma = (index > 0).then_some(Bytes::from_static(b","));
        comma.into_iter().chain(std::iter::once(item))
    });
    let pieces = std::iter::once(Bytes::from(head)).chain(separated).chain(std::iter::once(Bytes::from_static(b"]}")));
    Body::blocks(Blocks::new(pieces, total), total)
}

fn metadata_protobuf(list: &List) -> Result<Body, Status> {
    let items = list.objects.iter().map(|object| wire::metadata_message(object).map(Bytes::from));
    Ok(protobuf_list("PartialObjectMetadataList", "meta.k8s.io/v1", list, items.collect::<Result<_, _>>()?))
}

/// `k8s\0`, `Unknown{typeMeta, raw}`, and in `raw` the list: metadata in field 1, items in field 2.
fn protobuf_list(kind: &str, api_version: &str, list: &List, items: Vec<Bytes>) -> Body {
    let meta = wire::list_metadata(list.revision, &list.continue_token, list.remaining);
    let heads: Vec<Bytes> = items.iter().map(|item| item_head(item.len())).collect();
    let raw: usize = meta.len() + heads.iter().zip(&items).map(|(head, item)| head.len() + item.len()).sum::<usize>();
    let mut type_meta = Vec::new();
    wire::put_text(&mut type_meta, 1, api_version);
    wire::put_text(&mut type_meta, 2, kind);
    let mut head = b"k8s\0".to_vec();
    wire::put_head(&mut head, 1, type_meta.len());
    head.extend_from_slice(&type_meta);
    wire::put_head(&mut head, 2, raw);
    head.extend_from_slice(&meta);
    let total = (head.len() + raw - meta.len()) as u64;
    let pieces = heads.into_iter().zip(items).flat_map(|(head, item)| [head, item]);
    Body::blocks(Blocks::new(std::iter::once(Bytes::from(head)).chain(pieces), total), total)
}

fn item_head(length: usize) -> Bytes {
    let mut head = Vec::with_capacity(6);
    wire::put_head(&mut head, 2, length);
    head.into()
}
