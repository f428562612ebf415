//! One rule of a role and what it matches, as upstream's `pkg/apis/rbac/v1/evaluation_helpers.go` and
//! `component-helpers/auth/rbac/validation/policy_comparator.go` have it.

use std::fmt;

use sampan_api::request::Attributes;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::Value;

const ALL: &str = "*";

/// `PolicyRule` of rbac.authorization.k8s.io/v1.
#[derive(Clone, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct Rule {
    /// Verbs, or `*`.
    #[serde(deserialize_with = "null_as_empty")]
    pub verbs: Vec<String>,
    /// Groups, `""` being the core group, or `*`.
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub api_groups: Vec<String>,
    /// `pods`, `pods/log`, `*/scale` or `*`.
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub resources: Vec<String>,
    /// Object names; empty: every object.
    #[serde(deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,
    /// Paths outside the resources, `*` only as the last letter.
    #[serde(rename = "nonResourceURLs", deserialize_with = "null_as_empty", skip_serializing_if = "Vec::is_empty")]
    pub non_resource_urls: Vec<String>,
}

fn null_as_empty<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(deserializer)?.unwrap_or_default())
}

impl Rule {
    /// The rules of a role object; a malformed rule grants nothing.
    pub fn of_role(role: &Value) -> Vec<Self> {
        let rules = role.get("rules").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        rules.iter().filter_map(|rule| Self::deserialize(rule).ok()).collect()
    }

    /// The two rules of cluster-admin.
    pub(crate) fn everything() -> Vec<Self> {
        let all = || vec![ALL.to_owned()];
        vec![
            Self { verbs: all(), api_groups: all(), resources: all(), ..Self::default() },
            Self { verbs: all(), non_resource_urls: all(), ..Self::default() },
        ]
    }

    /// Whether this rule allows the request.
    pub fn allows(&self, attributes: &Attributes) -> bool {
        if !has(&self.verbs, &attributes.verb) {
            return false;
        }
        if !attributes.resource_request {
            return self.allows_path(&attributes.path);
        }
        has(&self.api_groups, &attributes.group)
            && self.allows_resource(&attributes.resource, &attributes.subresource)
            && self.allows_name(&attributes.name)
    }

    fn allows_resource(&self, resource: &str, subresource: &str) -> bool {
        self.resources.iter().any(|rule| match rule.split_once('/') {
            None => rule == ALL || (subresource.is_empty() && rule == resource),
            Some((ALL, own)) => !subresource.is_empty() && own == subresource,
            Some((own, own_subresource)) => own == resource && own_subresource == subresource,
        })
    }

    fn allows_name(&self, name: &str) -> bool {
        self.resource_names.is_empty() || self.resource_names.iter().any(|own| own == name)
    }

    fn allows_path(&self, path: &str) -> bool {
        self.non_resource_urls.iter().any(|rule| path_matches(rule, path))
    }

    /// Whether `owned` together grant everything `wanted` grants; if not, the parts that are missing, each as a rule for one
    /// verb on one resource (and name) or path.
    pub fn uncovered(owned: &[Self], wanted: &[Self]) -> Vec<Self> {
        let parts = wanted.iter().flat_map(Self::parts);
        parts.filter(|part| !owned.iter().any(|rule| rule.covers(part))).collect()
    }

    /// This rule as rules with one value in each place, so that each can be compared by itself.
    fn parts(&self) -> Vec<Self> {
        let mut parts = Vec::new();
        for verb in &self.verbs {
            for group in &self.api_groups {
                for resource in &self.resources {
                    let part = part(verb, group, resource);
                    if self.resource_names.is_empty() {
                        parts.push(part.clone());
                    }
                    let named = |name: &String| Self { resource_names: vec![name.clone()], ..part.clone() };
                    parts.extend(self.resource_names.iter().map(named));
                }
            }
            let path = |url: &String| Self { non_resource_urls: vec![url.clone()], ..part(verb, "", "") };
            parts.extend(self.non_resource_urls.iter().map(path).map(Self::without_resource));
        }
        parts
    }

    fn without_resource(self) -> Self {
        Self { api_groups: Vec::new(), resources: Vec::new(), ..self }
    }

    /// Whether this rule alone grants `part`, a rule with one value in each place.
    fn covers(&self, part: &Self) -> bool {
        let all_in = |own: &[String], wanted: &[String]| wanted.iter().all(|value| has(own, value));
        if !all_in(&self.verbs, &part.verbs) {
            return false;
        }
        if let Some(url) = part.non_resource_urls.first() {
            return self.non_resource_urls.iter().any(|own| path_covers(own, url));
        }
        let names = self.resource_names.is_empty()
            || (!part.resource_names.is_empty() && all_in(&self.resource_names, &part.resource_names));
        all_in(&self.api_groups, &part.api_groups)
            && part.resources.iter().all(|wanted| self.covers_resource(wanted))
            && names
    }

    fn covers_resource(&self, wanted: &str) -> bool {
        if has(&self.resources, wanted) {
            return true;
        }
        let Some((_, subresource)) = wanted.split_once('/') else { return false };
        self.resources.iter().any(|own| own.strip_prefix("*/") == Some(subresource))
    }
}

fn part(verb: &str, group: &str, resource: &str) -> Rule {
    let one = |value: &str| vec![value.to_owned()];
    Rule { verbs: one(verb), api_groups: one(group), resources: one(resource), ..Rule::default() }
}

/// Whether the list names the value or everything.
fn has(list: &[String], value: &str) -> bool {
    list.iter().any(|own| own == ALL || own == value)
}

fn path_matches(rule: &str, path: &str) -> bool {
    rule == path || rule.strip_suffix(ALL).is_some_and(|prefix| path.starts_with(prefix))
}

/// As [`path_matches`], where `wanted` is itself a pattern: `/a/*` covers `/a/b*`, `/a/b` does not cover `/a/b*`.
fn path_covers(own: &str, wanted: &str) -> bool {
    own == wanted || own.strip_suffix(ALL).is_some_and(|prefix| wanted.starts_with(prefix))
}

impl fmt::Display for Rule {
    /// The compact form upstream prints in escalation errors: `{APIGroups:[""], Resources:["pods"], Verbs:["get"]}`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let places = [
            ("APIGroups", &self.api_groups),
            ("Resources", &self.resources),
            ("NonResourceURLs", &self.non_resource_urls),
            ("ResourceNames", &self.resource_names),
            ("Verbs", &self.verbs),
        ];
        let shown = places.iter().filter(|(_, values)| !values.is_empty());
        let shown: Vec<String> = shown.map(|(name, values)| format!("{name}:[{}]", quoted(values))).collect();
        write!(f, "{{{}}}", shown.join(", "))
    }
}

fn quoted(values: &[String]) -> String {
    values.iter().map(|value| format!("{value:?}")).collect::<Vec<_>>().join(" ")
}
