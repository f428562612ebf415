use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

fn parse<T: serde::de::DeserializeOwned>(value: Value) -> T {
    serde_json::from_value(value).expect("it reads")
}

fn objects() -> Objects {
    let config: ConfigMap = parse(json!({"metadata": {"name": "config"}, "data": {"COLOUR": "blue", "mode": "fast"}}));
    let secret: Secret =
        parse(json!({"metadata": {"name": "secret"}, "data": {"password": "c2VzYW1l", "raw": "/w=="}}));
    Objects {
        config_maps: [("config".to_owned(), Arc::new(config))].into(),
        secrets: [("secret".to_owned(), Arc::new(secret))].into(),
    }
}

fn made(container: Value) -> Result<Vec<(String, String)>, ConfigError> {
    let pod: Pod = parse(json!({
        "metadata": {"name": "web-0", "namespace": "shop", "uid": "u1", "labels": {"app": "web"}, "annotations": {"note": "a \"b\""}},
        "spec": {"serviceAccountName": "robot", "containers": [container]},
    }));
    let objects = objects();
    let around = Surroundings {
        pod: &pod,
        address: Some([127, 70, 0, 9].into()),
        node_name: "edge-1",
        node_address: [127, 70, 0, 1].into(),
        capacity: crate::Capacity { cpu_millis: 2000, ..Default::default() },
        objects: &objects,
        services: vec![("WEB_SERVICE_HOST".into(), "127.80.0.2".into()), ("COLOUR".into(), "weak".into())],
    };
    environment(&pod.spec.as_ref().expect("a spec").containers[0], &around)
}

fn check(container: Value, expect: Expect) {
    let text = match made(container) {
        Ok(variables) => variables.iter().map(|(name, value)| format!("{name}={value}\n")).collect(),
        Err(error) => format!("{error}\n"),
    };
    expect.assert_eq(&text);
}

#[test]
fn literal_values_expand_earlier_ones_and_services() {
    let env = json!([
        {"name": "A", "value": "1"}, {"name": "B", "value": "$(A)-$(LATER)-$$(A)-$(WEB_SERVICE_HOST)"}, {"name": "LATER", "value": "x"}, {"name": "A", "value": "2"},
    ]);
    check(
        json!({"name": "main", "env": env}),
        expect![[r#"
        A=2
        B=1-$(LATER)-$(A)-127.80.0.2
        LATER=x
        WEB_SERVICE_HOST=127.80.0.2
        COLOUR=weak
    "#]],
    );
}

#[test]
fn whole_maps_come_with_a_prefix_and_are_overridden_by_name() {
    check(
        json!({"name": "main", "envFrom": [{"configMapRef": {"name": "config"}}, {"prefix": "X_", "configMapRef": {"name": "config"}}, {"secretRef": {"name": "gone", "optional": true}}], "env": [{"name": "mode", "value": "slow"}]}),
        expect![[r#"
            COLOUR=blue
            mode=slow
            X_COLOUR=blue
            X_mode=fast
            WEB_SERVICE_HOST=127.80.0.2
        "#]],
    );
}

#[test]
fn keys_and_fields_are_looked_up() {
    let field = |name: &str, path: &str| json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": path}}});
    let env = json!([
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "secret", "key": "password"}}},
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "mode"}}},
        {"name": "NONE", "valueFrom": {"configMapKeyRef": {"name": "config", "key": "none", "optional": true}}},
        field("NAME", "metadata.name"), field("IP", "status.podIP"), field("HOST", "status.hostIP"), field("APP", "metadata.labels['app']"),
        field("NODE", "spec.nodeName"), field("ACCOUNT", "spec.serviceAccountName"), field("NOTES", "metadata.annotations"),
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
        {"name": "MEMORY", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
    ]);
    check(
        json!({"name": "main", "env": env, "resources": {"limits": {"memory": "100Mi"}}}),
        expect![[r#"
        PASSWORD=sesame
        MODE=fast
        NAME=web-0
        IP=127.70.0.9
        HOST=127.70.0.1
        APP=web
        NODE=edge-1
        ACCOUNT=robot
        NOTES=note="a \"b\""
        CPU=2
        MEMORY=100
        WEB_SERVICE_HOST=127.80.0.2
        COLOUR=weak
    "#]],
    );
}

#[test]
fn what_is_missing_is_named() {
    let one = |source: Value| json!({"name": "main", "env": [{"name": "A", "valueFrom": source}]});
    check(
        one(json!({"configMapKeyRef": {"name": "gone", "key": "a"}})),
        expect![[r#"
        configmap "gone" not found
    "#]],
    );
    check(
        one(json!({"secretKeyRef": {"name": "secret", "key": "a"}})),
        expect![[r#"
        couldn't find key a in Secret shop/secret
    "#]],
    );
    check(
        one(json!({"secretKeyRef": {"name": "secret", "key": "raw"}})),
        expect![[r#"
        environment variable A is not UTF-8: Secret secret key raw; mount it as a volume instead
    "#]],
    );
    check(
        one(json!({"fieldRef": {"fieldPath": "spec.containers"}})),
        expect![[r#"
        field spec.containers is not supported by the downward API
    "#]],
    );
}

#[test]
fn expansion_leaves_what_is_no_variable() {
    let known = |name: &str| (name == "A").then(|| "1".to_owned());
    for (text, expanded) in [
        ("$(A)", "1"),
        ("$$(A)", "$(A)"),
        ("$(B)", "$(B)"),
        ("$A $", "$A $"),
        ("$(A", "$(A"),
        ("$$$(A)", "$1"),
        ("a$(A)b$(A)", "a1b1"),
        ("$()", "$()"),
    ] {
        assert_eq!(expand(text, known), expanded, "{text}");
    }
}
