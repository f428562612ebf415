//! The text of an event: `Event` of `audit.k8s.io/v1`, put together from pieces so that a request is looked at once.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::net::IpAddr;

use http::{HeaderMap, header};
use jiff::Timestamp;
use jiff::fmt::temporal::DateTimePrinter;
use sampan_api::request::User;
use sampan_meta::{Status, object};
use serde::Serialize;
use serde_json::Value;

/// A user agent is cut after so many bytes, as upstream's.
const LONGEST_USER_AGENT: usize = 1024;

/// One line in the making: an object whose members are written one by one.
#[derive(Default)]
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn new(level: &str) -> Self {
        let mut line = Self(Vec::with_capacity(1024));
        line.0.extend_from_slice(br#"{"kind":"Event","apiVersion":"audit.k8s.io/v1""#);
        line.member("level", level);
        line
    }

    /// The line so far, to go on with more than once.
    pub(super) fn copy(&self) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + 512);
        bytes.extend_from_slice(&self.0);
        Self(bytes)
    }

    pub(super) fn member(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        self.name(name);
        serde_json::to_writer(&mut self.0, value).expect("plain values go into memory");
    }

    pub(super) fn time(&mut self, name: &str, at: Timestamp) {
        self.name(name);
        self.0.push(b'"');
        MICRO_TIME.print_timestamp(&at, &mut self.0).expect("memory takes every byte");
        self.0.push(b'"');
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }

    fn name(&mut self, name: &str) {
        self.0.extend_from_slice(b",\"");
        self.0.extend_from_slice(name.as_bytes());
        self.0.extend_from_slice(b"\":");
    }
}

/// As `sampan_meta::time::format_micro_time`, at a fraction of its cost.
const MICRO_TIME: DateTimePrinter = DateTimePrinter::new().precision(Some(6));

/// Who asked, as [`sampan_access::authn::user_value`] has it.
#[derive(Serialize)]
pub(super) struct UserInfo<'a> {
    username: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    uid: &'a str,
    #[serde(skip_serializing_if = "<[_]>::is_empty")]
    groups: &'a [String],
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    extra: &'a BTreeMap<String, Vec<String>>,
}

impl<'a> From<&'a User> for UserInfo<'a> {
    fn from(user: &'a User) -> Self {
        Self { username: &user.name, uid: &user.uid, groups: &user.groups, extra: &user.extra }
    }
}

/// What was decided about it, and why.
#[derive(Serialize)]
pub(super) struct Annotations {
    #[serde(rename = "authorization.k8s.io/decision")]
    pub(super) decision: &'static str,
    #[serde(rename = "authorization.k8s.io/reason")]
    pub(super) reason: String,
    #[serde(flatten)]
    pub(super) admission: BTreeMap<String, String>,
}

/// What a request is about; empty members are left out.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectReference {
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) resource: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) namespace: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) uid: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) api_group: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) api_version: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) resource_version: String,
    #[serde(skip_serializing_if = "str::is_empty")]
    pub(super) subresource: String,
}

impl ObjectReference {
    /// Fills in what the path did not say from the object that was sent.
    pub(super) fn complete(&mut self, object: &Value) {
        let parts: [(&mut String, &str); 4] = [
            (&mut self.namespace, "/metadata/namespace"),
            (&mut self.name, "/metadata/name"),
            (&mut self.uid, "/metadata/uid"),
            (&mut self.resource_version, "/metadata/resourceVersion"),
        ];
        for (part, pointer) in parts {
            if let Some(text) = object::str_at(object, pointer).filter(|_| part.is_empty()) {
                text.clone_into(part);
            }
        }
    }
}

/// `responseStatus`: the code, and of a failure why.
#[derive(Serialize)]
pub(super) struct ResponseStatus<'a> {
    metadata: Empty,
    #[serde(skip_serializing_if = "str::is_empty")]
    status: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    message: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    reason: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    details: Option<&'a sampan_meta::StatusDetails>,
    code: u16,
}

#[derive(Serialize)]
struct Empty {}

impl<'a> ResponseStatus<'a> {
    pub(super) fn of(code: u16, failure: Option<&'a Status>) -> Self {
        let (status, message, reason) =
            failure.map_or(("", "", ""), |status| (&status.status, &status.message, &status.reason));
        let details = failure.and_then(|status| status.details.as_deref());
        Self { metadata: Empty {}, status, message, reason, details, code }
    }

    pub(super) fn message(code: u16, message: &'a str) -> Self {
        Self { message, ..Self::of(code, None) }
    }

    /// Upstream's form for a request whose maker did not wait for the answer.
    pub(super) fn hung_up() -> Self {
        Self { status: "Success", ..Self::message(200, "Connection closed early") }
    }

    pub(super) fn panic(message: &'a str) -> Self {
        Self { status: "Failure", reason: "InternalError", ..Self::message(500, message) }
    }
}

/// Where a request comes from: what proxies on its way say, then the peer itself (apimachinery/pkg/util/net, `SourceIPs`).
pub(super) fn source_ips(headers: &HeaderMap, peer: Option<IpAddr>) -> Vec<IpAddr> {
    let texts = |name: &str| headers.get_all(name).into_iter().filter_map(|value| value.to_str().ok());
    let forwarded = texts("x-forwarded-for").flat_map(|text| text.split(','));
    let mut found: Vec<IpAddr> = forwarded.filter_map(|text| text.trim().parse().ok()).collect();
    let real = texts("x-real-ip").next().and_then(|text| text.trim().parse().ok());
    for address in [real, peer].into_iter().flatten() {
        if !found.contains(&address) {
            found.push(address);
        }
    }
    found
}

pub(super) fn user_agent(headers: &HeaderMap) -> Cow<'_, str> {
    let agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let agent = agent.unwrap_or_default();
    if agent.len() <= LONGEST_USER_AGENT {
        return agent;
    }
    format!("{}...TRUNCATED", &agent[..agent.floor_char_boundary(LONGEST_USER_AGENT)]).into()
}
