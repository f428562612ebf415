use std::borrow::Cow;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;

/// The one version of widgets.
struct OneVersion;

impl Versions for OneVersion {
    fn typed(&self, _: &str) -> Option<Typed<'_>> {
        Some(widget())
    }

    fn convert<'v>(&self, object: &'v Value, _: &str, _: &str) -> Cow<'v, Value> {
        Cow::Borrowed(object)
    }

    fn ignored(&self, _: &str) -> &FieldSet<'static> {
        const { &FieldSet::new() }
    }
}

fn element() -> impl Strategy<Value = PathElement<'static>> {
    prop_oneof![
        "[a-d]".prop_map(PathElement::field),
        "[a-c]\"?".prop_map(|name| PathElement::Key(vec![("name".into(), Scalar::String(name.into()))])),
        (0..12_i64).prop_map(|port| PathElement::Key(vec![("port".into(), Scalar::Integer(port))])),
        (0..12_i64).prop_map(|value| PathElement::Value(Scalar::Integer(value))),
        any::<bool>().prop_map(|value| PathElement::Value(Scalar::Bool(value))),
    ]
}

fn any_set() -> impl Strategy<Value = FieldSet<'static>> {
    proptest::collection::vec(proptest::collection::vec(element(), 1..4), 0..12).prop_map(|paths| {
        let mut set = FieldSet::new();
        paths.iter().for_each(|path| set.insert(path));
        set
    })
}

/// Specs of widgets, small enough to collide.
fn any_spec() -> impl Strategy<Value = Value> {
    let container =
        (any::<Option<bool>>(), proptest::option::of(0..3_u8), proptest::collection::btree_set(1..4_u16, 0..3));
    let containers = proptest::collection::btree_map("[a-c]", container, 0..3).prop_shuffle_values();
    let data = proptest::collection::btree_map("[a-c]", 0..2_u8, 0..3);
    (proptest::option::of(0..3_u8), containers, data).prop_map(|(replicas, containers, data)| {
        let mut spec = json!({});
        if let Some(replicas) = replicas {
            spec["replicas"] = replicas.into();
        }
        let containers: Vec<Value> = containers
            .into_iter()
            .map(|(name, (tty, image, ports))| {
                let mut container = json!({"name": name});
                if let Some(tty) = tty {
                    container["tty"] = tty.into();
                }
                if let Some(image) = image {
                    container["image"] = image.to_string().into();
                }
                if !ports.is_empty() {
                    container["ports"] = ports.into_iter().map(|port| json!({"containerPort": port})).collect();
                }
                container
            })
            .collect();
        if !containers.is_empty() {
            spec["containers"] = containers.into();
        }
        if !data.is_empty() {
            spec["data"] = data.into_iter().map(|(key, value)| (key, Value::from(value.to_string()))).collect();
        }
        json!({"spec": spec})
    })
}

/// Containers in any order.
trait Shuffled: Strategy {
    fn prop_shuffle_values<K, V>(self) -> BoxedStrategy<Vec<(K, V)>>
    where
        Self: Strategy<Value = std::collections::BTreeMap<K, V>> + Sized + 'static,
        K: std::fmt::Debug + Clone + 'static,
        V: std::fmt::Debug + Clone + 'static,
    {
        self.prop_map(|map| map.into_iter().collect::<Vec<_>>()).prop_shuffle().boxed()
    }
}

impl<S: Strategy> Shuffled for S {}

/// The object as the API would store it: without nulls, with the spec that widgets always have.
fn stored(applied: Option<Value>, live: &Value) -> Value {
    let mut object = applied.unwrap_or_else(|| live.clone());
    drop_nulls(&mut object);
    if object.get("spec").is_none() {
        object["spec"] = json!({});
    }
    object
}

fn drop_nulls(value: &mut Value) {
    if let Value::Object(members) = value {
        members.retain(|_, value| !value.is_null());
        members.values_mut().for_each(drop_nulls);
    }
    value.as_array_mut().into_iter().flatten().for_each(drop_nulls);
}

fn apply_to<'a>(live: &'a Value, config: &'a Value, managers: Vec<Managed<'a>>, name: &str) -> Applied<'a> {
    let applier = Manager {
        name: name.into(),
        operation: Operation::Apply,
        api_version: "test/v1".into(),
        subresource: String::new(),
    };
    apply(Request { versions: &OneVersion, api_version: "test/v1" }, live, config, managers, applier, true).unwrap()
}

proptest! {
    #[test]
    fn sets_come_back_from_json(set in any_set()) {
        let json = set.to_json();
        prop_assert_eq!(FieldSet::from_json(&json).unwrap(), set);
        let mut text = String::new();
        write_fields_v1(&json, &mut text);
        prop_assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), json);
    }

    #[test]
    fn sets_are_an_algebra(a in any_set(), b in any_set()) {
        prop_assert_eq!(a.union(&b), b.union(&a));
        prop_assert_eq!(a.intersection(&b), b.intersection(&a));
        prop_assert_eq!(a.difference(&b).union(&a.intersection(&b)), a.clone());
        prop_assert_eq!(a.union(&b).len(), a.len() + b.len() - a.intersection(&b).len());
        prop_assert!(a.difference(&b).intersection(&b).is_empty());
        prop_assert!(a.difference(&a).is_empty());
        for path in a.union(&b).paths() {
            prop_assert_eq!(a.has(&path) || b.has(&path), true);
            prop_assert_eq!(a.has(&path) && b.has(&path), a.intersection(&b).has(&path));
        }
    }

    #[test]
    fn a_comparison_says_what_a_merge_has_done(live in any_spec(), config in any_spec()) {
        let merged = merge(widget(), &live, &config).unwrap();
        let change = compare(widget(), &live, &merged).unwrap();
        prop_assert!(change.removed.is_empty(), "{}", change.removed);
        let unmentioned = change.modified.difference(&mentioned(widget(), &config));
        prop_assert!(unmentioned.is_empty(), "{}", unmentioned);
        prop_assert!(compare(widget(), &merged, &merge(widget(), &merged, &config).unwrap()).unwrap().is_same());
    }

    #[test]
    fn applying_twice_is_applying_once(start in any_spec(), first in any_spec(), second in any_spec()) {
        let once = apply_to(&start, &first, Vec::new(), "one");
        let live = stored(once.object, &start);
        let twice = apply_to(&live, &second, once.managers, "one");
        let live = stored(twice.object, &live);
        let again = apply_to(&live, &second, twice.managers.clone(), "one");
        prop_assert_eq!(again.object, None);
        prop_assert_eq!(again.managers, twice.managers);
    }

    #[test]
    fn what_one_applies_and_drops_leaves_no_trace(config in any_spec()) {
        let empty = json!({});
        let applied = apply_to(&empty, &config, Vec::new(), "one");
        let live = applied.object.unwrap_or_else(|| empty.clone());
        let dropped = apply_to(&live, &empty, applied.managers, "one");
        let left = dropped.object.unwrap_or_else(|| live.clone());
        prop_assert!(mentioned(widget(), &left).difference(&FieldSet::of_fields(&[&["spec"]])).is_empty(), "{}", left);
        prop_assert_eq!(dropped.managers, vec![]);
    }

    #[test]
    fn what_comes_from_json_never_panics(text in "\\PC{0,40}") {
        let value = json!({ text: {} });
        if let Ok(set) = FieldSet::from_json(&value) {
            prop_assert!(set.len() <= 1);
        }
    }
}
