//! Which requests are logged, and how much of them (apiserver/pkg/audit/policy/checker.go).

use std::fmt;

use sampan_api::request::User;
use serde::Deserialize;

use crate::path::RequestInfo;

/// How much of a request is logged.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Deserialize)]
pub enum Level {
    /// Nothing.
    #[default]
    None,
    /// Who asked for what, and the code of the answer.
    Metadata,
    /// The body sent as well.
    Request,
    /// The body of the answer as well.
    RequestResponse,
}

impl Level {
    pub(super) const ALL: [Self; 4] = [Self::None, Self::Metadata, Self::Request, Self::RequestResponse];

    pub(super) fn name(self) -> &'static str {
        match self {
            Self::None => "None",
            Self::Metadata => "Metadata",
            Self::Request => "Request",
            Self::RequestResponse => "RequestResponse",
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// A point in the life of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
pub enum Stage {
    /// It came.
    RequestReceived,
    /// The head of the answer to a watch (or another request without an end of its own) was sent.
    ResponseStarted,
    /// The answer is complete.
    ResponseComplete,
    /// It ended in a panic.
    Panic,
}

impl Stage {
    pub(super) fn name(self) -> &'static str {
        match self {
            Self::RequestReceived => "RequestReceived",
            Self::ResponseStarted => "ResponseStarted",
            Self::ResponseComplete => "ResponseComplete",
            Self::Panic => "Panic",
        }
    }
}

/// What to do about one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Treatment<'a> {
    pub(super) level: Level,
    omitted: [&'a [Stage]; 2],
    pub(super) omit_managed_fields: bool,
}

impl Treatment<'_> {
    /// Which stages are logged, as the bits of [`Stage`].
    pub(super) fn stages(&self) -> Stages {
        Stages(self.omitted.into_iter().flatten().fold(u8::MAX, |stages, stage| stages & !(1 << *stage as u8)))
    }
}

/// A set of stages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stages(u8);

impl Stages {
    pub(super) fn contains(self, stage: Stage) -> bool {
        self.0 & (1 << stage as u8) != 0
    }
}

/// A policy that cannot be used, and why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct PolicyError(String);

/// A `Policy` of `audit.k8s.io/v1`: the first rule that matches a request decides; without one it is not logged.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Policy {
    api_version: String,
    kind: String,
    #[serde(default, rename = "metadata")]
    _metadata: serde::de::IgnoredAny,
    #[serde(default)]
    rules: Vec<Rule>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    #[serde(default)]
    omit_managed_fields: bool,
}

#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rule {
    level: Level,
    #[serde(default)]
    users: Vec<String>,
    #[serde(default)]
    user_groups: Vec<String>,
    #[serde(default)]
    verbs: Vec<String>,
    #[serde(default)]
    resources: Vec<GroupResources>,
    #[serde(default)]
    namespaces: Vec<String>,
    #[serde(default, rename = "nonResourceURLs")]
    non_resource_urls: Vec<String>,
    #[serde(default)]
    omit_stages: Vec<Stage>,
    omit_managed_fields: Option<bool>,
}

#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct GroupResources {
    #[serde(default)]
    group: String,
    #[serde(default)]
    resources: Vec<String>,
    #[serde(default)]
    resource_names: Vec<String>,
}

/// What holds without a file: see the comments in it.
const DEFAULT: &str = include_str!("default_policy.yaml");

impl Default for Policy {
    fn default() -> Self {
        Self::parse(DEFAULT).expect("a test reads it")
    }
}

impl Policy {
    /// Reads and checks the text of a policy file, YAML or JSON.
    pub fn parse(text: &str) -> Result<Self, PolicyError> {
        let policy: Self = serde_saphyr::from_str(text).map_err(|error| PolicyError(error.to_string()))?;
        let wrong = |why: String| Err(PolicyError(why));
        if (policy.api_version.as_str(), policy.kind.as_str()) != ("audit.k8s.io/v1", "Policy") {
            return wrong(format!(
                "it is a {} of {}, not a Policy of audit.k8s.io/v1",
                policy.kind, policy.api_version
            ));
        }
        if policy.rules.is_empty() {
            return wrong("it has no rules; to log nothing, turn the audit log off".to_owned());
        }
        for (index, rule) in policy.rules.iter().enumerate() {
            rule.check().map_err(|why| PolicyError(format!("rules[{index}]: {why}")))?;
        }
        Ok(policy)
    }

