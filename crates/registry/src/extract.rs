//! One pass over an object's bytes that keeps labels and selectable fields and skips all else unparsed.

use std::sync::Arc;

use serde::de::{DeserializeSeed, Deserializer, Error, IgnoredAny, MapAccess, SeqAccess, Visitor};

use crate::shape::{Shape, Wanted};

/// What selectors and indices look at.
#[derive(Debug, Default)]
pub(crate) struct Extracted {
    /// Sorted by key.
    pub(crate) labels: Box<[(Box<str>, Box<str>)]>,
    /// In the order of the kind's selectable fields.
    pub(crate) fields: Box<[Option<Box<str>>]>,
    /// The value the cache indexes by; `None` while the field is empty.
    pub(crate) index: Option<Arc<str>>,
}

/// Reads the object once.
pub(crate) fn extract(json: &[u8], shape: &Shape) -> Result<Extracted, serde_json::Error> {
    let mut found = Found {
        labels: Vec::new(),
        fields: vec![None; shape.selectable.len()],
        ranks: vec![usize::MAX; shape.selectable.len()],
    };
    let mut deserializer = serde_json::Deserializer::from_slice(json);
    Walk { wanted: Some(&shape.wanted), place: Place::Root, found: &mut found }.deserialize(&mut deserializer)?;
    deserializer.end()?;
    found.labels.sort();
    let index = shape.index.and_then(|at| found.fields[at].as_deref()).filter(|value| !value.is_empty());
    Ok(Extracted {
        index: index.map(Arc::from),
        labels: found.labels.into_boxed_slice(),
        fields: found.fields.into_boxed_slice(),
    })
}

/// A string borrowed from the bytes unless it holds an escape.
#[derive(serde::Deserialize)]
struct Text<'a>(#[serde(borrow)] std::borrow::Cow<'a, str>);

struct Found {
    labels: Vec<(Box<str>, Box<str>)>,
    fields: Vec<Option<Box<str>>>,
    /// Which of a field's paths filled it; a lower one wins.
    ranks: Vec<usize>,
}

impl Found {
    fn put(&mut self, wanted: Option<&Wanted>, value: &str) {
        let Some(wanted) = wanted else { return };
        for (field, rank) in &wanted.fields {
            if !value.is_empty() && *rank < self.ranks[*field] {
                self.ranks[*field] = *rank;
                self.fields[*field] = Some(value.into());
            }
        }
    }

    /// Lists are selectable by their items joined (`status.podIPs`).
    fn join(&mut self, wanted: Option<&Wanted>, value: &str) {
        let Some(wanted) = wanted else { return };
        for (field, _) in &wanted.fields {
            self.fields[*field] = Some(match self.fields[*field].take() {
                Some(before) => format!("{before},{value}").into(),
                None => value.into(),
            });
        }
    }
}

#[derive(Clone, Copy, PartialEq)]
enum Place {
    Root,
    Metadata,
    Labels,
    Elsewhere,
}

struct Walk<'w, 'f> {
    wanted: Option<&'w Wanted>,
    place: Place,
    found: &'f mut Found,
}

impl<'de> DeserializeSeed<'de> for Walk<'_, '_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Walk<'_, '_> {
    type Value = ();

    fn expecting(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("a JSON object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        while let Some(key) = map.next_key::<Text<'de>>()? {
            if self.place == Place::Labels {
                let value: Text<'de> = map.next_value()?;
                self.found.labels.push((key.0.as_ref().into(), value.0.as_ref().into()));
                continue;
            }
            let place = match (self.place, key.0.as_ref()) {
                (Place::Root, "metadata") => Place::Metadata,
                (Place::Metadata, "labels") => Place::Labels,
                _ => Place::Elsewhere,
            };
            let wanted = self.wanted.and_then(|wanted| wanted.member(&key.0));
            if wanted.is_none() && place == Place::Elsewhere {
                map.next_value::<IgnoredAny>()?;
            } else {
                map.next_value_seed(Walk { wanted, place, found: self.found })?;
            }
        }
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while let Some(item) = list.next_element::<serde_json::Value>()? {
            let text = item.as_str().or_else(|| item.get("ip").and_then(serde_json::Value::as_str));
            if let Some(text) = text {
                self.found.join(self.wanted, text);
            }
        }
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        self.found.put(self.wanted, value);
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        self.found.put(self.wanted, if value { "true" } else { "false" });
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        self.found.put(self.wanted, &value.to_string());
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        self.found.put(self.wanted, &value.to_string());
        Ok(())
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<(), E> {
        Ok(())
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn fields_of(resource: &str, object: &serde_json::Value) -> Extracted {
        extract(&serde_json::to_vec(object).unwrap(), Shape::of_storage(resource)).unwrap()
    }

    #[test]
    fn labels_fields_and_the_index_are_taken_and_the_rest_is_skipped() {
        let pod = json!({"metadata": {"labels": {"b": "2", "a": "1"}, "annotations": {"labels": "no"}},
            "spec": {"nodeName": "n1", "containers": [{"name": "c"}]}, "status": {"phase": "Running", "podIPs": [{"ip": "10.0.0.1"}]}});
        let extracted = fields_of("/pods", &pod);
        assert_eq!(extracted.index.as_deref(), Some("n1"));
        let labels: Vec<_> = extracted.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(labels, ["a=1", "b=2"]);
        let fields: Vec<_> = extracted.fields.iter().flatten().map(|field| &**field).collect();
        assert!(fields.contains(&"Running") && fields.contains(&"10.0.0.1"), "{fields:?}");
    }

    #[test]
    fn an_unscheduled_pod_is_not_indexed() {
        assert_eq!(fields_of("/pods", &json!({"metadata": {}, "spec": {"nodeName": ""}})).index, None);
    }
}
