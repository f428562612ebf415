//! `events.k8s.io/v1` Events: the objects of core `v1`, under other names. Upstream: `pkg/apis/events/v1/conversion.go`.

mod rules;

use std::sync::LazyLock;

use sampan_meta::field::ErrorList;
use serde_json::Value;

use crate::shape::Shape;
use crate::strategy::Names;
use crate::view::View;

/// Served name, stored name.
const RENAMED: [(&str, &str); 7] = [
    ("regarding", "involvedObject"),
    ("note", "message"),
    ("deprecatedSource", "source"),
    ("deprecatedFirstTimestamp", "firstTimestamp"),
    ("deprecatedLastTimestamp", "lastTimestamp"),
    ("deprecatedCount", "count"),
    ("reportingController", "reportingComponent"),
];

/// The version `events.k8s.io/v1`.
pub(crate) struct EventsView;

impl View for EventsView {
    fn names(&self) -> Names {
        let kind = ("Event", "EventList");
        Names::new(("events.k8s.io", "v1"), kind, ("events", "event"), "events.v1.Event").short(&["ev"])
    }

    fn stored(&self, mut object: Value) -> Value {
        for (served, stored) in RENAMED {
            rename(&mut object, served, stored);
        }
        object["apiVersion"] = "v1".into();
        object
    }

    fn served(&self, mut object: Value) -> Value {
        for (served, stored) in RENAMED {
            rename(&mut object, stored, served);
        }
        object["apiVersion"] = "events.k8s.io/v1".into();
        object
    }

    fn stored_field<'a>(&self, field: &'a str) -> &'a str {
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

    fn validate(&self, object: &Value) -> ErrorList {
        rules::validate(object)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        rules::validate_update(object, old)
    }

    fn shape(&self) -> &'static Shape {
        static SHAPE: LazyLock<Shape> =
            LazyLock::new(|| Shape::bare("events.k8s.io/v1".to_owned(), "Event", "events.v1.Event"));
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
        let stored = EventsView.stored(served.clone());
        assert_eq!(stored["message"], "pulled");
        assert_eq!(stored["involvedObject"]["kind"], "Pod");
        assert_eq!(stored["apiVersion"], "v1");
        assert_eq!(EventsView.served(stored), served);
    }
}
