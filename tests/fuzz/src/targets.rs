//! The functions.

use sampan_meta::apply::{self, Duplicates, FieldSet, Typed};
use sampan_meta::schema::{Schema, Type};
use sampan_meta::selector::{FieldSelector, LabelSelector};
use sampan_meta::{Quantity, decode, patch, protobuf, time};
use serde_json::Value;

use crate::sample;

/// One thing that reads bytes.
pub struct Target {
    /// Its name, as that of the file in `fuzz/fuzz_targets`.
    pub name: &'static str,
    /// What must hold for any bytes.
    pub run: fn(&[u8]),
    /// Good inputs to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "json", run: json, seeds: objects },
    Target { name: "protobuf", run: protobuf_object, seeds: messages },
    Target { name: "json_patch", run: json_patch, seeds: json_patches },
    Target { name: "merge_patch", run: merge_patch, seeds: pairs },
    Target { name: "strategic_patch", run: strategic_patch, seeds: pairs },
    Target { name: "apply", run: apply, seeds: pairs },
    Target { name: "fields_v1", run: fields_v1, seeds: managed },
    Target { name: "label_selector", run: label_selector, seeds: selectors },
    Target { name: "field_selector", run: field_selector, seeds: selectors },
    Target { name: "cel", run: cel, seeds: expressions },
    Target { name: "scalars", run: scalars, seeds: texts },
];

fn schema() -> &'static Schema {
    sampan_api::schema()
}

fn kinds() -> impl Iterator<Item = &'static Type> {
    schema().types().iter().filter(|type_| type_.api_version.is_some_and(|version| version != "*"))
}

/// A few kinds, chosen for what they contain.
fn some_kinds() -> impl Iterator<Item = &'static Type> {
    const SOME: [&str; 6] = [
        "core.v1.Pod",
        "core.v1.Service",
        "apps.v1.Deployment",
        "batch.v1.CronJob",
        "networking.v1.NetworkPolicy",
        "core.v1.ConfigMap",
    ];
    SOME.iter().filter_map(|name| schema().get(name))
}

fn type_of(value: &Value) -> Option<&'static Type> {
    schema().by_kind(value["apiVersion"].as_str()?, value["kind"].as_str()?)
}

fn text(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

fn objects() -> Vec<Vec<u8>> {
    kinds().map(|type_| text(&sample(schema(), type_))).collect()
}

/// What is read and fits the schema is written as protobuf and read back the same, JSON's only number being no matter.
fn json(bytes: &[u8]) {
    let Ok((mut value, _)) = decode::parse_json(bytes) else { return };
    let Some(type_) = type_of(&value) else { return };
    if decode::conform(schema(), type_, &mut value).is_err() {
        return;
    }
    let again = decode::conform(schema(), type_, &mut value.clone());
    assert!(again.is_ok_and(|unknown| unknown.is_empty()), "what conforms once does so again");
    if let Ok(message) = protobuf::encode_object(schema(), type_, &value) {
        assert!(protobuf::decode_object(schema(), &message).is_ok(), "what was written can be read");
    }
}

fn messages() -> Vec<Vec<u8>> {
    let message = |type_: &'static Type| protobuf::encode_object(schema(), type_, &sample(schema(), type_));
    kinds().filter_map(|type_| message(type_).ok()).collect()
}

/// What is read can be written and is the same when it is read again.
fn protobuf_object(bytes: &[u8]) {
    let Ok(value) = protobuf::decode_object(schema(), bytes) else { return };
    let Some(type_) = type_of(&value) else { return };
    if let Ok(message) = protobuf::encode_object(schema(), type_, &value) {
        assert_eq!(protobuf::decode_object(schema(), &message).ok(), Some(value));
    }
}

/// Two texts with a NUL between them.
fn halves(bytes: &[u8]) -> Option<(Value, Value)> {
    let at = bytes.iter().position(|byte| *byte == 0)?;
    let (first, second) = (decode::parse_json(&bytes[..at]).ok()?, decode::parse_json(&bytes[at + 1..]).ok()?);
    Some((first.0, second.0))
}

fn pair(first: &Value, second: &Value) -> Vec<u8> {
    [text(first), vec![0], text(second)].concat()
}

fn pairs() -> Vec<Vec<u8>> {
    let mut pairs = Vec::new();
    for type_ in some_kinds() {
        let whole = sample(schema(), type_);
        let part = serde_json::json!({"metadata": {"labels": {"b": "c", "key": null}}, "spec": whole["spec"]});
        pairs.push(pair(&whole, &part));
        pairs.push(pair(&part, &whole));
    }
    pairs
}

fn json_patches() -> Vec<Vec<u8>> {
    let operations = serde_json::json!([
        {"op": "test", "path": "/metadata/name", "value": "a"},
        {"op": "add", "path": "/metadata/labels/x~1y", "value": "z"},
        {"op": "replace", "path": "/spec", "value": {}},
        {"op": "copy", "from": "/metadata", "path": "/spec/copy"},
        {"op": "move", "from": "/spec/copy", "path": "/status"},
        {"op": "add", "path": "/list/-", "value": [1]},
        {"op": "remove", "path": "/metadata/labels"},
    ]);
    some_kinds().map(|type_| pair(&sample(schema(), type_), &operations)).collect()
}

fn json_patch(bytes: &[u8]) {
    let Some((mut object, operations)) = halves(bytes) else { return };
    let before = object.clone();
    if patch::json(&mut object, &operations).is_err() {
        assert_eq!(object, before, "a patch that fails changes nothing");
    }
}

fn merge_patch(bytes: &[u8]) {
    let Some((mut object, change)) = halves(bytes) else { return };
    patch::merge(&mut object, &change);
    let once = object.clone();
    patch::merge(&mut object, &change);
    assert_eq!(object, once, "merging twice is merging once");
}

fn strategic_patch(bytes: &[u8]) {
    let Some((mut object, change)) = halves(bytes) else { return };
    let Some(type_) = type_of(&object) else { return };
    let _ = patch::strategic(schema(), type_, &mut object, &change);
}

/// Applying what was applied changes nothing.
fn apply(bytes: &[u8]) {
    let Some((live, config)) = halves(bytes) else { return };
    let Some(type_) = type_of(&live) else { return };
    let typed = Typed::of(schema(), type_);
    if apply::check(typed, &config, Duplicates::Refused).is_err() {
        return;
    }
    let Ok(merged) = apply::merge(typed, &live, &config) else { return };
    let again = apply::merge(typed, &merged, &config);
    assert_eq!(again.ok().as_ref(), Some(&merged), "applying twice is applying once");
    let fields = apply::mentioned(typed, &config);
    let written = fields.to_json();
    assert!(FieldSet::from_json(&written).is_ok(), "{written}");
    let _ = apply::remove(typed, &merged, &fields);
}

fn managed() -> Vec<Vec<u8>> {
    let fields = |type_: &'static Type| {
        let whole = sample(schema(), type_);
        text(&apply::mentioned(Typed::of(schema(), type_), &whole).to_json())
    };
    some_kinds().map(fields).collect()
}

