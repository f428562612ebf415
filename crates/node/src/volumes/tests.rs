use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::sync::Arc;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;
use crate::environment::Objects;

struct Fixture {
    root: tempfile::TempDir,
    objects: Objects,
}

fn at(seconds: i64) -> Timestamp {
    Timestamp::new(1_767_323_045 + seconds, 0).expect("a time")
}

impl Fixture {
    fn new() -> Self {
        let mut fixture = Self { root: tempfile::tempdir().expect("a directory"), objects: Objects::default() };
        fixture.config(json!({"colour": "blue", "mode": "fast"}));
        let secret = json!({"metadata": {"name": "secret"}, "data": {"password": "c2VzYW1l"}});
        fixture.objects.secrets.insert("secret".into(), Arc::new(serde_json::from_value(secret).expect("a secret")));
        fixture
    }

    fn config(&mut self, data: Value) {
        let map = json!({"metadata": {"name": "config"}, "data": data});
        self.objects.config_maps.insert("config".into(), Arc::new(serde_json::from_value(map).expect("a map")));
    }

    fn directories(&self) -> Directories {
        Directories::new(self.root.path())
    }

    fn pod(volume: Value) -> Pod {
        let spec =
            json!({"volumes": [volume], "containers": [{"name": "main", "resources": {"limits": {"memory": "64Mi"}}}]});
        let pod = json!({"metadata": {"name": "p", "namespace": "default", "uid": "u", "labels": {"app": "web"}}, "spec": spec});
        serde_json::from_value(pod).expect("a pod")
    }

    fn prepare(&self, pod: &Pod, now: i64) -> Result<(), MountError> {
        let around = Surroundings {
            pod,
            address: Some([127, 70, 0, 9].into()),
            node_name: "n",
            node_address: [127, 70, 0, 1].into(),
            capacity: crate::Capacity::default(),
            objects: &self.objects,
            services: Vec::new(),
        };
        let tokens = [((String::new(), 3600), "a.b.c".to_owned())].into();
        prepare(&around, &tokens, &Claims::new(), &self.directories(), at(now))
    }

    fn listing(&self, pod: &Pod) -> String {
        let directory =
            path(&pod.spec.as_ref().expect("a spec").volumes.as_ref().expect("volumes")[0], "u", &self.directories());
        let mut lines = Vec::new();
        list(&directory, &directory, &mut lines);
        lines.sort();
        lines.concat()
    }

    fn check(&self, volume: Value, expect: Expect) {
        let pod = Self::pod(volume);
        match self.prepare(&pod, 0) {
            Ok(()) => expect.assert_eq(&self.listing(&pod)),
            Err(error) => expect.assert_eq(&format!("{error}\n")),
        }
    }
}

/// What a container would see: names without those of the layout, through links.
fn list(root: &Path, directory: &Path, lines: &mut Vec<String>) {
    for entry in fs::read_dir(directory).expect("a directory").map(|entry| entry.expect("an entry").path()) {
        let name = entry.strip_prefix(root).expect("below").to_string_lossy().into_owned();
        if name.starts_with("..") {
            continue;
        }
        if entry.is_dir() {
            list(root, &entry, lines);
            continue;
        }
        let mode = fs::metadata(&entry).expect("there").permissions().mode() & 0o777;
        lines.push(format!("{name} {mode:o} {}\n", fs::read_to_string(&entry).expect("text")));
    }
}

