//! Rows: it is 2026-01-02, and a year has to pass.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::testing::{now, object};

const LONG_AGO: &str = "2020-01-01T00:00:00Z";

/// An old, listed, unused token, changed by `with`.
fn secret(with: impl FnOnce(&mut Value)) -> Secret {
    let mut secret = json!({ "metadata": { "name": "robot-token", "namespace": "default", "creationTimestamp": LONG_AGO,
        "annotations": { ACCOUNT: "robot", ACCOUNT_UID: "a" }, "labels": {} } });
    with(&mut secret);
    object(secret)
}

fn robot(uid: &str, secrets: &[&str]) -> ServiceAccount {
    let secrets: Vec<Value> = secrets.iter().map(|name| json!({ "name": name })).collect();
    object(json!({ "metadata": { "name": "robot", "namespace": "default", "uid": uid }, "secrets": secrets }))
}

struct Case<'a> {
    secret: Secret,
    account: Option<ServiceAccount>,
    since: Option<&'a str>,
    mounted: bool,
}

impl Default for Case<'_> {
    fn default() -> Self {
        let account = Some(robot("a", &["robot-token"]));
        Self { secret: secret(|_| {}), account, since: Some("2021-01-01"), mounted: false }
    }
}

fn check(case: &Case<'_>, expected: Expect) {
    let tracking: ConfigMap = object(json!({ "data": case.since.map(|since| json!({ "since": since })) }));
    let observed = Observed {
        secret: &case.secret,
        account: case.account.as_ref(),
        tracked_since: since(&tracking),
        mounted: &|| case.mounted,
        now: now(),
        unused_for: Duration::from_secs(365 * 24 * 3600),
    };
    let said = match plan(&observed) {
        Plan::Wait(left) => format!("wait until {}", now() + left),
        other => format!("{other:?}"),
    };
    expected.assert_eq(&said);
}

fn labelled(name: &str, day: &str) -> Case<'static> {
    Case { secret: secret(|secret| secret["metadata"]["labels"][name] = json!(day)), ..Case::default() }
}

#[test]
fn a_token_unused_for_a_year_is_marked_and_goes_a_year_later() {
    check(&Case::default(), expect![[r#"Mark("2026-01-02")"#]]);
    check(&labelled(LAST_USED, "2025-01-01"), expect![[r#"Mark("2026-01-02")"#]]);
    check(&labelled(LAST_USED, "2025-01-02"), expect!["wait until 2026-01-03T00:00:00Z"]);
    check(&labelled(INVALID_SINCE, "2025-01-01"), expect!["Delete"]);
    check(&labelled(INVALID_SINCE, "2025-06-01"), expect!["wait until 2026-06-02T00:00:00Z"]);
    check(&labelled(INVALID_SINCE, "soon"), expect![[r#"Mark("2026-01-02")"#]]);
}

#[test]
fn nothing_is_said_of_times_before_uses_were_written_down() {
    check(&Case { since: None, ..Case::default() }, expect!["Keep"]);
    check(&Case { since: Some("whenever"), ..Case::default() }, expect!["Keep"]);
    check(&Case { since: Some("2025-07-01"), ..Case::default() }, expect!["wait until 2026-07-02T00:00:00Z"]);
    let young = secret(|secret| secret["metadata"]["creationTimestamp"] = json!("2025-02-03T04:05:06Z"));
    check(&Case { secret: young, ..Case::default() }, expect!["wait until 2026-02-03T04:05:06Z"]);
    check(&labelled(LAST_USED, "a while ago"), expect!["Keep"]);
}

#[test]
fn only_what_was_made_of_itself_and_is_mounted_nowhere_goes() {
    check(&Case { account: None, ..Case::default() }, expect!["Keep"]);
    check(&Case { account: Some(robot("a", &["another"])), ..Case::default() }, expect!["Keep"]);
    check(&Case { account: Some(robot("b", &["robot-token"])), ..Case::default() }, expect!["Keep"]);
    check(&Case { mounted: true, ..Case::default() }, expect!["Keep"]);
    let going = secret(|secret| secret["metadata"]["deletionTimestamp"] = json!(LONG_AGO));
    check(&Case { secret: going, ..Case::default() }, expect!["Keep"]);
}

#[test]
fn a_pod_names_secrets_in_many_places() {
    let pod: Pod = object(json!({ "spec": {
        "imagePullSecrets": [{ "name": "pull" }, {}],
        "initContainers": [{ "name": "i", "envFrom": [{ "secretRef": { "name": "whole" } }, { "configMapRef": { "name": "no" } }] }],
        "containers": [{ "name": "c", "env": [{ "name": "E", "valueFrom": { "secretKeyRef": { "name": "single", "key": "k" } } }] }],
        "ephemeralContainers": [{ "name": "e", "envFrom": [{ "secretRef": { "name": "debug" } }] }],
        "volumes": [
            { "name": "a", "secret": { "secretName": "volume" } },
            { "name": "b", "projected": { "sources": [{ "secret": { "name": "projected" } }, { "configMap": { "name": "no" } }] } },
            { "name": "c", "csi": { "driver": "d", "nodePublishSecretRef": { "name": "publish" } } },
            { "name": "d", "emptyDir": {} },
        ],
    } }));
    let names: Vec<String> = secret_names(&pod).into_iter().collect();
    assert_eq!(names, ["debug", "projected", "publish", "pull", "single", "volume", "whole"]);
}
