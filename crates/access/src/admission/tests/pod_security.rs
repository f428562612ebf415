use expect_test::{Expect, expect};

use super::*;

fn labelled(name: &str, labels: Value) -> Value {
    let mut namespace = plain("v1", "Namespace", "", name);
    namespace["metadata"]["labels"] = labels;
    namespace
}

fn level(level: &str) -> Value {
    json!({ "pod-security.kubernetes.io/enforce": level })
}

/// A pod with two containers, the second with these members.
fn with(container: Value) -> Value {
    let mut second = json!({ "name": "b" });
    second.as_object_mut().unwrap().extend(container.as_object().unwrap().clone());
    json!({ "containers": [{ "name": "a" }, second] })
}

fn create(fixture: &Fixture, namespace: &str, spec: Value) -> Result<Value, String> {
    let mut pod = pod("web", spec);
    pod["metadata"]["namespace"] = json!(namespace);
    pod["spec"]["serviceAccountName"] = json!("default");
    fixture.admit(&admin(), &format!("create pods {namespace}/"), None, &pod)
}

fn strict(labels: Value) -> Fixture {
    fixture([labelled("strict", labels), plain("v1", "ServiceAccount", "strict", "default")])
}

#[test]
fn baseline_refuses_what_reaches_the_node() {
    let fixture = strict(level("baseline"));
    let check = |spec: Value, expected: Expect| expected.assert_eq(&create(&fixture, "strict", spec).unwrap_err());
    check(with(json!({ "securityContext": { "privileged": true } })), expect![[""]]);
    check(
        with(json!({ "securityContext": { "capabilities": { "add": ["NET_RAW", "SYS_ADMIN", "KILL"] } } })),
        expect![[""]],
    );
    check(with(json!({ "ports": [{ "hostPort": 80 }, { "hostPort": 443 }] })), expect![[""]]);
    check(with(json!({ "securityContext": { "procMount": "Unmasked" } })), expect![[""]]);
    check(
        with(
            json!({ "livenessProbe": { "httpGet": { "host": "10.0.0.1" } }, "lifecycle": { "preStop": { "tcpSocket": { "host": "x" } } } }),
        ),
        expect![[""]],
    );
    check(
        with(json!({ "securityContext": { "seLinuxOptions": { "type": "spc_t", "user": "u", "role": "r" } } })),
        expect![[""]],
    );
    check(with(json!({ "securityContext": { "seccompProfile": { "type": "Unconfined" } } })), expect![[""]]);
    check(with(json!({ "securityContext": { "appArmorProfile": { "type": "Unconfined" } } })), expect![[""]]);
    check(with(json!({ "securityContext": { "windowsOptions": { "hostProcess": true } } })), expect![[""]]);
    let mut spec = with(json!({}));
    spec["hostNetwork"] = json!(true);
    spec["hostPID"] = json!(true);
    spec["volumes"] =
        json!([{ "name": "v", "hostPath": { "path": "/" } }, { "name": "w", "hostPath": { "path": "/" } }]);
    spec["securityContext"] = json!({ "sysctls": [{ "name": "kernel.msgmax" }, { "name": "net.ipv4.tcp_rmem" }], "seccompProfile": { "type": "Unconfined" } });
    check(spec, expect![[""]]);
    assert!(create(&fixture, "strict", with(json!({}))).is_ok());
}

