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
    check(
        with(json!({ "securityContext": { "privileged": true } })),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": privileged (container "b" must not set securityContext.privileged=true)"#
        ]],
    );
    check(
        with(json!({ "securityContext": { "capabilities": { "add": ["NET_RAW", "SYS_ADMIN", "KILL"] } } })),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": non-default capabilities (container "b" must not include "NET_RAW", "SYS_ADMIN" in securityContext.capabilities.add)"#
        ]],
    );
    check(
        with(json!({ "ports": [{ "hostPort": 80 }, { "hostPort": 443 }] })),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": hostPort (container "b" uses hostPorts 443, 80)"#
        ]],
    );
    check(
        with(json!({ "securityContext": { "procMount": "Unmasked" } })),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": procMount (container "b" must not set securityContext.procMount to "Unmasked")"#
        ]],
    );
    check(
        with(
            json!({ "livenessProbe": { "httpGet": { "host": "10.0.0.1" } }, "lifecycle": { "preStop": { "tcpSocket": { "host": "x" } } } }),
        ),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": probe or lifecycle host (container "b" uses probe or lifecycle hosts "10.0.0.1", "x")"#
        ]],
    );
    check(
        with(json!({ "securityContext": { "seLinuxOptions": { "type": "spc_t", "user": "u", "role": "r" } } })),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": seLinuxOptions (container "b" set forbidden securityContext.seLinuxOptions: type "spc_t"; user may not be set; role may not be set)"#
        ]],
    );
    check(
        with(json!({ "securityContext": { "seccompProfile": { "type": "Unconfined" } } })),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": seccompProfile (container "b" must not set securityContext.seccompProfile.type to "Unconfined")"#
        ]],
    );
    check(
        with(json!({ "securityContext": { "appArmorProfile": { "type": "Unconfined" } } })),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": forbidden AppArmor profile (container "b" must not set AppArmor profile type to "Unconfined")"#
        ]],
    );
    check(
        with(json!({ "securityContext": { "windowsOptions": { "hostProcess": true } } })),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": hostProcess (container "b" must not set securityContext.windowsOptions.hostProcess=true)"#
        ]],
    );
    let mut spec = with(json!({}));
    spec["hostNetwork"] = json!(true);
    spec["hostPID"] = json!(true);
    spec["volumes"] =
        json!([{ "name": "v", "hostPath": { "path": "/" } }, { "name": "w", "hostPath": { "path": "/" } }]);
    spec["securityContext"] = json!({ "sysctls": [{ "name": "kernel.msgmax" }, { "name": "net.ipv4.tcp_rmem" }], "seccompProfile": { "type": "Unconfined" } });
    check(
        spec,
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "baseline:latest": host namespaces (hostNetwork=true, hostPID=true), hostPath volumes (volumes "v", "w"), seccompProfile (pod must not set securityContext.seccompProfile.type to "Unconfined"), forbidden sysctls (kernel.msgmax)"#
        ]],
    );
    assert!(create(&fixture, "strict", with(json!({}))).is_ok());
}

#[test]
fn restricted_wants_to_hear_that_nothing_is_wanted() {
    let fixture = strict(level("restricted"));
    let check = |spec: Value, expected: Expect| expected.assert_eq(&create(&fixture, "strict", spec).unwrap_err());
    check(
        with(json!({})),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "restricted:latest": allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true), seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#
        ]],
    );
    let good = json!({ "allowPrivilegeEscalation": false, "capabilities": { "drop": ["ALL"] } });
    let whole = |own: Value, container: Value| json!({ "securityContext": own, "containers": [{ "name": "a", "securityContext": container }] });
    let own = json!({ "runAsNonRoot": true, "seccompProfile": { "type": "RuntimeDefault" } });
    assert!(create(&fixture, "strict", whole(own.clone(), good.clone())).is_ok());
    let mut root = good.clone();
    root["runAsUser"] = json!(0);
    root["runAsNonRoot"] = json!(false);
    root["capabilities"]["add"] = json!(["NET_BIND_SERVICE", "CHOWN"]);
    check(
        whole(own.clone(), root),
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "restricted:latest": unrestricted capabilities (container "a" must not include "CHOWN" in securityContext.capabilities.add), runAsNonRoot != true (container "a" must not set securityContext.runAsNonRoot=false), runAsUser=0 (container "a" must not set runAsUser=0)"#
        ]],
    );
    let mut spec = whole(own, good);
    spec["volumes"] = json!([{ "name": "v", "nfs": {} }, { "name": "w", "hostPath": { "path": "/" } }, { "name": "e", "emptyDir": {} }]);
    check(
        spec,
        expect![[
            r#"pods "web" is forbidden: violates PodSecurity "restricted:latest": restricted volume types (volumes "v", "w" use restricted volume types "hostPath", "nfs")"#
        ]],
    );
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
    expect![[r#"would violate PodSecurity "restricted:latest": allowPrivilegeEscalation != false (containers "a", "b" must set securityContext.allowPrivilegeEscalation=false), unrestricted capabilities (containers "a", "b" must set securityContext.capabilities.drop=["ALL"]), runAsNonRoot != true (pod or containers "a", "b" must set securityContext.runAsNonRoot=true), seccompProfile (pod or containers "a", "b" must set securityContext.seccompProfile.type to "RuntimeDefault" or "Localhost")"#]].assert_eq(&fixture.warnings.take().join("\n"));
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
    expect![[r#"Namespace "n" is invalid: [metadata.labels[pod-security.kubernetes.io/enforce]: Invalid value: "tight": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/audit]: Invalid value: "x": must be one of privileged, baseline, restricted, metadata.labels[pod-security.kubernetes.io/warn-version]: Invalid value: "1.30": must be "latest" or "v1.x"]"#]].assert_eq(&status.message);
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
    expect![[r#"
        existing pods in namespace "old" violate the new PodSecurity enforce level "baseline:latest"
        p1 (and 2 other pods): privileged
        port: hostPort"#]]
    .assert_eq(&update(level("privileged"), level("baseline")));
    assert_eq!(update(level("restricted"), level("baseline")), "", "it has not become stricter");
}

#[test]
fn a_wasm_pod_is_restricted_by_construction() {
    let class = |name: &str, handler: &str| {
        let mut class = plain("node.k8s.io/v1", "RuntimeClass", "", name);
        class["handler"] = json!(handler);
        class
    };
    let strict = labelled("strict", level("restricted"));
    let account = plain("v1", "ServiceAccount", "strict", "default");
    let fixture = fixture([strict, account, class("wasm", "wasm-isolated"), class("runc", "runc")]);
    let pod = |class: &str, members: Value| {
        let mut spec = with(json!({}));
        spec["runtimeClassName"] = json!(class);
        spec.as_object_mut().unwrap().extend(members.as_object().unwrap().clone());
        create(&fixture, "strict", spec).map(drop)
    };
    pod("wasm", json!({})).unwrap();
    pod("runc", json!({})).unwrap_err();
    pod("wasm", json!({ "hostNetwork": true })).unwrap_err();
    let volumes = json!([{ "name": "node", "hostPath": { "path": "/" } }]);
    expect![[r#"pods "web" is forbidden: violates PodSecurity "restricted:latest": restricted volume types (volume "node" uses restricted volume type "hostPath")"#]].assert_eq(&pod("wasm", json!({ "volumes": volumes })).unwrap_err());
}
