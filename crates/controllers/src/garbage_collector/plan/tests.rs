use serde_json::{Value, json};

use super::super::graph::Graph;
use super::*;
use crate::testing::{ago, object};

fn meta(uid: &str, owners: &[&str], more: &Value) -> ObjectMeta {
    let reference = |owner: &&str| json!({ "apiVersion": "v1", "kind": "ConfigMap", "name": owner, "uid": owner, "blockOwnerDeletion": true });
    let mut meta = json!({ "name": uid, "namespace": "default", "uid": uid, "ownerReferences": owners.iter().map(reference).collect::<Vec<_>>() });
    for (name, value) in more.as_object().into_iter().flatten() {
        meta[name.as_str()] = value.clone();
    }
    object(meta)
}

fn deleted(finalizer: &str) -> Value {
    json!({ "deletionTimestamp": ago(1), "finalizers": [finalizer] })
}

fn run(meta: &ObjectMeta, states: &[Owner], dependents: &[&Node]) -> Plan {
    let owners: Vec<_> = meta.owner_references.iter().flatten().cloned().zip(states.iter().copied()).collect();
    plan(&Observed { meta, owners: &owners, dependents })
}

fn node(meta: &ObjectMeta) -> Node {
    let mut graph = Graph::default();
    graph.apply("v1", "ConfigMap", meta);
    graph.get(meta.uid.as_deref().unwrap_or_default()).cloned().expect("it was added")
}

#[test]
fn an_object_goes_when_all_its_owners_have_and_forgets_those_that_have() {
    use Owner::{Absent, Solid, Waiting};
    let two = meta("a", &["x", "y"], &json!({}));
    assert_eq!(run(&two, &[Solid, Solid], &[]), Plan::Nothing);
    assert_eq!(run(&two, &[Solid, Absent], &[]), Plan::DropOwners(vec!["y".to_owned()]));
    assert_eq!(run(&two, &[Solid, Waiting], &[]), Plan::DropOwners(vec!["y".to_owned()]));
    assert_eq!(run(&two, &[Absent, Absent], &[]), Plan::Delete { policy: Policy::Background, unblock: false });
    assert_eq!(run(&meta("a", &[], &json!({})), &[], &[]), Plan::Nothing);
}

#[test]
fn the_way_of_deletion_is_handed_down() {
    let child = meta("a", &["x"], &json!({}));
    let grandchild = node(&meta("b", &["a"], &json!({})));
    assert_eq!(
        run(&child, &[Owner::Waiting], &[&grandchild]),
        Plan::Delete { policy: Policy::Foreground, unblock: false }
    );
    assert_eq!(run(&child, &[Owner::Waiting], &[]), Plan::Delete { policy: Policy::Background, unblock: false });
    let keeps = meta("a", &["x"], &json!({ "finalizers": ["orphan"] }));
    assert_eq!(run(&keeps, &[Owner::Absent], &[]), Plan::Delete { policy: Policy::Orphan, unblock: false });
    let circle = node(&meta("x", &["a"], &deleted(FOREGROUND)));
    assert_eq!(run(&child, &[Owner::Waiting], &[&circle]), Plan::Delete { policy: Policy::Foreground, unblock: true });
}

#[test]
fn an_owner_waits_for_what_blocks_it_and_for_nothing_else() {
    let owner = meta("a", &[], &deleted(FOREGROUND));
    let mut blocking = node(&meta("b", &["a"], &json!({})));
    assert_eq!(run(&owner, &[], &[&blocking]), Plan::WaitForDependents);
    blocking.owners[0].block_owner_deletion = Some(false);
    assert_eq!(run(&owner, &[], &[&blocking]), Plan::RemoveFinalizer(FOREGROUND));
    assert_eq!(run(&meta("a", &[], &deleted(ORPHAN)), &[], &[&blocking]), Plan::Orphan);
    assert_eq!(run(&meta("a", &[], &deleted("example.test/other")), &[], &[&blocking]), Plan::Nothing);
}

#[test]
fn the_graph_says_where_to_look() {
    let mut graph = Graph::default();
    let mut apply = |uid: &str, owners: &[&str], more: Value| graph.apply("v1", "ConfigMap", &meta(uid, owners, &more));
    assert_eq!(apply("child", &["owner"], json!({})), ["owner"], "an owner nobody has seen");
    assert!(apply("owner", &[], json!({})).is_empty());
    assert!(apply("child", &["owner"], json!({})).is_empty(), "nothing new");
    assert_eq!(apply("owner", &[], deleted(FOREGROUND)), ["child", "owner"]);
    assert_eq!(apply("late", &["owner"], json!({})), ["late", "owner"], "a dependent that comes while its owner waits");
    assert_eq!(apply("late", &[], json!({})), ["owner"], "it blocks no longer");
    assert_eq!(graph.remove("child"), ["owner"]);
    assert!(graph.remove("owner").is_empty());
    assert!(graph.get("owner").is_none());
}

#[test]
fn the_dependents_of_what_is_gone_are_looked_at() {
    let mut graph = Graph::default();
    graph.apply("v1", "ConfigMap", &meta("a", &["owner"], &json!({})));
    graph.apply("v1", "ConfigMap", &meta("b", &["owner"], &json!({})));
    assert_eq!(graph.remove("owner"), ["a", "b"]);
    assert!(graph.remove("owner").is_empty());
}
