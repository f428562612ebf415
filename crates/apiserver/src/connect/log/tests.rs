use super::*;
use crate::query::Query;
use serde_json::json;

fn pod(spec: Value, status: Value) -> Value {
    json!({ "metadata": { "name": "p", "namespace": "d" }, "spec": spec, "status": status })
}

fn check(outcome: Result<String, Status>, expected: &str) {
    let found = outcome.unwrap_or_else(|status| format!("{} {}", status.code, status.message));
    assert_eq!(found, expected);
}

#[test]
fn the_container_is_the_only_one_or_the_named_one() {
    let one = pod(json!({"containers": [{"name": "a"}]}), json!({}));
    let two = pod(json!({"containers": [{"name": "a"}, {"name": "b"}], "initContainers": [{"name": "i"}]}), json!({}));
    check(container(&one, None), "a");
    check(container(&two, Some("i")), "i");
    check(
        container(&two, None),
        "400 a container name must be specified for pod p, choose one of: [a b] or one of the init containers: [i]",
    );
    check(container(&one, Some("x")), "400 container x is not valid for pod p, choose one of: [a]");
}

#[test]
fn a_container_that_has_not_started_says_why() {
    let started = |pod: &Value, previous| check_started(pod, "a", previous).map(|()| "started".to_owned());
    let status = |status: Value| pod(json!({"nodeName": "n"}), json!({"containerStatuses": [status]}));
    check(
        started(&pod(json!({}), json!({})), false),
        "400 container \"a\" in pod \"p\" is waiting to start: the pod is not yet scheduled to a node",
    );
    let creating = status(json!({"name": "a", "state": {"waiting": {"reason": "ContainerCreating"}}}));
    check(started(&creating, false), "400 container \"a\" in pod \"p\" is waiting to start: ContainerCreating");
    check(started(&creating, true), "400 previous terminated container \"a\" in pod \"p\" not found");
    let pulling = status(json!({"name": "a", "state": {"waiting": {"reason": "ImagePullBackOff"}}}));
    check(
        started(&pulling, false),
        "400 container \"a\" in pod \"p\" is waiting to start: trying and failing to pull image",
    );
    let crashing =
        json!({"name": "a", "state": {"waiting": {"reason": "CrashLoopBackOff"}}, "lastState": {"terminated": {}}});
    check(started(&status(crashing.clone()), false), "started");
    check(started(&status(crashing), true), "started");
    check(started(&status(json!({"name": "a", "state": {"running": {}}})), false), "started");
}

#[test]
fn options_are_checked_and_passed_on() {
    let parameters = |text: &str| options::parameters(&Query::parse(text));
    check(
        parameters("container=c&follow=true&tailLines=10&sinceTime=2026-01-02T03:04:05Z"),
        "follow=true&sinceTime=2026%2D01%2D02T03%3A04%3A05Z&tailLines=10",
    );
    check(parameters(""), "");
    check(
        parameters("tailLines=-1"),
        "422 PodLogOptions \"\" is invalid: tailLines: Invalid value: -1: must be greater than or equal to 0",
    );
    check(
        parameters("limitBytes=x"),
        "422 PodLogOptions \"\" is invalid: limitBytes: Invalid value: \"x\": must be a number",
    );
    assert_eq!(parameters("sinceTime=yesterday").unwrap_err().code, 422);
}
