//! Made-up values of every type of the schema, right ones and wrong ones, through everything the table drives.

use sampan_api::{default_object, schema};
use sampan_meta::decode::conform;
use sampan_meta::schema::{Element, Field, Shape, Type};
use sampan_meta::{Entropy, SeededEntropy, object, patch, protobuf};
use serde_json::{Map, Value, json};

/// How many values of each type are made.
const VALUES: u64 = 8;

struct Maker {
    entropy: SeededEntropy,
    /// Puts a value of another type in the place of one in so many; 0: never.
    wrong_one_in: u32,
}

impl Maker {
    fn below(&self, bound: u32) -> u32 {
        let mut bytes = [0; 4];
        self.entropy.fill(&mut bytes);
        u32::from_le_bytes(bytes) % bound
    }

    fn pick<'a>(&self, texts: &[&'a str]) -> &'a str {
        texts[self.below(u32::try_from(texts.len()).expect("few texts")) as usize]
    }

    fn object(&self, type_: &Type, depth: u32) -> Value {
        let mut members = Map::new();
        for field in type_.fields().iter().filter(|field| !matches!(field.name, "apiVersion" | "kind")) {
            if self.below(3) < 2 {
                members.insert(field.name.to_owned(), self.field(field, depth));
            }
        }
        Value::Object(members)
    }

    fn field(&self, field: &Field, depth: u32) -> Value {
        if self.wrong_one_in > 0 && self.below(self.wrong_one_in) == 0 {
            return self.wrong();
        }
        match field.shape {
            Shape::One => self.element(field, depth),
            Shape::List => (0..self.below(3)).map(|_| self.element(field, depth)).collect(),
            Shape::Map => {
                let entry = |_| (self.pick(&["a", "b.c/d", ""]).to_owned(), self.element(field, depth));
                Value::Object((0..self.below(3)).map(entry).collect())
            }
        }
    }

    fn wrong(&self) -> Value {
        let values = [
            json!(null),
            json!("x y"),
            json!(1.5),
            json!(-1),
            json!([[]]),
            json!({"": {}}),
            json!(true),
            json!(1u64 << 63),
        ];
        values[self.below(8) as usize].clone()
    }

    fn element(&self, field: &Field, depth: u32) -> Value {
        let message = |id| if depth == 0 { json!({}) } else { self.object(schema().type_at(id), depth - 1) };
        match field.element {
            Element::String => self.pick(&["", "a", "ünï\u{0}"]).into(),
            Element::Int32 => [0, 1, -1, i32::MIN, i32::MAX][self.below(5) as usize].into(),
            Element::Int64 => [0, 1, -1, i64::MIN, i64::MAX][self.below(5) as usize].into(),
            Element::Bool => (self.below(2) == 0).into(),
            Element::Double => [0.0, 1.5, -1e300][self.below(3) as usize].into(),
            Element::Bytes => self.pick(&["", "AA==", "YWJj"]).into(),
            Element::Time => self.pick(&["2026-01-02T03:04:05Z", "1950-01-02T03:04:05Z"]).into(),
            Element::MicroTime => self.pick(&["2026-01-02T03:04:05.000006Z", "1950-01-02T03:04:05.900000Z"]).into(),
            Element::Quantity => self.pick(&["1024Mi", "0.5", "-1", "1e3", "0"]).into(),
            Element::IntOrString => [json!(0), json!(-7), json!(""), json!("25%")][self.below(4) as usize].clone(),
            Element::Raw | Element::FieldsV1 => {
                [json!({}), json!({"f:a": {"x": [1, null]}})][self.below(2) as usize].clone()
            }
            Element::Json => [json!({}), json!("x"), json!(0), json!([null])][self.below(4) as usize].clone(),
            Element::StringList => [json!([]), json!(["a", ""])][self.below(2) as usize].clone(),
            Element::SchemaOrBool(id) => {
                if self.below(2) == 0 {
                    json!(true)
                } else {
                    message(id)
                }
            }
            Element::SchemaOrArray(id) => {
                if self.below(2) == 0 {
                    json!([message(id)])
                } else {
                    message(id)
                }
            }
            Element::SchemaOrStrings(id) => {
                if self.below(2) == 0 {
                    json!(["a"])
                } else {
                    message(id)
                }
            }
            Element::Message(id) => message(id),
        }
    }
}

