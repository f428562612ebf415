//! Events, which also `events.k8s.io/v1` serves. Upstream: `pkg/registry/core/event`, `ValidateEventCreate`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::qualified_name;
use serde_json::Value;

use crate::cell;
use crate::events::EventsView;
use crate::strategy::{Names, SelectableField, Strategy};
use crate::validation::invalid_all;
use crate::view::View;

/// Upstream: `--event-ttl`.
const LIFETIME_SECONDS: i64 = 3600;

pub(crate) struct EventStrategy;

impl Strategy for EventStrategy {
    fn names(&self) -> Names {
        Names::new(("", "v1"), ("Event", "EventList"), ("events", "event"), "core.v1.Event").short(&["ev"])
    }

    fn views(&self) -> &'static [&'static dyn View] {
        &[&EventsView]
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        let involved = object::str_at(object, "/involvedObject/namespace").unwrap_or_default();
        let own = object::namespace(object);
        let new = object::str_at(object, "/eventTime").is_some();
        // Events of cluster-scoped objects live in `default`.
        let fits = match involved {
            "" => own == "default" || (new && own == "kube-system"),
            involved => new || own == involved,
        };
        if !fits {
            errors.push(field::invalid(
                &Path::new("involvedObject").child("namespace"),
                involved,
                "does not match event.namespace",
            ));
        }
        if new {
            validate_report(&mut errors, object);
        }
        errors
    }

    fn durable(&self) -> bool {
        false
    }

    fn lifetime_seconds(&self) -> Option<i64> {
        Some(LIFETIME_SECONDS)
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            text("Last Seen", "When it was last observed."),
            text("Type", "Normal or Warning."),
            text("Reason", "One word for programs."),
            text("Object", "The object it is about."),
            text("Subobject", "The part of the object.").wide(),
            text("Source", "The component that reports it.").wide(),
            text("Message", "What happened."),
            text("First Seen", "When it was first observed.").wide(),
            text("Count", "How often it was observed.").wide(),
            Column::name().wide(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let text = |pointer| object::str_at(object, pointer).unwrap_or_default();
        let involved = format!("{}/{}", text("/involvedObject/kind").to_lowercase(), text("/involvedObject/name"));
        vec![
            last_seen(object, now),
            text("/type").into(),
            text("/reason").into(),
            involved.into(),
            text("/involvedObject/fieldPath").into(),
            source(object).into(),
            text("/message").trim().into(),
            seen(object, now),
            object::i64_at(object, "/count").unwrap_or(1).max(1).to_string().into(),
            cell::name(object),
        ]
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const {
            &[
                SelectableField::new("involvedObject.kind", &["involvedObject.kind"]),
                SelectableField::new("involvedObject.namespace", &["involvedObject.namespace"]),
                SelectableField::new("involvedObject.name", &["involvedObject.name"]),
                SelectableField::new("involvedObject.uid", &["involvedObject.uid"]),
                SelectableField::new("involvedObject.apiVersion", &["involvedObject.apiVersion"]),
                SelectableField::new("involvedObject.resourceVersion", &["involvedObject.resourceVersion"]),
                SelectableField::new("involvedObject.fieldPath", &["involvedObject.fieldPath"]),
                SelectableField::new("reason", &["reason"]),
                SelectableField::new("reportingComponent", &["reportingComponent"]),
                SelectableField::new("source", &["source.component", "reportingComponent"]),
                SelectableField::new("type", &["type"]),
            ]
        }
    }
}

/// What an Event with an `eventTime` has to say. Upstream: `legacyValidateEvent`.
fn validate_report(errors: &mut ErrorList, event: &Value) {
    let controller = Path::new("reportingController");
    let reporter = object::str_at(event, "/reportingComponent").unwrap_or_default();
    if reporter.is_empty() {
        errors.push(field::required(&controller, ""));
    }
    invalid_all(errors, &controller, reporter, qualified_name(reporter));
    for name in ["reportingInstance", "action", "reason"] {
        if object::str_at(event, &format!("/{name}")).is_none() {
            errors.push(field::required(&Path::new(name), ""));
        }
    }
    for (name, limit) in [("reportingInstance", 128), ("action", 128), ("reason", 128), ("message", 1024)] {
        if object::str_at(event, &format!("/{name}")).is_some_and(|text| text.len() > limit) {
            errors.push(field::invalid(&Path::new(name), "", format!("can have at most {limit} characters")));
        }
    }
}

/// Upstream: `printEvent`: a series counts from its last observation, old events from `lastTimestamp`.
fn last_seen(object: &Value, now: Timestamp) -> Cell {
    let first = ["/series/lastObservedTime", "/lastTimestamp", "/eventTime"]
        .into_iter()
        .find(|pointer| object::time_at(object, pointer).is_some());
    first.map_or_else(|| cell::age(object, now), |pointer| cell::since(object, pointer, now))
}

fn seen(object: &Value, now: Timestamp) -> Cell {
    let first =
        ["/firstTimestamp", "/eventTime"].into_iter().find(|pointer| object::time_at(object, pointer).is_some());
    first.map_or_else(|| cell::age(object, now), |pointer| cell::since(object, pointer, now))
}

/// Upstream: `formatEventSource`.
fn source(object: &Value) -> String {
    let text = |pointer| object::str_at(object, pointer);
    let component = text("/source/component").or_else(|| text("/reportingComponent")).unwrap_or_default();
    let host = text("/source/host").or_else(|| text("/reportingInstance"));
    match host {
        Some(host) => format!("{component}, {host}"),
        None => component.to_owned(),
    }
}
