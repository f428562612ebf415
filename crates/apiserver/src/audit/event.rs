//! The text of an event: `Event` of `audit.k8s.io/v1`, put together from pieces so that a request is looked at once.

use std::io::Write as _;
use std::net::IpAddr;

use http::{HeaderMap, header};
use jiff::Timestamp;
use sampan_access::authn;
use sampan_api::request::User;
use sampan_meta::{Status, object, time};
use serde::Serialize;
use serde_json::Value;

/// A user agent is cut after so many bytes, as upstream's.
const LONGEST_USER_AGENT: usize = 1024;

/// One line in the making: an object whose members are written one by one.
pub(super) struct Line(Vec<u8>);

impl Line {
    pub(super) fn new(level: impl std::fmt::Display) -> Self {
        let mut bytes = Vec::with_capacity(1024);
        write(&mut bytes, format_args!(r#"{{"kind":"Event","apiVersion":"audit.k8s.io/v1","level":"{level}""#));
        Self(bytes)
    }

    /// The line so far, to go on with more than once.
    pub(super) fn copy(&self) -> Self {
        let mut bytes = Vec::with_capacity(self.0.len() + 512);
        bytes.extend_from_slice(&self.0);
        Self(bytes)
    }

    pub(super) fn member(&mut self, name: &str, value: &(impl Serialize + ?Sized)) {
        write(&mut self.0, format_args!(r#","{name}":"#));
        serde_json::to_writer(&mut self.0, value).expect("plain values go into memory");
    }

    pub(super) fn time(&mut self, name: &str, at: Timestamp) {
        write(&mut self.0, format_args!(r#","{name}":"{}""#, time::format_micro_time(at)));
    }

    pub(super) fn user(&mut self, name: &str, user: &User) {
        self.member(name, &authn::user_value(user));
    }

    pub(super) fn finish(mut self) -> Vec<u8> {
        self.0.extend_from_slice(b"}\n");
        self.0
    }
}

fn write(bytes: &mut Vec<u8>, text: std::fmt::Arguments<'_>) {
    bytes.write_fmt(text).expect("memory takes every byte");
}

/// What a request is about; empty members are left out.
#[derive(Clone, Debug, Default, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct ObjectReference {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) resource: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) namespace: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) uid: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) api_group: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) api_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(super) resource_version: String,
    #[serde(skip_serializing_if = "String::is_empty")]
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

pub(super) fn user_agent(headers: &HeaderMap) -> String {
    let agent = headers.get(header::USER_AGENT).map(|value| String::from_utf8_lossy(value.as_bytes()));
    let mut agent = agent.unwrap_or_default().into_owned();
    if agent.len() > LONGEST_USER_AGENT {
        agent.truncate(agent.floor_char_boundary(LONGEST_USER_AGENT));
        agent.push_str("...TRUNCATED");
    }
    agent
}