#[test]
fn restricted_wants_to_hear_that_nothing_is_wanted() {
    let fixture = strict(level("restricted"));
    let check = |spec: Value, expected: Expect| expected.assert_eq(&create(&fixture, "strict", spec).unwrap_err());
    check(with(json!({})), expect![[""]]);
    let good = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let whole = |own: Value, container: Value| json!({ "securityContext": own, "containers": [{ "name": "a", "securityContext": container }] });
    let own = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    assert!(create(&fixture, "strict", whole(own.clone(), good.clone())).is_ok());
    let mut root = good.clone();
    root["runAsUser"] = json!(0);
    root["runAsNonRoot"] = json!(false);
    root["capabilities"]["add"] = json!(["NET_BIND_SERVICE", "CHOWN"]);
    check(whole(own.clone(), root), expect![[""]]);
    let mut spec = whole(own, good);
    spec["volumes"] = json!([{ "name": "v", "nfs": {} }, { "name": "w", "hostPath": { "path": "/" } }, { "name": "e", "emptyDir": {} }]);
    check(spec, expect![[""]]);
    let users = json!({ "hostUsers": false, "securityContext": { "seccompProfile": { "type": "RuntimeDefault" } }, "containers": [
        { "name": "a", "securityContext": { "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] }, "runAsUser": 0 } }] });
    assert!(create(&fixture, "strict", users).is_ok(), "root of a user namespace is nobody on the node");
}

#[test]
fn a_namespace_may_keep_an_older_understanding() {
    let versioned = |version: &str| {
        strict(
            json!({ "pod-security.kubernetes.io/enforce": "baseline", "pod-security.kubernetes.io/enforce-version": version }),
        )
    };
    let probe = with(json!({ "livenessProbe": { "httpGet": { "host": "10.0.0.1" } } }));
    assert!(create(&versioned("v1.33"), "strict", probe.clone()).is_ok());
    assert!(create(&versioned("v1.34"), "strict", probe.clone()).unwrap_err().contains("\"baseline:v1.34\""));
    assert!(create(&versioned("v1.99"), "strict", probe).is_err(), "a version yet to come is the latest");
}

#[test]
fn without_labels_baseline_is_enforced_and_restricted_warned_of() {
    let fixture =
        fixture([labelled("kube-system", json!({})), plain("v1", "ServiceAccount", "kube-system", "default")]);
    let privileged = with(json!({ "securityContext": { "privileged": true } }));
    assert!(create(&fixture, "default", privileged.clone()).is_err());
    assert!(create(&fixture, "kube-system", privileged).is_ok());
    assert!(fixture.warnings.take().is_empty());
    create(&fixture, "default", with(json!({}))).unwrap();
    expect![[""]].assert_eq(&fixture.warnings.take().join("\n"));
}

#[test]
fn workloads_are_warned_of_what_their_pods_will_meet() {
    let fixture = strict(level("baseline"));
    let mut deployment = plain("apps/v1", "Deployment", "strict", "web");
    deployment["spec"] = json!({ "template": { "spec": with(json!({ "securityContext": { "privileged": true } })) } });
    fixture.admit(&admin(), "create apps:deployments strict/", None, &deployment).unwrap();
    let warned = fixture.warnings.take().join("\n");
    assert!(
        warned.starts_with("would violate PodSecurity \"restricted:latest\": privileged (container \"b\""),
        "{warned}"
    );
}

#[test]
fn only_a_new_image_is_looked_at_again() {
    let fixture = strict(level("baseline"));
    let mut old = pod("web", with(json!({ "securityContext": { "privileged": true }, "image": "a" })));
    old["metadata"]["namespace"] = json!("strict");
    let mut labelled = old.clone();
    labelled["metadata"]["labels"] = json!({ "a": "b" });
    assert!(fixture.admit(&admin(), "update pods strict/web", Some(&old), &labelled).is_ok());
    assert!(fixture.admit(&admin(), "update pods/status strict/web", Some(&old), &old).is_ok());
    let mut other = old.clone();
    other["spec"]["containers"][1]["image"] = json!("b");
    assert!(fixture.admit(&admin(), "update pods strict/web", Some(&old), &other).is_err());
}

#[test]
fn labels_that_mean_nothing_are_refused() {
    let fixture = fixture([]);
    let wrong = labelled(
        "n",
        json!({ "pod-security.kubernetes.io/enforce": "tight", "pod-security.kubernetes.io/warn-version": "1.30",
        "pod-security.kubernetes.io/audit": "x" }),
    );
    let status = fixture.status(&admin(), "create namespaces", None, &wrong).unwrap_err();
    assert_eq!(status.code, 422);
    expect![[""]].assert_eq(&status.message);
    assert!(
        fixture.admit(&admin(), "update namespaces n", Some(&wrong), &wrong).is_ok(),
        "they may stay where they are"
    );
}

#[test]
fn a_namespace_that_becomes_stricter_hears_of_its_pods() {
    let pod_of = |name: &str, spec: Value| {
        let mut pod = pod(name, spec);
        pod["metadata"]["namespace"] = json!("old");
        pod
    };
    let privileged = || with(json!({ "securityContext": { "privileged": true } }));
    let fixture = fixture([
        labelled("old", json!({})),
        pod_of("p2", privileged()),
        pod_of("p1", privileged()),
        pod_of("p3", privileged()),
        pod_of("port", with(json!({ "ports": [{ "hostPort": 80 }] }))),
        pod_of("good", with(json!({}))),
    ]);
    let update = |old: Value, new: Value| {
        fixture.admit(&admin(), "update namespaces old", Some(&labelled("old", old)), &labelled("old", new)).unwrap();
        fixture.warnings.take().join("\n")
    };
    expect![[""]].assert_eq(&update(level("privileged"), level("baseline")));
    assert_eq!(update(level("restricted"), level("baseline")), "", "it has not become stricter");
}
