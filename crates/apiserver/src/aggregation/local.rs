//! APIServices of what this server serves itself. Upstream: `kube-aggregator/pkg/controllers/autoregister`,
//! `pkg/controlplane/controller/crdregistration`.

use std::collections::BTreeMap;

use sampan_meta::object;
use serde_json::{Value, json};

use super::priority;
use crate::discovery::Group;

const MANAGED: &str = "kube-aggregator.kubernetes.io/automanaged";
/// Brought to what it should be when a server starts; people may change it afterwards.
const ON_START: &str = "onstart";
/// Brought to what it should be whenever it is not.
const ALWAYS: &str = "true";

/// One thing to do.
#[derive(Debug, PartialEq)]
pub(super) enum Step {
    Create(Value),
    Update(Value),
    Delete(Value),
}

/// An APIService for each group and version of these, by name. The aggregator's own group has none.
pub(super) fn wanted(groups: &[Group]) -> BTreeMap<String, Value> {
    let mut wanted = BTreeMap::new();
    for group in groups.iter().filter(|group| group.name != "apiregistration.k8s.io") {
        for version in &group.versions {
            let custom = version.resources.iter().any(|served| served.custom.is_some());
            let name = format!("{}.{}", version.name, group.name);
            let api_service = json!({
                "apiVersion": "apiregistration.k8s.io/v1",
                "kind": "APIService",
                "metadata": { "name": name, "labels": { MANAGED: if custom { ALWAYS } else { ON_START } } },
                "spec": {
                    "group": group.name,
                    "version": version.name,
                    "groupPriorityMinimum": priority::of_group(group.name),
                    "versionPriority": priority::of_version(group.name, version.name),
                },
            });
            wanted.insert(name, api_service);
        }
    }
    wanted
}

/// What brings those that are there to what is wanted, as upstream's table in `checkAPIService` has it.
pub(super) fn plan(wanted: &BTreeMap<String, Value>, present: &[Value], at_start: bool) -> Vec<Step> {
    let mut steps = Vec::new();
    for (name, wanted) in wanted {
        let kept = managed(wanted) == ALWAYS || at_start;
        match present.iter().find(|present| object::name(present) == name) {
            None if kept => steps.push(Step::Create(wanted.clone())),
            Some(present) if kept && is_ours(present, at_start) => steps.extend(update(present, wanted)),
            _ => (),
        }
    }
    let gone = present.iter().filter(|present| !wanted.contains_key(object::name(present)));
    steps.extend(gone.filter(|gone| is_ours(gone, at_start)).cloned().map(Step::Delete));
    steps
}

fn managed(api_service: &Value) -> &str {
    object::label(api_service, MANAGED).unwrap_or_default()
}

fn is_ours(present: &Value, at_start: bool) -> bool {
    match managed(present) {
        ALWAYS => true,
        ON_START => at_start,
        _ => false,
    }
}

fn update(present: &Value, wanted: &Value) -> Option<Step> {
    if present["spec"] == wanted["spec"] {
        return None;
    }
    let mut next = present.clone();
    next["spec"] = wanted["spec"].clone();
    Some(Step::Update(next))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn api_service(name: &str, managed: Value, priority: i64) -> Value {
        let mut made = json!({ "metadata": { "name": name, "labels": {} }, "spec": { "versionPriority": priority } });
        made["metadata"]["labels"][MANAGED] = managed;
        made
    }

    fn check(wanted: &[Value], present: &[Value], at_start: bool, expected: Expect) {
        let wanted = wanted.iter().map(|wanted| (object::name(wanted).to_owned(), wanted.clone())).collect();
        let steps = plan(&wanted, present, at_start).into_iter().map(|step| match step {
            Step::Create(made) => format!("create {}", object::name(&made)),
            Step::Update(made) => format!("update {} {}", object::name(&made), made["spec"]["versionPriority"]),
            Step::Delete(made) => format!("delete {}", object::name(&made)),
        });
        expected.assert_eq(&steps.collect::<Vec<_>>().join(", "));
    }

    #[test]
    fn what_should_be_there_always_is_made_and_mended_and_goes_with_its_definition() {
        let always = |priority| api_service("v1.a.b", json!(ALWAYS), priority);
        check(&[always(1)], &[], false, expect!["create v1.a.b"]);
        check(&[always(1)], &[always(2)], false, expect!["update v1.a.b 1"]);
        check(&[always(1)], &[always(1)], false, expect![""]);
        check(&[], &[always(1)], false, expect!["delete v1.a.b"]);
    }

    #[test]
    fn what_is_settled_at_start_is_peoples_afterwards() {
        let on_start = |priority| api_service("v1.apps", json!(ON_START), priority);
        check(&[on_start(1)], &[], true, expect!["create v1.apps"]);
        check(&[on_start(1)], &[], false, expect![""]);
        check(&[on_start(1)], &[on_start(2)], true, expect!["update v1.apps 1"]);
        check(&[on_start(1)], &[on_start(2)], false, expect![""]);
        check(&[], &[on_start(2)], true, expect!["delete v1.apps"]);
    }

    #[test]
    fn what_people_made_is_left_alone() {
        let theirs = api_service("v1.apps", Value::Null, 7);
        check(&[api_service("v1.apps", json!(ON_START), 1)], std::slice::from_ref(&theirs), true, expect![""]);
        check(&[], &[theirs], true, expect![""]);
    }
}