    pub(super) fn evaluate(&self, user: &User, info: &RequestInfo, path: &str) -> Treatment<'_> {
        match self.rules.iter().find(|rule| rule.matches(user, info, path)) {
            None => Treatment { level: Level::None, omitted: [&self.omit_stages, &[]], omit_managed_fields: false },
            Some(rule) => Treatment {
                level: rule.level,
                omitted: [&self.omit_stages, &rule.omit_stages],
                omit_managed_fields: rule.omit_managed_fields.unwrap_or(self.omit_managed_fields),
            },
        }
    }
}

impl Rule {
    /// What upstream's validation refuses (apiserver/pkg/apis/audit/validation), in its words.
    fn check(&self) -> Result<(), String> {
        for url in self.non_resource_urls.iter().filter(|url| *url != "*") {
            if !url.starts_with('/') {
                return Err(format!("nonResourceURLs {url:?}: non-resource URL rules must begin with a '/' character"));
            }
            if url[..url.len() - 1].contains('*') {
                return Err(format!(
                    "nonResourceURLs {url:?}: non-resource URL wildcards '*' must be the final character of the rule"
                ));
            }
        }
        for some in &self.resources {
            if some.group.contains('/') || some.group.to_lowercase() != some.group {
                return Err(format!("resources: group {:?} must be a DNS name without a version", some.group));
            }
            if !some.resource_names.is_empty() && some.resources.is_empty() {
                return Err("resourceNames: using resourceNames requires at least one resource".to_owned());
            }
        }
        match !self.non_resource_urls.is_empty() && (!self.resources.is_empty() || !self.namespaces.is_empty()) {
            true => {
                Err("nonResourceURLs: rules cannot apply to both regular resources and non-resource URLs".to_owned())
            }
            false => Ok(()),
        }
    }

    fn matches(&self, user: &User, info: &RequestInfo, path: &str) -> bool {
        let unrestricted = |some: &[String], value: &str| some.is_empty() || holds(some, value);
        if !unrestricted(&self.verbs, &info.verb) || !unrestricted(&self.users, &user.name) {
            return false;
        }
        if !self.user_groups.is_empty() && !user.groups.iter().any(|group| holds(&self.user_groups, group)) {
            return false;
        }
        if !self.namespaces.is_empty() || !self.resources.is_empty() {
            return info.resource_request
                && unrestricted(&self.namespaces, &info.namespace)
                && (self.resources.is_empty() || self.resources.iter().any(|some| some.cover(info)));
        }
        let urls = &self.non_resource_urls;
        urls.is_empty() || (!info.resource_request && urls.iter().any(|url| covers(url, path)))
    }
}

impl GroupResources {
    fn cover(&self, info: &RequestInfo) -> bool {
        if self.group != info.group {
            return false;
        }
        if self.resources.is_empty() {
            return true;
        }
        let named = self.resource_names.is_empty() || holds(&self.resource_names, &info.name);
        named && self.resources.iter().any(|words| is_named(words, &info.resource, &info.subresource))
    }
}

/// `pods`, `pods/log`, `pods/*`, `*/scale` or `*`.
fn is_named(words: &str, resource: &str, subresource: &str) -> bool {
    match words.split_once('/') {
        _ if words == "*" => true,
        None => subresource.is_empty() && words == resource,
        Some(("*", sub)) if !subresource.is_empty() && sub == subresource => true,
        Some((whole, "*")) => whole == resource,
        Some((whole, sub)) => whole == resource && sub == subresource,
    }
}

fn covers(url: &str, path: &str) -> bool {
    url == path || url.strip_suffix('*').is_some_and(|start| path.starts_with(start))
}

fn holds(some: &[String], value: &str) -> bool {
    some.iter().any(|own| own == value)
}
