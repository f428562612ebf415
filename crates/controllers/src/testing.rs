//! Objects for tests, from JSON.

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;

/// The time at which tests happen: 2026-01-02T03:04:05Z.
pub(crate) fn now() -> Timestamp {
    "2026-01-02T03:04:05Z".parse().expect("a valid time")
}

/// A typed object of JSON.
pub(crate) fn object<K: DeserializeOwned>(value: Value) -> K {
    serde_json::from_value(value).expect("the test's object fits its type")
}

/// A time so many seconds before [`now`].
pub(crate) fn ago(seconds: i64) -> String {
    sampan_meta::time::format_time(now() - jiff::SignedDuration::from_secs(seconds))
}
