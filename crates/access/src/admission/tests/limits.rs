use expect_test::{Expect, expect};

use super::*;

fn range(limits: Value) -> Value {
    let mut range = plain("v1", "LimitRange", "default", "limits");
    range["spec"]["limits"] = limits;
    range
}

fn asking(resources: Value) -> Value {
    json!({ "containers": [{ "name": "a", "resources": resources }], "initContainers": [{ "name": "i" }] })
}

#[test]
fn a_container_that_says_nothing_gets_the_defaults() {
    let fixture = fixture([range(
        json!([{ "type": "Container", "default": { "cpu": "1", "memory": "1Gi" }, "defaultRequest": { "cpu": "100m" } }]),
    )]);
    let pod = fixture.create_pod(asking(json!({ "limits": { "cpu": "2" } }))).unwrap();
    assert_eq!(
        pod["spec"]["containers"][0]["resources"],
        json!({ "limits": { "cpu": "2", "memory": "1Gi" }, "requests": { "cpu": "100m" } })
    );
    expect!["LimitRanger plugin set: cpu request for container a; memory limit for container a; cpu request for init container i; cpu, memory limit for init container i"].assert_eq(pod["metadata"]["annotations"]["kubernetes.io/limit-ranger"].as_str().unwrap());
    let twice = fixture.admit(&admin(), "create pods default/", None, &pod).unwrap();
    assert_eq!(twice, pod);
}

#[test]
fn bounds_are_told_as_upstream_tells_them() {
    let check = |limit: Value, resources: Value, expected: Expect| {
        let mut spec = asking(resources);
        object::remove(&mut spec, &["initContainers"]);
        expected.assert_eq(&fixture([range(json!([limit]))]).create_pod(spec).unwrap_err());
    };
    let container = |member: &str, amounts: Value| json!({ "type": "Container", member: amounts });
    check(
        container("min", json!({ "cpu": "1" })),
        json!({}),
        expect![[r#"pods "web" is forbidden: minimum cpu usage per Container is 1.  No request is specified"#]],
    );
    check(
        container("min", json!({ "cpu": "1" })),
        json!({ "requests": { "cpu": "100m" } }),
        expect![[r#"pods "web" is forbidden: minimum cpu usage per Container is 1, but request is 100m"#]],
    );
    check(
        container("min", json!({ "cpu": "1" })),
        json!({ "requests": { "cpu": "1" }, "limits": { "cpu": "500m" } }),
        expect![[r#"pods "web" is forbidden: minimum cpu usage per Container is 1, but limit is 500m"#]],
    );
    check(
        container("max", json!({ "cpu": "1" })),
        json!({}),
        expect![[r#"pods "web" is forbidden: maximum cpu usage per Container is 1.  No limit is specified"#]],
    );
    check(
        container("max", json!({ "cpu": "1" })),
        json!({ "limits": { "cpu": "2" } }),
        expect![[r#"pods "web" is forbidden: maximum cpu usage per Container is 1, but limit is 2"#]],
    );
    check(
        container("maxLimitRequestRatio", json!({ "memory": "2" })),
        json!({ "requests": { "memory": "1Gi" }, "limits": { "memory": "3Gi" } }),
        expect![[
            r#"pods "web" is forbidden: memory max limit to request ratio per Container is 2, but provided ratio is 3.000000"#
        ]],
    );
    check(
        container("maxLimitRequestRatio", json!({ "memory": "2" })),
        json!({ "requests": { "memory": "1Gi" } }),
        expect![[
            r#"pods "web" is forbidden: memory max limit to request ratio per Container is 2, but no limit is specified or limit is 0"#
        ]],
    );
    check(
        json!({ "type": "Pod", "max": { "cpu": "1", "memory": "1Gi" } }),
        json!({ "limits": { "cpu": "2", "memory": "2Gi" } }),
        expect![[
            r#"pods "web" is forbidden: [maximum cpu usage per Pod is 1, but limit is 2, maximum memory usage per Pod is 1Gi, but limit is 2Gi]"#
        ]],
    );
}

#[test]
fn a_pod_counts_as_what_it_needs_at_most() {
    let limit = range(json!([{ "type": "Pod", "max": { "cpu": "3" } }]));
    let spec = |init: &str| {
        let asks = |amount: &str| json!({ "limits": { "cpu": amount }, "requests": { "cpu": amount } });
        json!({ "containers": [{ "name": "a", "resources": asks("1") }, { "name": "b", "resources": asks("1") }],
            "initContainers": [{ "name": "s", "restartPolicy": "Always", "resources": asks("1") }, { "name": "i", "resources": asks(init) }] })
    };
    assert!(fixture([limit.clone()]).create_pod(spec("2")).is_ok());
    assert!(
        fixture([limit])
            .create_pod(spec("2500m"))
            .unwrap_err()
            .ends_with("maximum cpu usage per Pod is 3, but limit is 3500m")
    );
}

#[test]
fn claims_have_bounds_too() {
    let fixture = fixture([range(
        json!([{ "type": "PersistentVolumeClaim", "min": { "storage": "1Gi" }, "max": { "storage": "2Gi" } }]),
    )]);
    let claim = |size: &str| {
        let mut claim = plain("v1", "PersistentVolumeClaim", "default", "c");
        claim["spec"]["resources"]["requests"]["storage"] = json!(size);
        fixture.admit(&admin(), "create persistentvolumeclaims default/", None, &claim)
    };
    assert!(claim("1Gi").is_ok());
    expect![[r#"persistentvolumeclaims "c" is forbidden: minimum storage usage per PersistentVolumeClaim is 1Gi, but request is 500Mi"#]].assert_eq(&claim("500Mi").unwrap_err());
    expect![[r#"persistentvolumeclaims "c" is forbidden: maximum storage usage per PersistentVolumeClaim is 2Gi, but request is 3Gi"#]].assert_eq(&claim("3Gi").unwrap_err());
}