#[test]
fn config_maps_and_secrets_become_files_with_modes() {
    let fixture = Fixture::new();
    fixture.check(
        json!({"name": "v", "configMap": {"name": "config"}}),
        expect![[r#"
        colour 644 blue
        mode 644 fast
    "#]],
    );
    fixture.check(
        json!({"name": "w", "secret": {"secretName": "secret", "defaultMode": 256}}),
        expect![[r#"
        password 400 sesame
    "#]],
    );
    fixture.check(json!({"name": "x", "configMap": {"name": "config", "items": [{"key": "mode", "path": "deep/er/m", "mode": 448}]}}), expect![[r#"
        deep/er/m 700 fast
    "#]]);
}

#[test]
fn projections_join_in_one_directory() {
    let sources = json!([
        {"serviceAccountToken": {"path": "token"}},
        {"configMap": {"name": "config", "items": [{"key": "colour", "path": "ca.crt"}]}},
        {"downwardAPI": {"items": [{"path": "namespace", "fieldRef": {"fieldPath": "metadata.namespace"}}, {"path": "memory", "resourceFieldRef": {"containerName": "main", "resource": "limits.memory"}}, {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
        {"secret": {"name": "absent", "optional": true}},
    ]);
    Fixture::new().check(
        json!({"name": "v", "projected": {"sources": sources}}),
        expect![[r#"
        ca.crt 644 blue
        labels 644 app="web"
        memory 644 67108864
        namespace 644 default
        token 644 a.b.c
    "#]],
    );
}

#[test]
fn what_is_missing_or_not_offered_is_named() {
    let fixture = Fixture::new();
    fixture.check(
        json!({"name": "v", "configMap": {"name": "gone"}}),
        expect![[r#"
        MountVolume.SetUp failed for volume "v" : configmap "gone" not found
    "#]],
    );
    fixture.check(
        json!({"name": "v", "secret": {"secretName": "secret", "items": [{"key": "user", "path": "u"}]}}),
        expect![[r#"
        MountVolume.SetUp failed for volume "v" : references non-existent secret key: user
    "#]],
    );
    fixture.check(
        json!({"name": "v", "configMap": {"name": "config", "items": [{"key": "mode", "path": "../../up"}]}}),
        expect![[r#"
        MountVolume.SetUp failed for volume "v" : path "../../up" must be relative and not contain '..'
    "#]],
    );
    fixture.check(json!({"name": "v", "nfs": {"server": "s", "path": "/"}}), expect![[r#"
        MountVolume.SetUp failed for volume "v" : this node does not offer this type of volume; it offers emptyDir, configMap, secret, downwardAPI, projected, hostPath, persistentVolumeClaim and ephemeral
    "#]]);
}

#[test]
fn a_change_swaps_all_files_at_once_and_no_change_touches_nothing() {
    let mut fixture = Fixture::new();
    let pod = Fixture::pod(json!({"name": "v", "configMap": {"name": "config"}}));
    fixture.prepare(&pod, 0).expect("prepared");
    let data = fixture.directories().volume("u", "config-map", "v").join("..data");
    let (first, link) = (fs::read_link(&data).expect("a link"), fs::symlink_metadata(&data).expect("there").ino());
    fixture.prepare(&pod, 9).expect("prepared");
    assert_eq!(fs::symlink_metadata(&data).expect("there").ino(), link, "nothing changed");
    fixture.config(json!({"colour": "red", "size": "xl"}));
    fixture.prepare(&pod, 9).expect("prepared");
    assert_ne!(fs::read_link(&data).expect("a link"), first);
    assert!(!data.with_file_name(first).exists(), "the old files are gone");
    assert_eq!(fixture.listing(&pod), "colour 644 red\nsize 644 xl\n");
}

#[test]
fn an_empty_dir_keeps_what_was_written_to_it() {
    let fixture = Fixture::new();
    let pod = Fixture::pod(json!({"name": "v", "emptyDir": {}}));
    fixture.prepare(&pod, 0).expect("prepared");
    let directory = fixture.directories().volume("u", "empty-dir", "v");
    fs::write(directory.join("note"), "x").expect("written");
    fixture.prepare(&pod, 1).expect("prepared");
    assert_eq!(fixture.listing(&pod).split(' ').next(), Some("note"));
    remove("u", &fixture.directories()).expect("removed");
    assert!(!directory.exists());
    remove("u", &fixture.directories()).expect("nothing to remove is no failure");
}

#[test]
fn a_host_path_is_checked_against_its_type() {
    let fixture = Fixture::new();
    let place = fixture.root.path().join("host");
    let volume = |kind: &str| json!({"name": "v", "hostPath": {"path": place, "type": kind}});
    let error = fixture.prepare(&Fixture::pod(volume("Directory")), 0).expect_err("it is not there");
    assert!(error.message.contains("is not a Directory"), "{error}");
    fixture.prepare(&Fixture::pod(volume("DirectoryOrCreate")), 0).expect("it is made");
    fixture.prepare(&Fixture::pod(volume("Directory")), 0).expect("it is there now");
    fixture.prepare(&Fixture::pod(volume("File")), 0).expect_err("it is a directory");
}

fn mounted(fixture: &Fixture, mount: Value) -> Result<Vec<sampan_runtime::Mount>, String> {
    let mut pod = Fixture::pod(json!({"name": "v", "emptyDir": {}}));
    fixture.prepare(&pod, 0).expect("prepared");
    let container = &mut pod.spec.as_mut().expect("a spec").containers[0];
    container.volume_mounts = Some(vec![serde_json::from_value(mount).expect("a mount")]);
    let container = container.clone();
    mounts(&pod, &container, &[("WHO".to_owned(), "me".to_owned())], &fixture.directories())
}

#[test]
fn a_sub_path_is_made_and_never_leads_out_of_its_volume() {
    let fixture = Fixture::new();
    let volume = fixture.directories().volume("u", "empty-dir", "v");
    let found =
        mounted(&fixture, json!({"name": "v", "mountPath": "/data", "subPathExpr": "users/$(WHO)"})).expect("mounted");
    assert_eq!(found[0].source, fs::canonicalize(&volume).expect("there").join("users/me"));
    assert!(found[0].source.is_dir() && !found[0].read_only);
    symlink("/etc", volume.join("escape")).expect("linked");
    symlink("users", volume.join("inside")).expect("linked");
    mounted(&fixture, json!({"name": "v", "mountPath": "/data", "subPath": "inside/me"}))
        .expect("a link inside is fine");
    for path in ["escape", "escape/passwd", "../other", "/etc"] {
        mounted(&fixture, json!({"name": "v", "mountPath": "/data", "subPath": path})).expect_err(path);
    }
    mounted(&fixture, json!({"name": "v", "mountPath": "/data", "subPathExpr": "$(NOBODY)"})).expect_err("not set");
    mounted(&fixture, json!({"name": "w", "mountPath": "/data"})).expect_err("no such volume");
}

#[test]
fn everything_a_pod_refers_to_is_found() {
    let spec = json!({
        "imagePullSecrets": [{"name": "pull"}],
        "volumes": [{"name": "a", "projected": {"sources": [{"configMap": {"name": "kube-root-ca.crt"}}]}}, {"name": "b", "secret": {"secretName": "tls"}}],
        "initContainers": [{"name": "i", "envFrom": [{"configMapRef": {"name": "env"}}]}],
        "containers": [{"name": "m", "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "password", "key": "x"}}}]}],
    });
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).expect("a pod");
    let found: Vec<String> = references(&pod).into_iter().map(|(kind, name)| format!("{kind}/{name}")).collect();
    assert_eq!(
        found,
        ["configmaps/env", "configmaps/kube-root-ca.crt", "secrets/password", "secrets/pull", "secrets/tls"]
    );
}
