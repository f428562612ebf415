//! `meta.k8s.io/v1` Tables: what `kubectl get` prints.

use std::sync::Arc;

use sampan_meta::Status;
use sampan_meta::table::{Cell, Column};
use sampan_registry::{Object, Registry, Resource};
use serde_json::{Value, json};

use super::{TableOptions, metadata};
use crate::query::Query;

/// What a row carries beside its cells (`includeObject`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Include {
    /// Nothing.
    None,
    /// The object's metadata.
    Metadata,
    /// The whole object, for sorting and custom printing.
    Object,
}

impl Include {
    /// The parameter, `Metadata` when absent.
    pub(crate) fn of(query: &Query) -> Result<Self, Status> {
        match query.get("includeObject") {
            None | Some("Metadata") => Ok(Self::Metadata),
            Some("None") => Ok(Self::None),
            Some("Object") => Ok(Self::Object),
            Some(other) => Err(Status::bad_request(format!("unrecognized includeObject value: {other:?}"))),
        }
    }
}

/// Whether a table names its columns; later tables of a watch do not repeat them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    Given,
    Known,
}

/// Columns, and rows already written as JSON.
pub(super) struct Table {
    columns: Vec<Column>,
    rows: Vec<u8>,
}

/// Makes the rows of some objects.
pub(super) fn table(registry: &Registry, resource: &Resource, objects: &[Arc<Object>], options: TableOptions) -> Table {
    let sampan_registry::Table { columns, rows } = registry.table(resource, objects, options.now);
    let mut out = Vec::new();
    for (cells, object) in rows.iter().zip(objects) {
        if !out.is_empty() {
            out.push(b',');
        }
        row(&mut out, cells, object, options.include);
    }
    Table { columns, rows: out }
}

fn row(out: &mut Vec<u8>, cells: &[Cell], object: &Object, include: Include) {
    out.extend_from_slice(b"{\"cells\":");
    serde_json::to_writer(&mut *out, cells).expect("writing values to memory cannot fail");
    out.extend_from_slice(b",\"object\":");
    match include {
        Include::None => out.extend_from_slice(b"null"),
        Include::Object => out.extend_from_slice(object.json()),
        Include::Metadata => {
            out.extend_from_slice(br#"{"kind":"PartialObjectMetadata","apiVersion":"meta.k8s.io/v1","metadata":"#);
            out.extend_from_slice(metadata(object).unwrap_or("{}").as_bytes());
            out.push(b'}');
        }
    }
    out.push(b'}');
}

/// The whole document.
pub(super) fn document(table: &Table, beta: bool, columns: Columns, list_meta: &Value) -> Vec<u8> {
    let version = if beta { "v1beta1" } else { "v1" };
    let head = format!(
        "{{\"kind\":\"Table\",\"apiVersion\":\"meta.k8s.io/{version}\",\"metadata\":{list_meta},\"columnDefinitions\":"
    );
    let mut out = Vec::with_capacity(head.len() + table.rows.len() + 1024);
    out.extend_from_slice(head.as_bytes());
    match columns {
        Columns::Known => out.extend_from_slice(b"null"),
        Columns::Given => {
            serde_json::to_writer(&mut out, &table.columns).expect("writing columns to memory cannot fail")
        }
    }
    out.extend_from_slice(b",\"rows\":[");
    out.extend_from_slice(&table.rows);
    out.extend_from_slice(b"]}");
    out
}

/// A table without rows.
pub(super) fn empty(registry: &Registry, resource: &Resource, options: TableOptions) -> Table {
    table(registry, resource, &[], options)
}

/// A `ListMeta`; members without content are left out.
pub(super) fn list_meta(revision: u64, continue_token: &str, remaining: Option<i64>) -> Value {
    let mut meta = json!({});
    if revision > 0 {
        meta["resourceVersion"] = revision.to_string().into();
    }
    if !continue_token.is_empty() {
        meta["continue"] = continue_token.into();
    }
    if let Some(remaining) = remaining {
        meta["remainingItemCount"] = remaining.into();
    }
    meta
}
