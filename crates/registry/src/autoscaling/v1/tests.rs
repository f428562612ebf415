use super::*;
use expect_test::{Expect, expect};

fn second(spec: Value, status: Value) -> Value {
    json!({"apiVersion": "autoscaling/v2", "kind": "HorizontalPodAutoscaler", "metadata": {"name": "web"}, "spec": spec, "status": status})
}

/// Shows what a client of the first version sees, and that nothing is lost on the way back.
fn check(stored: &Value, expected: Expect) {
    let served = FirstVersion.served(stored.clone());
    expected.assert_eq(&served.to_string());
    assert_eq!(FirstVersion.stored(served), *stored);
}

#[test]
fn the_cpu_has_a_field_of_its_own() {
    let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}});
    check(
        &second(json!({"maxReplicas": 3, "metrics": [metric]}), json!({})),
        expect![[
            r#"{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"name":"web"},"spec":{"maxReplicas":3,"targetCPUUtilizationPercentage":60},"status":{}}"#
        ]],
    );
}

#[test]
fn everything_else_travels_in_annotations() {
    let metrics = json!([
        {"type": "Pods", "pods": {"metric": {"name": "rps"}, "target": {"type": "AverageValue", "averageValue": "1k"}}},
        {"type": "Object", "object": {"metric": {"name": "hits"}, "describedObject": {"kind": "Ingress", "name": "web"}, "target": {"type": "Value", "value": "10"}}},
        {"type": "External", "external": {"metric": {"name": "queue", "selector": {"matchLabels": {"q": "a"}}}, "target": {"type": "AverageValue", "averageValue": "30"}}},
        {"type": "ContainerResource", "containerResource": {"name": "memory", "container": "main", "target": {"type": "Utilization", "averageUtilization": 70}}}]);
    let behavior = json!({"scaleDown": {"stabilizationWindowSeconds": 0, "selectPolicy": "Max", "policies": [{"type": "Pods", "value": 1, "periodSeconds": 15}]}});
    let status = json!({"currentMetrics": [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 5, "averageValue": "10m"}}}],
        "conditions": [{"type": "AbleToScale", "status": "True"}]});
    check(
        &second(json!({"maxReplicas": 3, "metrics": metrics, "behavior": behavior}), status),
        expect![[
            r#"{"apiVersion":"autoscaling/v1","kind":"HorizontalPodAutoscaler","metadata":{"annotations":{"autoscaling.alpha.kubernetes.io/behavior":"{\"ScaleDown\":{\"Policies\":[{\"PeriodSeconds\":15,\"Type\":\"Pods\",\"Value\":1}],\"SelectPolicy\":\"Max\",\"StabilizationWindowSeconds\":0}}","autoscaling.alpha.kubernetes.io/conditions":"[{\"status\":\"True\",\"type\":\"AbleToScale\"}]","autoscaling.alpha.kubernetes.io/current-metrics":"[{\"resource\":{\"currentAverageUtilization\":5,\"currentAverageValue\":\"10m\",\"name\":\"cpu\"},\"type\":\"Resource\"}]","autoscaling.alpha.kubernetes.io/metrics":"[{\"pods\":{\"metricName\":\"rps\",\"targetAverageValue\":\"1k\"},\"type\":\"Pods\"},{\"object\":{\"metricName\":\"hits\",\"target\":{\"kind\":\"Ingress\",\"name\":\"web\"},\"targetValue\":\"10\"},\"type\":\"Object\"},{\"external\":{\"metricName\":\"queue\",\"metricSelector\":{\"matchLabels\":{\"q\":\"a\"}},\"targetAverageValue\":\"30\"},\"type\":\"External\"},{\"containerResource\":{\"container\":\"main\",\"name\":\"memory\",\"targetAverageUtilization\":70},\"type\":\"ContainerResource\"}]"},"name":"web"},"spec":{"maxReplicas":3},"status":{"currentCPUUtilizationPercentage":5}}"#
        ]],
    );
}

#[test]
fn an_annotation_that_cannot_be_read_is_dropped() {
    let mut served = FirstVersion.served(second(json!({"maxReplicas": 3}), json!({})));
    object::set_annotation(&mut served, annotations::METRICS, "{");
    assert_eq!(FirstVersion.stored(served), second(json!({"maxReplicas": 3}), json!({})));
}
