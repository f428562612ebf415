//! One constructor per failure, with the messages people and scripts know from upstream.

use super::{ErrorList, FAILURE, GroupResource, SUCCESS, Status, StatusDetails, V1};
use std::fmt::Display;

impl Status {
    fn failure(code: u16, reason: &str, message: impl Into<String>) -> Self {
        Self { status: FAILURE.to_owned(), code, reason: reason.to_owned(), message: message.into(), ..Self::success() }
    }

    fn about(mut self, resource: &GroupResource, name: &str) -> Self {
        let GroupResource { group, resource } = resource.clone();
        self.details =
            Some(Box::new(StatusDetails { group, kind: resource, name: name.to_owned(), ..Default::default() }));
        self
    }

    /// Names the object a message is about without changing the message.
    pub fn with_object(self, resource: &GroupResource, name: &str) -> Self {
        self.about(resource, name)
    }

    fn retry_after(mut self, seconds: u32) -> Self {
        self.details_mut().retry_after_seconds = seconds;
        self
    }

    /// All went well. The code is the caller's to set when it matters.
    pub fn success() -> Self {
        Self {
            api_version: V1,
            metadata: serde_json::Map::new(),
            status: SUCCESS.to_owned(),
            message: String::new(),
            reason: String::new(),
            details: None,
            code: 0,
        }
    }

    /// What a DELETE that removed the object answers.
    pub fn deleted(resource: &GroupResource, name: &str, uid: &str) -> Self {
        Self::success().about(resource, name).with_uid(uid)
    }

    /// 404: `pods "x" not found`.
    pub fn not_found(resource: &GroupResource, name: &str) -> Self {
        Self::failure(404, "NotFound", format!("{resource} {name:?} not found")).about(resource, name)
    }

    /// 404 for a path that leads nowhere.
    pub fn path_not_found() -> Self {
        Self::failure(404, "NotFound", "the server could not find the requested resource").retry_after(0)
    }

    /// 409: `pods "x" already exists`.
    pub fn already_exists(resource: &GroupResource, name: &str) -> Self {
        Self::failure(409, "AlreadyExists", format!("{resource} {name:?} already exists")).about(resource, name)
    }

    /// 409: every generated name that was tried is taken.
    pub fn generate_name_conflict(resource: &GroupResource, name: &str, retry_after: u32) -> Self {
        let why = "the server was not able to generate a unique name for the object";
        let message = format!("{resource} {name:?} already exists, {why}");
        Self::failure(409, "AlreadyExists", message).about(resource, name).retry_after(retry_after)
    }

    /// 409: `Operation cannot be fulfilled on pods "x": why`.
    pub fn conflict(resource: &GroupResource, name: &str, why: impl Display) -> Self {
        let message = format!("Operation cannot be fulfilled on {resource} {name:?}: {why}");
        Self::failure(409, "Conflict", message).about(resource, name)
    }

    /// 409 for an update of an object that has changed since it was read.
    pub fn modified(resource: &GroupResource, name: &str) -> Self {
        Self::conflict(
            resource,
            name,
            "the object has been modified; please apply your changes to the latest version and try again",
        )
    }

    /// 422: `Pod "x" is invalid: spec.a: Required value`, or with brackets when there are several findings.
    pub fn invalid(group: &str, kind: &str, name: &str, errors: ErrorList) -> Self {
        let qualified = GroupResource::new(group, kind);
        let mut message = format!("{qualified} {name:?} is invalid");
        if !errors.is_empty() {
            message = format!("{message}: {}", aggregate(&errors));
        }
        let status = Self::failure(422, "Invalid", message).about(&qualified, name);
        errors.iter().fold(status, |status, error| status.with_cause(error.kind.reason(), error.body(), &error.field))
    }