fn for_every_type(wrong_one_in: u32, check: impl Fn(&Type, Value, &Maker)) {
    for seed in 0..VALUES {
        for type_ in schema().types() {
            let maker = Maker { entropy: SeededEntropy::new(seed), wrong_one_in };
            check(type_, maker.object(type_, 3), &maker);
        }
    }
}

/// What no protobuf message carries.
fn is_json_only(type_: &Type) -> bool {
    matches!(type_.name, "version.Info" | "apis.meta.v1.APIResourceList") || type_.name.starts_with("metrics.")
}

#[test]
fn right_values_conform_and_survive_protobuf() {
    for_every_type(0, |type_, mut value, _| {
        let unknown = conform(schema(), type_, &mut value).unwrap_or_else(|error| panic!("{}: {error}", type_.name));
        assert!(unknown.is_empty(), "{}: {unknown:?}", type_.name);
        let once = value.clone();
        conform(schema(), type_, &mut value).unwrap_or_else(|error| panic!("{}: {error}", type_.name));
        assert_eq!(value, once, "{}: what conforms does not change", type_.name);
        if is_json_only(type_) {
            return;
        }
        let bytes = protobuf::encode(schema(), type_, &value).unwrap_or_else(|error| panic!("{}: {error}", type_.name));
        let mut decoded =
            protobuf::decode(schema(), type_, &bytes).unwrap_or_else(|error| panic!("{}: {error}", type_.name));
        for name in ["apiVersion", "kind"].iter().filter(|name| value.get(**name).is_none()) {
            object::remove(&mut decoded, &[name]);
        }
        assert_eq!(decoded, value, "{}", type_.name);
    });
}

#[test]
fn wrong_values_are_refused_or_mended_and_never_panic() {
    for_every_type(12, |type_, mut value, maker| {
        let _ = protobuf::encode(schema(), type_, &value);
        let patch = maker.object(type_, 3);
        let mut patched = value.clone();
        let _ = patch::strategic(schema(), type_, &mut patched, &patch);
        if conform(schema(), type_, &mut value).is_ok() {
            let bytes = protobuf::encode(schema(), type_, &value);
            assert!(bytes.is_ok(), "{}: {:?}", type_.name, bytes.err());
        }
    });
}

#[test]
fn defaulting_twice_is_defaulting_once_for_every_kind() {
    for wrong_one_in in [0, 12] {
        for_every_type(wrong_one_in, |type_, mut value, _| {
            let Some(api_version) = type_.api_version else { return };
            let kind = sampan_meta::GroupVersionKind::from_api_version(api_version, type_.short_name());
            default_object(&kind, &mut value);
            let once = value.clone();
            default_object(&kind, &mut value);
            assert_eq!(value, once, "{}", type_.name);
        });
    }
}

#[test]
fn defaulted_right_values_still_conform() {
    for_every_type(0, |type_, mut value, _| {
        let Some(api_version) = type_.api_version else { return };
        let kind = sampan_meta::GroupVersionKind::from_api_version(api_version, type_.short_name());
        conform(schema(), type_, &mut value).unwrap_or_else(|error| panic!("{}: {error}", type_.name));
        default_object(&kind, &mut value);
        let defaulted = value.clone();
        let unknown = conform(schema(), type_, &mut value).unwrap_or_else(|error| panic!("{}: {error}", type_.name));
        assert!(unknown.is_empty(), "{}: {unknown:?}", type_.name);
        assert_eq!(value, defaulted, "{}: defaults are canonical", type_.name);
    });
}
