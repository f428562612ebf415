//! Metrics as the first version writes them in its annotations: flat, where the second has identifiers and targets.

use serde_json::{Map, Value, json};

/// What a metric is called in both versions.
const SOURCES: [&str; 5] = ["object", "external", "pods", "resource", "containerResource"];

/// Member of the first version's source and the path of the same in the second's: what is wanted.
type Members = &'static [(&'static str, &'static str)];

const IDENTIFIERS: Members = &[("name", "/name"), ("container", "/container"), ("metricName", "/metric/name")];

fn members(source: &str, status: bool) -> Vec<(&'static str, &'static str)> {
    let part: Members = match (source, status) {
        ("object", false) => &[
            ("target", "/describedObject"),
            ("selector", "/metric/selector"),
            ("targetValue", "/target/value"),
            ("averageValue", "/target/averageValue"),
        ],
        ("object", true) => &[
            ("target", "/describedObject"),
            ("selector", "/metric/selector"),
            ("currentValue", "/current/value"),
            ("averageValue", "/current/averageValue"),
        ],
        ("external", false) => &[
            ("metricSelector", "/metric/selector"),
            ("targetValue", "/target/value"),
            ("targetAverageValue", "/target/averageValue"),
        ],
        ("external", true) => &[
            ("metricSelector", "/metric/selector"),
            ("currentValue", "/current/value"),
            ("currentAverageValue", "/current/averageValue"),
        ],
        ("pods", false) => &[("selector", "/metric/selector"), ("targetAverageValue", "/target/averageValue")],
        ("pods", true) => &[("selector", "/metric/selector"), ("currentAverageValue", "/current/averageValue")],
        (_, false) => &[
            ("targetAverageUtilization", "/target/averageUtilization"),
            ("targetAverageValue", "/target/averageValue"),
        ],
        (_, true) => &[
            ("currentAverageUtilization", "/current/averageUtilization"),
            ("currentAverageValue", "/current/averageValue"),
        ],
    };
    IDENTIFIERS.iter().chain(part).copied().collect()
}

pub(super) fn spec_to_first(metric: &Value) -> Value {
    to_first(metric, false)
}

pub(super) fn status_to_first(metric: &Value) -> Value {
    to_first(metric, true)
}

pub(super) fn status_to_second(metric: &Value) -> Value {
    to_second(metric, true)
}

/// The type of the target follows from which amount is wanted.
pub(super) fn spec_to_second(metric: &Value) -> Value {
    let mut metric = to_second(metric, false);
    for source in SOURCES {
        let Some(target) = metric.pointer_mut(&format!("/{source}/target")) else { continue };
        let wanted = [("averageUtilization", "Utilization"), ("averageValue", "AverageValue")];
        let wanted = wanted.into_iter().find(|(member, _)| target.get(member).is_some());
        target["type"] = wanted.map_or("Value", |(_, type_)| type_).into();
    }
    metric
}

fn to_first(metric: &Value, status: bool) -> Value {
    map(metric, |name, source| {
        let mut flat = Map::new();
        for (member, path) in members(name, status) {
            if let Some(value) = source.pointer(path).filter(|value| !value.is_null()) {
                flat.insert(member.to_owned(), value.clone());
            }
        }
        Value::Object(flat)
    })
}

fn to_second(metric: &Value, status: bool) -> Value {
    map(metric, |name, source| {
        let mut deep = json!({});
        for (member, path) in members(name, status) {
            // Go writes a zero where the first version has no way to leave the amount out.
            let given = source.get(member).filter(|value| !value.is_null() && *value != "0");
            if let Some(value) = given {
                let path: Vec<&str> = path.split('/').skip(1).collect();
                sampan_meta::object::set(&mut deep, &path, value.clone());
            }
        }
        deep
    })
}

/// The metric with its sources changed.
fn map(metric: &Value, change: impl Fn(&str, &Value) -> Value) -> Value {
    let mut changed = json!({"type": metric.get("type").cloned().unwrap_or_default()});
    for name in SOURCES {
        if let Some(source) = metric.get(name).filter(|source| source.is_object()) {
            changed[name] = change(name, source);
        }
    }
    changed
}