    /// 400: the request makes no sense as it is.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::failure(400, "BadRequest", message)
    }

    /// 401: nobody known.
    pub fn unauthorized() -> Self {
        Self::failure(401, "Unauthorized", "Unauthorized")
    }

    /// 403: `pods "x" is forbidden: why`; without a name `pods is forbidden: why`; without a resource `forbidden: why`.
    pub fn forbidden(resource: &GroupResource, name: &str, why: impl Display) -> Self {
        let message = match (resource.resource.is_empty() && resource.group.is_empty(), name) {
            (true, _) => format!("forbidden: {why}"),
            (false, "") => format!("{resource} is forbidden: {why}"),
            (false, name) => format!("{resource} {name:?} is forbidden: {why}"),
        };
        Self::failure(403, "Forbidden", message).about(resource, name)
    }

    /// 410, reason `Expired`: the resource version or continue token is older than what is kept.
    pub fn expired(message: impl Into<String>) -> Self {
        Self::failure(410, "Expired", message)
    }

    /// 410, reason `Gone`.
    pub fn gone(message: impl Into<String>) -> Self {
        Self::failure(410, "Gone", message)
    }

    /// 504: `Timeout: message`.
    pub fn timeout(message: impl Display, retry_after: u32) -> Self {
        Self::failure(504, "Timeout", format!("Timeout: {message}")).retry_after(retry_after)
    }

    /// 504 for a resource version this server has not seen yet.
    pub fn too_large_resource_version(requested: u64, current: u64) -> Self {
        let message = format!("Too large resource version: {requested}, current: {current}");
        Self::timeout(message, 1).with_cause("ResourceVersionTooLarge", "Too large resource version", "")
    }

    /// 500, reason `ServerTimeout`: try again.
    pub fn server_timeout(resource: &GroupResource, operation: &str, retry_after: u32) -> Self {
        let message = format!(
            "The {operation} operation against {resource} could not be completed at this time, please try again."
        );
        Self::failure(500, "ServerTimeout", message).about(resource, operation).retry_after(retry_after)
    }

    /// 503: not now.
    pub fn service_unavailable(message: impl Into<String>) -> Self {
        Self::failure(503, "ServiceUnavailable", message)
    }

    /// 429: slower, please. `retry_after` in seconds.
    pub fn too_many_requests(message: impl Into<String>, retry_after: u32) -> Self {
        Self::failure(429, "TooManyRequests", message).retry_after(retry_after)
    }

    /// 500: `Internal error occurred: why`.
    pub fn internal(why: impl Display) -> Self {
        Self::failure(500, "InternalError", format!("Internal error occurred: {why}")).with_cause(
            "",
            why.to_string(),
            "",
        )
    }

    /// 405: `patch is not supported on resources of kind "pods"`.
    pub fn method_not_supported(resource: &GroupResource, action: &str) -> Self {
        let message = format!("{action} is not supported on resources of kind {:?}", resource.to_string());
        Self::failure(405, "MethodNotAllowed", message).about(resource, "")
    }

    /// 406: none of the media types the client takes can be given.
    pub fn not_acceptable<S: AsRef<str>>(accepted: &[S]) -> Self {
        let message = format!("only the following media types are accepted: {}", joined(accepted));
        Self::failure(406, "NotAcceptable", message)
    }

    /// 415: the body is in a form this server does not read.
    pub fn unsupported_media_type<S: AsRef<str>>(accepted: &[S]) -> Self {
        let message = "the body of the request was in an unknown format - accepted media types include";
        Self::failure(415, "UnsupportedMediaType", format!("{message}: {}", joined(accepted)))
    }

    /// 422, reason `Invalid`, for a request that is understood and does not fit the object.
    pub fn unprocessable(resource: &GroupResource, name: &str, why: impl Display) -> Self {
        let message = format!("the server rejected our request due to an error in our request: {why}");
        Self::failure(422, "Invalid", message).about(resource, name)
    }

    /// 413: `Request entity too large: message`.
    pub fn request_entity_too_large(message: impl Display) -> Self {
        Self::failure(413, "RequestEntityTooLarge", format!("Request entity too large: {message}"))
    }
}

fn joined<S: AsRef<str>>(texts: &[S]) -> String {
    texts.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(", ")
}

/// One finding as it is, several in brackets, each text once.
fn aggregate(errors: &ErrorList) -> String {
    let mut texts: Vec<String> = Vec::with_capacity(errors.len());
    for text in errors.iter().map(ToString::to_string) {
        if !texts.contains(&text) {
            texts.push(text);
        }
    }
    if texts.len() == 1 { texts.remove(0) } else { format!("[{}]", texts.join(", ")) }
}
