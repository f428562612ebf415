//! Which level in which version, from the labels of a namespace (upstream's `api/helpers.go`).

use std::fmt;

use sampan_meta::field::{self, ErrorList, Path};
use serde_json::{Map, Value};

/// How much is forbidden; a later one forbids all that an earlier one does.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Privileged,
    Baseline,
    Restricted,
}

impl Level {
    fn parse(text: &str) -> Option<Self> {
        Some(match text {
            "privileged" => Self::Privileged,
            "baseline" => Self::Baseline,
            "restricted" => Self::Restricted,
            _ => return None,
        })
    }
}

/// `latest`, or a minor version of Kubernetes 1.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Version {
    Latest,
    Minor(u32),
}

impl Version {
    fn parse(text: &str) -> Option<Self> {
        if text == "latest" {
            return Some(Self::Latest);
        }
        let digits = text.strip_prefix("v1.")?;
        let plain = digits == "0" || !digits.starts_with('0');
        let minor = digits.parse().ok().filter(|_| plain && digits.bytes().all(|byte| byte.is_ascii_digit()))?;
        Some(Self::Minor(minor))
    }
}

/// A level as a version understands it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct LevelVersion {
    pub(super) level: Level,
    pub(super) version: Version,
}

impl fmt::Display for LevelVersion {
    /// `baseline:latest`, `restricted:v1.30`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let level = match self.level {
            Level::Privileged => "privileged",
            Level::Baseline => "baseline",
            Level::Restricted => "restricted",
        };
        match self.version {
            Version::Latest => write!(f, "{level}:latest"),
            Version::Minor(minor) => write!(f, "{level}:v1.{minor}"),
        }
    }
}

/// What a namespace demands. There is no audit log yet, so the labels for it are only checked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Policy {
    pub(super) enforce: LevelVersion,
    pub(super) warn: LevelVersion,
}

impl Policy {
    fn default_of(namespace: &str) -> Self {
        let latest = |level| LevelVersion { level, version: Version::Latest };
        match namespace.starts_with("kube-") {
            true => Self { enforce: latest(Level::Privileged), warn: latest(Level::Privileged) },
            false => Self { enforce: latest(Level::Baseline), warn: latest(Level::Restricted) },
        }
    }

    /// Of the namespace with these labels; and what is wrong with them. A wrong level to enforce is taken for the strictest one, a
    /// wrong level to warn of for none.
    pub(super) fn of(namespace: &str, labels: Option<&Map<String, Value>>) -> (Self, ErrorList) {
        let (mut policy, mut errors) = (Self::default_of(namespace), ErrorList::new());
        let mut read = Labels { labels, errors: &mut errors };
        let enforced = read.level("enforce");
        if let Some(level) = enforced {
            policy.enforce.level = level.unwrap_or(Level::Restricted);
        }
        if let Some(version) = read.version("enforce") {
            policy.enforce.version = version;
        }
        read.level("audit");
        read.version("audit");
        let warned = read.level("warn");
        if let Some(level) = warned {
            policy.warn.level = level.unwrap_or(Level::Privileged);
        }
        let warned_version = read.version("warn");
        if let Some(version) = warned_version {
            policy.warn.version = version;
        }
        // What is enforced on pods is warned of at their workloads.
        if warned.is_none() && matches!(enforced, Some(Some(level)) if level > policy.warn.level) {
            policy.warn.level = policy.enforce.level;
            policy.warn.version = warned_version.unwrap_or(policy.enforce.version);
        }
        (policy, errors)
    }
}

/// The labels, and what is wrong with those that were read.
struct Labels<'a> {
    labels: Option<&'a Map<String, Value>>,
    errors: &'a mut ErrorList,
}

impl<'a> Labels<'a> {
    fn get(&self, name: &str) -> Option<(String, &'a str)> {
        let key = format!("pod-security.kubernetes.io/{name}");
        let value = self.labels?.get(&key)?.as_str()?;
        Some((key, value))
    }

    fn refuse(&mut self, key: &str, value: &str, why: &str) {
        let path = Path::new("metadata").child("labels").key(key);
        self.errors.push(field::invalid(&path, value, why));
    }

    /// `None`: not there; `Some(None)`: not a level.
    fn level(&mut self, mode: &str) -> Option<Option<Level>> {
        let (key, value) = self.get(mode)?;
        let level = Level::parse(value);
        if level.is_none() {
            self.refuse(&key, value, "must be one of privileged, baseline, restricted");
        }
        Some(level)
    }

    fn version(&mut self, mode: &str) -> Option<Version> {
        let (key, value) = self.get(&format!("{mode}-version"))?;
        let version = Version::parse(value);
        if version.is_none() {
            self.refuse(&key, value, "must be \"latest\" or \"v1.x\"");
        }
        Some(version.unwrap_or(Version::Latest))
    }
}
