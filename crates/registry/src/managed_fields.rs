//! `metadata.managedFields`: who owns which fields of an object, kept on every write.
//!
//! Upstream: `apimachinery/pkg/util/managedfields`. What is decided about sets of fields is [`sampan_meta::apply`]'s; here are the entries,
//! their times, how many there may be, and what objects are given to compare.

mod apply;
mod entries;
mod last_applied;
mod record;
pub(crate) mod scale;
mod versions;

use std::sync::LazyLock;

use sampan_meta::apply::{FieldSet, Manager, Operation, Request};
use sampan_meta::time::format_time;
use serde_json::Value;

pub(crate) use apply::apply;
pub(crate) use entries::same_but_times;
pub use record::keep_reset;
pub(crate) use record::record;

use crate::apiextensions::Converter;
use crate::context::RequestContext;
use crate::registry::Registry;
use crate::resource::Resource;
use crate::verbs::scale::TYPE_NAME as SCALE;
use versions::ObjectVersions;

/// Who settles what a write owns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Tracking {
    /// The writer owns what it changes.
    ByUpdate,
    /// The verb has said it in the object.
    Settled,
}

/// Who writes, and what it writes.
pub(crate) struct Writer<'c> {
    name: &'c str,
    subresource: &'c str,
    versions: ObjectVersions,
    /// The version the request speaks.
    api_version: String,
    now: String,
}

impl Registry {
    pub(crate) fn writer<'c>(&self, cx: &'c RequestContext<'_>, resource: &Resource) -> Writer<'c> {
        Writer {
            name: cx.manager(),
            subresource: &cx.attributes.subresource,
            versions: ObjectVersions::of(resource, &cx.attributes.subresource),
            api_version: resource.api_version(),
            now: format_time(self.clock.now()),
        }
    }

    /// A writer of a Scale, whose fields are not its object's.
    pub(crate) fn scale_writer<'c>(&self, cx: &'c RequestContext<'_>) -> Writer<'c> {
        Writer {
            name: cx.manager(),
            subresource: &cx.attributes.subresource,
            versions: ObjectVersions::alone(scale::API_VERSION, SCALE),
            api_version: scale::API_VERSION.to_owned(),
            now: format_time(self.clock.now()),
        }
    }
}

impl Registry {
    /// Records who owns what, asking the webhook of a kind how other managers know its objects.
    pub(crate) async fn record(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        old: Option<&Value>,
        object: &mut Value,
    ) {
        let writer = self.writer(cx, resource);
        let Some(converter) = self.converter(resource) else { return record(&writer, old, object) };
        loop {
            let mut recorded = object.clone();
            record(&writer, old, &mut recorded);
            if !writer.ask(&converter).await {
                *object = recorded;
                return;
            }
        }
    }
}

impl Writer<'_> {
    /// Whether conversions were missing.
    pub(crate) fn is_incomplete(&self) -> bool {
        self.versions.is_incomplete()
    }

    /// Asks for the conversions that were missing; answers whether there were any, so that all is to be done again. What cannot be converted
    /// counts as it is.
    pub(crate) async fn ask(&self, converter: &Converter) -> bool {
        let missing = self.versions.take_missing();
        let asked = !missing.is_empty();
        for (object, api_version) in missing {
            let converted = converter.convert_one(object.clone(), &api_version).await;
            let converted = converted.unwrap_or_else(|status| {
                tracing::debug!(%status, api_version, "managers of another version are compared without a conversion");
                object.clone()
            });
            self.versions.learn(object, api_version, converted);
        }
        asked
    }

    fn manager(&self, name: &str, operation: Operation) -> Manager {
        Manager {
            name: name.to_owned(),
            operation,
            api_version: self.api_version.clone(),
            subresource: self.subresource.to_owned(),
        }
    }

    fn request(&self) -> Request<'_> {
        Request { versions: &self.versions, api_version: &self.api_version }
    }
}

/// What nobody owns. Upstream: `NewStripMetaManager`.
fn unowned() -> &'static FieldSet<'static> {
    static UNOWNED: LazyLock<FieldSet<'static>> = LazyLock::new(|| {
        FieldSet::of_fields(&[
            &["apiVersion"],
            &["kind"],
            &["metadata"],
            &["metadata", "name"],
            &["metadata", "namespace"],
            &["metadata", "creationTimestamp"],
            &["metadata", "selfLink"],
            &["metadata", "uid"],
            &["metadata", "clusterName"],
            &["metadata", "generation"],
            &["metadata", "managedFields"],
            &["metadata", "resourceVersion"],
        ])
    });
    &UNOWNED
}

/// An object before it is there.
fn nothing() -> &'static Value {
    static NOTHING: LazyLock<Value> = LazyLock::new(|| Value::Object(serde_json::Map::new()));
    &NOTHING
}
