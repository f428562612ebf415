//! Watch events as frames: JSON lines, or length-prefixed protobuf.

use std::sync::Arc;

use bytes::{BufMut as _, Bytes, BytesMut};
use sampan_meta::{Clock, Status, protobuf};
use sampan_registry::{Event, Object, Registry, Resource};

use super::{TableOptions, partial, protobuf_value, table, unencodable, wire};
use crate::negotiate::{Form, Media, Shape};

/// Turns the events of one watch into the bytes its client reads.
pub(crate) struct Frames {
    pub(crate) registry: Arc<Registry>,
    pub(crate) resource: Arc<Resource>,
    pub(crate) form: Form,
    pub(crate) options: TableOptions,
    /// Ages in tables are as of the event.
    pub(crate) clock: Arc<dyn Clock>,
    /// False once a table has named its columns.
    pub(crate) first: bool,
}

impl Frames {
    /// Appends the frame of one event.
    pub(crate) fn push(&mut self, out: &mut BytesMut, event: &Event) -> Result<(), Status> {
        match event {
            Event::Added(object) => self.change(out, "ADDED", object),
            Event::Modified(object) => self.change(out, "MODIFIED", object),
            Event::Deleted(object) => self.change(out, "DELETED", object),
            Event::Bookmark { revision, initial_events_end } => self.bookmark(out, *revision, *initial_events_end),
            Event::Error(status) => self.error(out, status),
        }
    }

    fn change(&mut self, out: &mut BytesMut, kind: &str, object: &Arc<Object>) -> Result<(), Status> {
        let content = match (self.form.shape, self.form.media) {
            (Shape::Table { beta }, _) => self.table(beta, std::slice::from_ref(object), object.revision()),
            (Shape::Metadata, Media::Protobuf) => wire::metadata(object)?.into(),
            (Shape::Metadata, _) => partial(object)?,
            (_, Media::Protobuf) => object.protobuf().map_err(unencodable)?,
            _ => object.json().clone(),
        };
        self.frame(out, kind, &content);
        Ok(())
    }

    fn table(&mut self, beta: bool, objects: &[Arc<Object>], revision: u64) -> Bytes {
        let options = TableOptions { now: self.clock.now(), ..self.options };
        let rows = table::table(&self.registry, &self.resource, objects, options);
        self.table_document(&rows, beta, revision)
    }

    fn table_document(&mut self, rows: &table::Table, beta: bool, revision: u64) -> Bytes {
        let columns = if self.first { table::Columns::Given } else { table::Columns::Known };
        self.first = false;
        table::document(rows, beta, columns, &table::list_meta(revision, "", None)).into()
    }

    /// An object of the watched kind with nothing but a resource version: everything up to it has been sent.
    fn bookmark(&mut self, out: &mut BytesMut, revision: u64, initial_events_end: bool) -> Result<(), Status> {
        let mut metadata = serde_json::json!({ "resourceVersion": revision.to_string(), "creationTimestamp": null });
        if initial_events_end {
            metadata["annotations"] = serde_json::json!({ "k8s.io/initial-events-end": "true" });
        }
        let (api_version, kind) = match self.form.shape {
            Shape::Metadata => ("meta.k8s.io/v1".to_owned(), "PartialObjectMetadata"),
            _ => (self.resource.api_version(), self.resource.names.kind),
        };
        let content = match (self.form.shape, self.form.media) {
            (Shape::Table { beta }, _) => {
                let none = table::empty(&self.registry, &self.resource, self.options);
                self.table_document(&none, beta, revision)
            }
            (_, Media::Protobuf) => {
                let mut message = Vec::new();
                bookmark_message(&mut message, revision, initial_events_end);
                protobuf::envelope::wrap(&api_version, kind, &message).into()
            }
            _ => format!("{{\"kind\":{kind:?},\"apiVersion\":{api_version:?},\"metadata\":{metadata}}}").into(),
        };
        self.frame(out, "BOOKMARK", &content);
        Ok(())
    }

    fn error(&self, out: &mut BytesMut, status: &Status) -> Result<(), Status> {
        let value = status.to_value();
        let content: Bytes = match self.form.media {
            Media::Protobuf => protobuf_value("apis.meta.v1.Status", &value)?.into(),
            _ => value.to_string().into(),
        };
        self.frame(out, "ERROR", &content);
        Ok(())
    }

    fn frame(&self, out: &mut BytesMut, kind: &str, content: &[u8]) {
        match self.form.media {
            Media::Protobuf => protobuf_frame(out, kind, content),
            _ => json_frame(out, kind, content),
        }
    }
}

fn json_frame(out: &mut BytesMut, kind: &str, content: &[u8]) {
    out.reserve(content.len() + kind.len() + 24);
    out.put_slice(b"{\"type\":\"");
    out.put_slice(kind.as_bytes());
    out.put_slice(b"\",\"object\":");
    out.put_slice(content);
    out.put_slice(b"}\n");
}

/// Four bytes of length, big-endian, then `WatchEvent{1 type, 2 object: RawExtension{1 raw}}`.
fn protobuf_frame(out: &mut BytesMut, kind: &str, content: &[u8]) {
    let mut raw_head = Vec::with_capacity(6);
    wire::put_head(&mut raw_head, 1, content.len());
    let mut head = Vec::with_capacity(24);
    wire::put_text(&mut head, 1, kind);
    wire::put_head(&mut head, 2, raw_head.len() + content.len());
    let length = head.len() + raw_head.len() + content.len();
    out.reserve(length + 4);
    out.put_u32(u32::try_from(length).expect("an object is far smaller than 4 GiB"));
    out.put_slice(&head);
    out.put_slice(&raw_head);
    out.put_slice(content);
}

/// `metadata` (field 1) with `resourceVersion` (6) and the annotation (12, a map entry).
fn bookmark_message(out: &mut Vec<u8>, revision: u64, initial_events_end: bool) {
    let mut metadata = Vec::new();
    wire::put_text(&mut metadata, 6, &revision.to_string());
    if initial_events_end {
        let mut entry = Vec::new();
        wire::put_text(&mut entry, 1, "k8s.io/initial-events-end");
        wire::put_text(&mut entry, 2, "true");
        wire::put_head(&mut metadata, 12, entry.len());
        metadata.extend_from_slice(&entry);
    }
    wire::put_head(out, 1, metadata.len());
    out.extend_from_slice(&metadata);
}
