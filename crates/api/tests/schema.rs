//! The schema table against the facts it was made from, when they are there; and what must hold of it by itself.

use sampan_api::schema;
use sampan_meta::schema::{Element, ListType, Schema, Shape, Type};
use std::path::Path;

/// Our shorter names of two packages.
fn our_name(theirs: &str) -> String {
    let shorter = theirs.replace("io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.", "apiextensions.");
    shorter.replace("io.k8s.kube-aggregator.pkg.apis.apiregistration.", "apiregistration.")
}

/// These have no fields of their own in our table: they are sorts of elements.
fn is_special(name: &str) -> bool {
    let specials = ["Quantity", "IntOrString", "RawExtension", "Time", "MicroTime", "FieldsV1", "JSON"];
    let last = name.rsplit('.').next().unwrap_or_default();
    specials.contains(&last) || last.starts_with("JSONSchemaPropsOr")
}

#[test]
fn every_type_and_field_of_kubernetes_is_in_the_table() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/schema.txt");
    let Ok(facts) = std::fs::read_to_string(&path) else {
        return eprintln!("skipped: {} is not there", path.display());
    };
    let (mut fields, mut current): (usize, Option<&Type>) = (0, None);
    for line in facts.lines().filter(|line| !line.is_empty()) {
        let mut words = line.trim_start().split(' ');
        let name = words.next().unwrap();
        if !line.starts_with(' ') {
            current = schema().get(&our_name(name));
            assert!(current.is_some() || is_special(name), "{name}");
            continue;
        }
        let Some(type_) = current else { continue };
        let (number, kind) = (words.next().unwrap(), words.next().unwrap());
        check_field(type_, name, number, kind, &words.map(our_name).collect::<Vec<_>>());
        fields += 1;
    }
    assert!(fields > 3000, "{fields}");
}

fn check_field(type_: &Type, name: &str, number: &str, kind: &str, rest: &[String]) {
    let place = format!("{}.{name}", type_.name);
    let field = type_.field(name).unwrap_or_else(|| panic!("{place} is missing"));
    if let Ok(number) = number.parse::<u8>() {
        assert_eq!(field.tag.iter().rev().find(|part| **part != 0), Some(&number), "{place}");
    }
    let shape = match kind.chars().next() {
        Some('[') => Shape::List,
        Some('{') => Shape::Map,
        _ => Shape::One,
    };
    assert_eq!(field.shape, shape, "{place}");
    if let Some(name) = kind.trim_start_matches(['[', '{']).strip_prefix('@').filter(|name| !is_special(name)) {
        let target = schema().message(field).map(|type_| type_.short_name());
        assert_eq!(target, name.rsplit('.').next(), "{place}");
    }
    for word in rest {
        match word.split_at(1) {
            ("S", "") => assert_eq!(field.list, ListType::Set, "{place}"),
            ("M", keys) => assert_eq!(field.list_map_keys().collect::<Vec<_>>().join(","), keys, "{place}"),
            ("p", patch) => {
                let ours = field.patch.map(|patch| format!("{}:{}", patch.strategy, patch.key));
                assert_eq!(ours.as_deref(), Some(patch), "{place}");
            }
            ("=", default) => assert_eq!(field.default, Some(default), "{place}"),
            _ => panic!("{place}: {word}"),
        }
    }
}

#[test]
fn every_field_but_those_of_the_envelope_has_a_protobuf_number() {
    // Types that protobuf never carries.
    let without = |name: &str| {
        matches!(name, "version.Info" | "apis.meta.v1.APIResourceList") || name.starts_with("metrics.v1beta1.")
    };
    for type_ in schema().types().iter().filter(|type_| !without(type_.name)) {
        for field in type_.fields().iter().filter(|field| field.tag[0] == 0) {
            assert!(matches!(field.name, "apiVersion" | "kind"), "{}.{}", type_.name, field.name);
        }
    }
}

#[test]
fn list_keys_and_merge_keys_are_fields_of_the_elements() {
    for type_ in schema().types() {
        for field in type_.fields() {
            let keys = field.list_map_keys().chain(field.patch.map(|patch| patch.key)).filter(|key| !key.is_empty());
            for key in keys {
                let element = schema().message(field).unwrap_or_else(|| panic!("{}.{}", type_.name, field.name));
                assert!(element.field(key).is_some(), "{}.{}: {key}", type_.name, field.name);
            }
        }
    }
}

#[test]
fn kinds_have_the_fields_every_kind_has() {
    let kinds: Vec<&Type> = schema().types().iter().filter(|type_| type_.api_version.is_some()).collect();
    assert!(kinds.len() > 150);
    for kind in kinds.iter().filter(|kind| kind.short_name() != "WatchEvent") {
        assert!(kind.field("apiVersion").is_some() && kind.field("kind").is_some(), "{}", kind.name);
        let api_version = kind.api_version.filter(|version| *version != "*").unwrap_or("any/v1");
        assert_eq!(schema().by_kind(api_version, kind.short_name()).unwrap().name, kind.name);
    }
}

#[test]
fn the_parsed_table_stays_small() {
    let bytes = |schema: &Schema| {
        let types = std::mem::size_of_val(schema.types());
        let fields: usize = schema.types().iter().map(|type_| std::mem::size_of_val(type_.fields())).sum();
        types + fields
    };
    assert!(bytes(schema()) < 512 * 1024, "{}", bytes(schema()));
    assert!(size_of::<Element>() <= 4, "elements are copied everywhere");
}
