use super::*;
use crate::field::{Path, invalid, required};
use expect_test::{Expect, expect};

fn check(status: Status, expected: Expect) {
    assert_eq!(Status::from_value(&status.to_value()).as_ref(), Some(&status), "reads back what it wrote");
    expected.assert_eq(&status.to_value().to_string());
}

fn pods() -> GroupResource {
    GroupResource::new("", "pods")
}

#[test]
fn failures_have_the_words_and_codes_of_upstream() {
    check(
        Status::not_found(&pods(), "x"),
        expect![[
            r#"{"apiVersion":"v1","code":404,"details":{"kind":"pods","name":"x"},"kind":"Status","message":"pods \"x\" not found","metadata":{},"reason":"NotFound","status":"Failure"}"#
        ]],
    );
    check(
        Status::not_found(&GroupResource::new("apps", "deployments"), "x"),
        expect![[
            r#"{"apiVersion":"v1","code":404,"details":{"group":"apps","kind":"deployments","name":"x"},"kind":"Status","message":"deployments.apps \"x\" not found","metadata":{},"reason":"NotFound","status":"Failure"}"#
        ]],
    );
    check(
        Status::already_exists(&pods(), "x"),
        expect![[
            r#"{"apiVersion":"v1","code":409,"details":{"kind":"pods","name":"x"},"kind":"Status","message":"pods \"x\" already exists","metadata":{},"reason":"AlreadyExists","status":"Failure"}"#
        ]],
    );
    check(
        Status::modified(&pods(), "x"),
        expect![[
            r#"{"apiVersion":"v1","code":409,"details":{"kind":"pods","name":"x"},"kind":"Status","message":"Operation cannot be fulfilled on pods \"x\": the object has been modified; please apply your changes to the latest version and try again","metadata":{},"reason":"Conflict","status":"Failure"}"#
        ]],
    );
    check(
        Status::forbidden(&pods(), "", "no"),
        expect![[
            r#"{"apiVersion":"v1","code":403,"details":{"kind":"pods"},"kind":"Status","message":"pods is forbidden: no","metadata":{},"reason":"Forbidden","status":"Failure"}"#
        ]],
    );
    check(
        Status::forbidden(&GroupResource::default(), "", "no"),
        expect![[
            r#"{"apiVersion":"v1","code":403,"details":{},"kind":"Status","message":"forbidden: no","metadata":{},"reason":"Forbidden","status":"Failure"}"#
        ]],
    );
    check(
        Status::unauthorized(),
        expect![[
            r#"{"apiVersion":"v1","code":401,"kind":"Status","message":"Unauthorized","metadata":{},"reason":"Unauthorized","status":"Failure"}"#
        ]],
    );
    check(
        Status::too_large_resource_version(9, 3),
        expect![[
            r#"{"apiVersion":"v1","code":504,"details":{"causes":[{"message":"Too large resource version","reason":"ResourceVersionTooLarge"}],"retryAfterSeconds":1},"kind":"Status","message":"Timeout: Too large resource version: 9, current: 3","metadata":{},"reason":"Timeout","status":"Failure"}"#
        ]],
    );
    check(
        Status::server_timeout(&pods(), "list", 2),
        expect![[
            r#"{"apiVersion":"v1","code":500,"details":{"kind":"pods","name":"list","retryAfterSeconds":2},"kind":"Status","message":"The list operation against pods could not be completed at this time, please try again.","metadata":{},"reason":"ServerTimeout","status":"Failure"}"#
        ]],
    );
    check(
        Status::internal("oops"),
        expect![[
            r#"{"apiVersion":"v1","code":500,"details":{"causes":[{"message":"oops"}]},"kind":"Status","message":"Internal error occurred: oops","metadata":{},"reason":"InternalError","status":"Failure"}"#
        ]],
    );
    check(
        Status::method_not_supported(&pods(), "patch"),
        expect![[
            r#"{"apiVersion":"v1","code":405,"details":{"kind":"pods"},"kind":"Status","message":"patch is not supported on resources of kind \"pods\"","metadata":{},"reason":"MethodNotAllowed","status":"Failure"}"#
        ]],
    );
    check(
        Status::too_many_requests("slower", 1),
        expect![[
            r#"{"apiVersion":"v1","code":429,"details":{"retryAfterSeconds":1},"kind":"Status","message":"slower","metadata":{},"reason":"TooManyRequests","status":"Failure"}"#
        ]],
    );
    check(
        Status::unsupported_media_type(&["a/b", "c/d"]),
        expect![[
            r#"{"apiVersion":"v1","code":415,"kind":"Status","message":"the body of the request was in an unknown format - accepted media types include: a/b, c/d","metadata":{},"reason":"UnsupportedMediaType","status":"Failure"}"#
        ]],
    );
    check(
        Status::deleted(&pods(), "x", "u1"),
        expect![[
            r#"{"apiVersion":"v1","details":{"kind":"pods","name":"x","uid":"u1"},"kind":"Status","metadata":{},"status":"Success"}"#
        ]],
    );
}

#[test]
fn one_finding_is_bare_and_several_are_in_brackets_without_repeats() {
    let path = Path::new("spec.a");
    check(
        Status::invalid("", "Pod", "x", vec![required(&path, "")]),
        expect![[
            r#"{"apiVersion":"v1","code":422,"details":{"causes":[{"field":"spec.a","message":"Required value","reason":"FieldValueRequired"}],"kind":"Pod","name":"x"},"kind":"Status","message":"Pod \"x\" is invalid: spec.a: Required value","metadata":{},"reason":"Invalid","status":"Failure"}"#
        ]],
    );
    let several = vec![required(&path, ""), required(&path, ""), invalid(&path, "y", "no")];
    check(
        Status::invalid("apps", "Deployment", "x", several),
        expect![[
            r#"{"apiVersion":"v1","code":422,"details":{"causes":[{"field":"spec.a","message":"Required value","reason":"FieldValueRequired"},{"field":"spec.a","message":"Required value","reason":"FieldValueRequired"},{"field":"spec.a","message":"Invalid value: \"y\": no","reason":"FieldValueInvalid"}],"group":"apps","kind":"Deployment","name":"x"},"kind":"Status","message":"Deployment.apps \"x\" is invalid: [spec.a: Required value, spec.a: Invalid value: \"y\": no]","metadata":{},"reason":"Invalid","status":"Failure"}"#
        ]],
    );
    check(
        Status::invalid("", "Pod", "x", Vec::new()),
        expect![[
            r#"{"apiVersion":"v1","code":422,"details":{"kind":"Pod","name":"x"},"kind":"Status","message":"Pod \"x\" is invalid","metadata":{},"reason":"Invalid","status":"Failure"}"#
        ]],
    );
}

#[test]
fn only_what_can_help_is_tried_again() {
    assert!(Status::modified(&pods(), "x").retryable());
    assert!(Status::service_unavailable("later").retryable());
    assert!(!Status::not_found(&pods(), "x").retryable());
    assert!(!Status::already_exists(&pods(), "x").retryable());
    assert!(!Status::bad_request("no").retryable());
}

#[test]
fn another_object_is_no_status() {
    assert_eq!(Status::from_value(&serde_json::json!({"kind": "Pod"})), None);
}