fn fields_v1(bytes: &[u8]) {
    let Ok((value, _)) = decode::parse_json(bytes) else { return };
    let Ok(fields) = FieldSet::from_json(&value) else { return };
    let written = fields.to_json();
    assert_eq!(FieldSet::from_json(&written).ok().map(FieldSet::into_owned), Some(fields.into_owned()), "{written}");
}

fn selectors() -> Vec<Vec<u8>> {
    let texts = [
        "a=b,c!=d,e in (f,g),!h,i notin (j)",
        "metadata.name=x,spec.nodeName!=",
        "app.kubernetes.io/name==web",
        "x>1,y<2",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

fn label_selector(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(selector) = LabelSelector::parse(text) else { return };
    let _ = selector.matches(|_| Some("a"));
    assert!(LabelSelector::parse(&selector.to_string()).is_ok(), "{selector}");
}

fn field_selector(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(selector) = FieldSelector::parse(text) {
        let _ = selector.matches(|_| Some("a"));
    }
}

fn expressions() -> Vec<Vec<u8>> {
    let texts = [
        "self.spec.replicas <= 5 && has(self.metadata.labels) ? 'a' : \"b\"",
        "self.items.all(x, x.name.matches('^[a-z]+$')) || [1, 2u, 3.5].exists(i, i == 2)",
        "{'a': 1}.map(k, k + 'x').filter(y, y in ['ax']).size() > 0",
        "duration('1h').getSeconds() - timestamp('2026-01-02T03:04:05Z').getFullYear()",
        "quantity('1Gi').isGreaterThan(quantity('1M')) && ip('10.0.0.1').family() == 4",
        "-(-1) * b'\\xff'.size() % 3 / 2 // end",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// What compiles ends within its budget.
fn cel(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let _ = sampan_cel::Env::new().variable("self", sampan_cel::DYN.clone()).compile(text);
}

fn texts() -> Vec<Vec<u8>> {
    let texts = [
        "1500m",
        "1Gi",
        "-0.5e3",
        "2026-01-02T03:04:05Z",
        "2026-01-02T03:04:05.123456+02:00",
        "12E",
        "9223372036854775807Ei",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}

/// Quantities and times.
fn scalars(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    if let Ok(canonical) = Quantity::canonicalize(text) {
        assert_eq!(Quantity::canonicalize(&canonical).as_deref().ok(), Some(&*canonical), "canonical once is for good");
    }
    if let Ok(at) = time::parse_time(text) {
        assert!(time::parse_time(&time::format_time(at)).is_ok(), "{text}");
    }
}
