//! `events.k8s.io/v1` Events: the objects of core `v1`, under other names.

use std::sync::LazyLock;

use serde_json::Value;

use crate::shape::Shape;
use crate::strategy::Names;

/// A served version that differs from the stored one by the names of fields at the top of the object.
pub(crate) struct View {
    pub(crate) names: Names,
    stored_version: &'static str,
    /// Served name, stored name.
    renamed: &'static [(&'static str, &'static str)],
}

/// Upstream: `pkg/apis/events/v1/conversion.go`.
pub(crate) static EVENTS: View = View {
    names: Names {
        group: "events.k8s.io",
        version: "v1",
        kind: "Event",
        plural: "events",
        singular: "event",
        list_kind: "EventList",
        short_names: &["ev"],
        categories: &[],
        type_name: "events.v1.Event",
    },
    stored_version: "v1",
    renamed: &[
        ("regarding", "involvedObject"),
        ("note", "message"),
        ("deprecatedSource", "source"),
        ("deprecatedFirstTimestamp", "firstTimestamp"),
        ("deprecatedLastTimestamp", "lastTimestamp"),
        ("deprecatedCount", "count"),
        ("reportingController", "reportingComponent"),
    ],
};

impl View {
    /// What a client sent, as it is stored.
    pub(crate) fn stored(&self, mut object: Value) -> Value {
        for (served, stored) in self.renamed {
            rename(&mut object, served, stored);
        }
        object["apiVersion"] = self.stored_version.into();
        object
    }

    /// What is stored, as clients of this version know it.
    pub(crate) fn served(&self, mut object: Value) -> Value {
        for (served, stored) in self.renamed {
            rename(&mut object, stored, served);
        }
        object["apiVersion"] = format!("{}/{}", self.names.group, self.names.version).into();
        object
    }

    /// The stored name of a field that a selector of this version names.
    pub(crate) fn stored_field<'a>(&self, field: &'a str) -> &'a str {
        match field {
            "regarding.kind" => "involvedObject.kind",
            "regarding.namespace" => "involvedObject.namespace",
            "regarding.name" => "involvedObject.name",
            "regarding.uid" => "involvedObject.uid",
            "regarding.apiVersion" => "involvedObject.apiVersion",
            "regarding.resourceVersion" => "involvedObject.resourceVersion",
            "regarding.fieldPath" => "involvedObject.fieldPath",
            "reportingController" => "reportingComponent",
            field => field,
        }
    }

    pub(crate) fn shape(&self) -> &'static Shape {
        static SHAPE: LazyLock<Shape> =
            LazyLock::new(|| Shape::bare("events.k8s.io/v1".to_owned(), EVENTS.names.kind, EVENTS.names.type_name));
        &SHAPE
    }
}

fn rename(object: &mut Value, from: &str, to: &str) {
    let Some(members) = object.as_object_mut() else { return };
    if let Some(value) = members.remove(from) {
        members.insert(to.to_owned(), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_event_comes_back_from_the_stored_version_as_it_was() {
        let served = json!({"apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e"}, "note": "pulled",
            "regarding": {"kind": "Pod"}, "deprecatedCount": 2, "reportingController": "node", "reason": "Pulled"});
        let stored = EVENTS.stored(served.clone());
        assert_eq!(stored["message"], "pulled");
        assert_eq!(stored["involvedObject"]["kind"], "Pod");
        assert_eq!(stored["apiVersion"], "v1");
        assert_eq!(EVENTS.served(stored), served);
    }
}
