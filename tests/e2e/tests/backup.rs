//! A cluster in one file: taken while it runs, brought up elsewhere, on the same kind of store or the other.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use sampan_e2e::{Cluster, Options};
use sampan_store::testing::postgres::PostgresServer;

const OBJECTS: [&str; 4] =
    ["namespace/team", "configmap/settings -n team", "secret/hidden -n team", "widget/w -n team"];

/// Objects of several kinds, one of a custom one.
fn fill(cluster: &Cluster) {
    cluster.kubectl("create namespace team").ok();
    cluster.kubectl("create configmap settings -n team --from-literal=a=1").ok();
    cluster.kubectl("create secret generic hidden -n team --from-literal=k=the-canary").ok();
    cluster.apply(
        "{apiVersion: apiextensions.k8s.io/v1, kind: CustomResourceDefinition, metadata: {name: widgets.example.com}, spec: {group: \
         example.com, scope: Namespaced, names: {plural: widgets, singular: widget, kind: Widget}, versions: [{name: v1, served: true, \
         storage: true, schema: {openAPIV3Schema: {type: object, x-kubernetes-preserve-unknown-fields: true}}}]}}",
    );
    cluster.kubectl("wait crd/widgets.example.com --for=condition=Established --timeout=40s").ok();
    cluster.apply("{apiVersion: example.com/v1, kind: Widget, metadata: {name: w, namespace: team}, size: 3}").ok();
}

/// What tells one object from another that only looks like it.
fn identities(cluster: &Cluster) -> Vec<String> {
    let template = "{.metadata.uid} {.metadata.resourceVersion} {.metadata.creationTimestamp}";
    OBJECTS.iter().map(|object| cluster.field(object, template)).collect()
}

fn newest(cluster: &Cluster) -> u64 {
    let list = cluster.kubectl("get --raw /api/v1/namespaces/team/configmaps").ok();
    let list: serde_json::Value = serde_json::from_str(&list).unwrap();
    list["metadata"]["resourceVersion"].as_str().unwrap().parse().unwrap()
}

fn back_up(cluster: &Cluster, store: &str, file: &Path) {
    let (data, file) = (cluster.data().display().to_string(), file.display().to_string());
    let mut arguments = vec!["backup", "--data-dir", &data, "-o", &file];
    if !store.is_empty() {
        arguments.extend(["--store", store]);
    }
    let said = cluster.sampan(&arguments).ok();
    assert!(said.contains("keep it as you keep a key"), "{said}");
    assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
}

/// From a store to another: `""` is SQLite.
fn moves(from: &str, to: &str) {
    let cluster = Cluster::start_with(Options { store: from.to_owned(), ..Options::default() });
    fill(&cluster);
    let outside = tempfile::tempdir().unwrap();
    let file = outside.path().join("backup.tar.gz");
    back_up(&cluster, from, &file);
    let (before, seen) = (identities(&cluster), newest(&cluster));
    // What is made after it was taken is not in it.
    cluster.kubectl("create configmap late -n team").ok();
    let refused = restore(&cluster, &file, &cluster.data(), "");
    assert!(refused.err().contains("is not empty"), "a cluster is not overwritten");
    drop(cluster);

    let options = Options { store: to.to_owned(), ..Options::default() };
    let restored = Cluster::start_in(options, |data| {
        let mut command = std::process::Command::new(sampan_e2e::sampan());
        command.arg("restore").arg(&file).arg("--data-dir").arg(data);
        if !to.is_empty() {
            command.args(["--store", to]);
        }
        sampan_e2e::run(&mut command).ok();
    });
    assert_eq!(identities(&restored), before, "the same objects, at the same versions");
    assert_eq!(restored.field("secret/hidden -n team", "{.data.k}"), "dGhlLWNhbmFyeQ==");
    assert_eq!(restored.field("widget/w -n team", "{.size}"), "3");
    assert!(restored.kubectl("get configmap late -n team").err().contains("not found"));
    assert!(newest(&restored) > seen, "versions only rise");
    restored.kubectl("create configmap new -n team").ok();
    restored.kubectl("delete namespace team --timeout=60s").ok();
}

fn restore(cluster: &Cluster, file: &Path, data: &Path, store: &str) -> sampan_e2e::Output {
    let (file, data) = (file.display().to_string(), data.display().to_string());
    let mut arguments = vec!["restore", &file, "--data-dir", &data];
    if !store.is_empty() {
        arguments.extend(["--store", store]);
    }
    cluster.sampan(&arguments)
}

#[test]
fn a_cluster_on_sqlite_is_restored_elsewhere() {
    moves("", "");
}

#[test]
fn a_cluster_moves_from_sqlite_to_postgres() {
    moves("", &PostgresServer::shared().unwrap().create_database().unwrap());
}

#[test]
fn a_cluster_moves_from_postgres_to_sqlite() {
    moves(&PostgresServer::shared().unwrap().create_database().unwrap(), "");
}

#[test]
fn what_is_no_whole_backup_is_refused_and_leaves_nothing() {
    let cluster = Cluster::start();
    let outside = tempfile::tempdir().unwrap();
    let (whole, part) = (outside.path().join("whole"), outside.path().join("part"));
    back_up(&cluster, "", &whole);
    let bytes = std::fs::read(&whole).unwrap();
    let target = outside.path().join("data");
    for (content, expected) in [(&bytes[..bytes.len() * 2 / 3], "cannot be restored"), (b"hello", "cannot be restored")]
    {
        std::fs::write(&part, content).unwrap();
        let said = restore(&cluster, &part, &target, "").err();
        assert!(said.contains(expected), "{said}");
        assert!(!target.exists(), "{said}");
    }
    let missing = restore(&cluster, &outside.path().join("none"), &target, "").err();
    assert!(missing.contains("it cannot be opened"), "{missing}");
    let memory = restore(&cluster, &whole, &target, "memory").err();
    assert!(memory.contains("what is stored in memory"), "{memory}");
}
