//! Paths and queries of the Kubernetes API.

use std::collections::BTreeMap;

use serde_json::Value;

/// Where a request points.
#[derive(Debug, Clone)]
pub(super) struct Path {
    pub(super) raw: String,
    /// `/pods`, `apps/deployments`.
    pub(super) resource: String,
    pub(super) api_version: String,
    pub(super) namespace: Option<String>,
    pub(super) name: Option<String>,
    pub(super) subresource: Option<String>,
}

impl Path {
    pub(super) fn parse(raw: &str) -> Option<Self> {
        let segments: Vec<&str> = raw.trim_matches('/').split('/').collect();
        let (group, version, rest) = match segments.as_slice() {
            ["api", version, rest @ ..] => ("", *version, rest),
            ["apis", group, version, rest @ ..] => (*group, *version, rest),
            _ => return None,
        };
        let (namespace, rest) = match rest {
            ["namespaces", namespace, plural, rest @ ..] if !matches!(*plural, "status" | "finalize") => {
                (Some((*namespace).to_owned()), [&[*plural], rest].concat())
            }
            _ => (None, rest.to_vec()),
        };
        let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
        let owned = |index: usize| rest.get(index).map(|segment: &&str| (*segment).to_owned());
        Some(Self {
            raw: raw.to_owned(),
            resource: format!("{group}/{}", rest.first()?),
            api_version,
            namespace,
            name: owned(1),
            subresource: owned(2),
        })
    }

    /// Whether an object's metadata lie at or below this path.
    pub(super) fn covers(&self, namespace: &str, name: &str) -> bool {
        self.namespace.as_deref().is_none_or(|own| own == namespace)
            && self.name.as_deref().is_none_or(|own| own == name)
    }
}

/// The parameters of a request.
#[derive(Debug, Clone)]
pub(super) struct Query(BTreeMap<String, String>);

impl Query {
    pub(super) fn parse(raw: &str) -> Self {
        let pairs = raw.split('&').filter_map(|pair| pair.split_once('='));
        Self(pairs.map(|(key, value)| (key.to_owned(), decode(value))).collect())
    }

    pub(super) fn is_watch(&self) -> bool {
        matches!(self.text("watch"), "true" | "1")
    }

    pub(super) fn text(&self, key: &str) -> &str {
        self.0.get(key).map_or("", String::as_str)
    }

    pub(super) fn number(&self, key: &str) -> u64 {
        self.text(key).parse().unwrap_or(0)
    }

    /// Equality selectors over labels and over any field.
    pub(super) fn selects(&self, object: &Value) -> bool {
        let label = |key: &str| object["metadata"]["labels"][key].as_str().map(str::to_owned);
        let field = |path: &str| {
            object.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_str).map(str::to_owned)
        };
        equal(self.text("labelSelector"), label) && equal(self.text("fieldSelector"), field)
    }
}

fn equal(selector: &str, value: impl Fn(&str) -> Option<String>) -> bool {
    let terms = selector.split(',').filter_map(|term| term.split_once('='));
    terms.into_iter().all(|(key, wanted)| value(key).unwrap_or_default() == wanted.trim_start_matches('='))
}

/// Percent-decoding of what a query may hold in tests: ASCII.
fn decode(value: &str) -> String {
    let mut decoded = String::new();
    let mut rest = value.chars();
    while let Some(next) = rest.next() {
        match next {
            '%' => {
                let digits: String = rest.by_ref().take(2).collect();
                decoded.push(u8::from_str_radix(&digits, 16).map_or('?', char::from));
            }
            '+' => decoded.push(' '),
            other => decoded.push(other),
        }
    }
    decoded
}
