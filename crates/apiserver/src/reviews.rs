//! Kinds that are asked and answered, never stored: reviews of access and identity.

use http::{Response, StatusCode};
use sampan_access::authn;
use sampan_meta::{Status, time};
use serde_json::{Value, json};

use crate::body::Body;
use crate::decode::{self, Expected, RequestBody};
use crate::pipeline::Call;
use crate::{encode, reply};

/// One kind of question.
#[derive(Debug)]
pub(crate) struct Review {
    pub(crate) group: &'static str,
    pub(crate) kind: &'static str,
    pub(crate) plural: &'static str,
    pub(crate) singular: &'static str,
    pub(crate) namespaced: bool,
    pub(crate) type_name: &'static str,
    answer: fn(&Call, Value) -> Result<Value, Status>,
}

/// Every kind of question; all of version v1.
pub(crate) fn all() -> &'static [Review] {
    const AUTHENTICATION: &str = "authentication.k8s.io";
    const AUTHORIZATION: &str = "authorization.k8s.io";
    &[
        Review {
            group: AUTHENTICATION,
            kind: "SelfSubjectReview",
            plural: "selfsubjectreviews",
            singular: "selfsubjectreview",
            namespaced: false,
            type_name: "authentication.v1.SelfSubjectReview",
            answer: |call, review| Ok(self_subject_review(call, review)),
        },
        Review {
            group: AUTHENTICATION,
            kind: "TokenReview",
            plural: "tokenreviews",
            singular: "tokenreview",
            namespaced: false,
            type_name: "authentication.v1.TokenReview",
            answer: |call, review| Ok(call.server.authenticator.token_review(&review)),
        },
        Review {
            group: AUTHORIZATION,
            kind: "LocalSubjectAccessReview",
            plural: "localsubjectaccessreviews",
            singular: "localsubjectaccessreview",
            namespaced: true,
            type_name: "authorization.v1.LocalSubjectAccessReview",
            answer: |call, review| {
                call.server.authorizer.local_subject_access_review(&call.attributes.namespace, &review)
            },
        },
        Review {
            group: AUTHORIZATION,
            kind: "SelfSubjectAccessReview",
            plural: "selfsubjectaccessreviews",
            singular: "selfsubjectaccessreview",
            namespaced: false,
            type_name: "authorization.v1.SelfSubjectAccessReview",
            answer: |call, review| call.server.authorizer.self_subject_access_review(&call.attributes.user, &review),
        },
        Review {
            group: AUTHORIZATION,
            kind: "SelfSubjectRulesReview",
            plural: "selfsubjectrulesreviews",
            singular: "selfsubjectrulesreview",
            namespaced: false,
            type_name: "authorization.v1.SelfSubjectRulesReview",
            answer: |call, review| call.server.authorizer.self_subject_rules_review(&call.attributes.user, &review),
        },
        Review {
            group: AUTHORIZATION,
            kind: "SubjectAccessReview",
            plural: "subjectaccessreviews",
            singular: "subjectaccessreview",
            namespaced: false,
            type_name: "authorization.v1.SubjectAccessReview",
            answer: |call, review| call.server.authorizer.subject_access_review(&review),
        },
    ]
}

/// The kind of question a path names.
pub(crate) fn find(group: &str, version: &str, plural: &str) -> Option<&'static Review> {
    all().iter().find(|review| review.group == group && version == "v1" && review.plural == plural)
}

/// Answers a question: the object sent, its status filled in.
pub(crate) async fn answer(
    call: &mut Call,
    review: &'static Review,
    body: RequestBody,
) -> Result<Response<Body>, Status> {
    let sampan_api::request::Attributes { namespace, name, subresource, verb, .. } = &call.attributes;
    if review.namespaced == namespace.is_empty() || !name.is_empty() || !subresource.is_empty() {
        return Err(Status::path_not_found());
    }
    if verb != "create" {
        return Err(Status::method_not_supported(&call.attributes.group_resource(), verb));
    }
    let media = reply::whole(&call.headers)?;
    let api_version = format!("{}/v1", review.group);
    let expected = Expected { api_version: &api_version, kind: review.kind, type_name: review.type_name };
    let validation = decode::field_validation(&call.query, "CreateOptions")?;
    let sent_as = decode::media(&call.headers)?;
    let bytes = decode::read(body, &call.headers, call.server.limits.body).await?;
    let question = decode::object(&bytes, sent_as, expected, validation, &mut call.warnings)?;
    if let Some(token) = sampan_meta::object::str_at(&question, "/spec/token") {
        call.server.provider_keys.prepare_token(token).await;
    }
    let mut answer = (review.answer)(call, question)?;
    answer["apiVersion"] = api_version.into();
    answer["kind"] = review.kind.into();
    let body = encode::value(media, review.type_name, &answer)?;
    Ok(reply::with_type(StatusCode::CREATED, media.content_type(), body))
}

/// `kubectl auth whoami`.
fn self_subject_review(call: &Call, mut review: Value) -> Value {
    review["metadata"] = json!({ "creationTimestamp": time::format_time(call.server.clock.now()) });
    review["status"] = json!({ "userInfo": authn::user_value(&call.attributes.user) });
    review
}
