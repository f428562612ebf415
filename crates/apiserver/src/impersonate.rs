//! `kubectl --as`: a request made in the name of another, if its maker may (apiserver/pkg/endpoints/filters/impersonation.go).

use http::HeaderMap;
use percent_encoding::percent_decode_str;
use sampan_api::request::{AUTHENTICATED, Attributes, SERVICE_ACCOUNT_USER_PREFIX, User};
use sampan_meta::Status;

use crate::server::ApiServer;

const EXTRA: &str = "impersonate-extra-";

/// The user a request is to be judged as: `user`, or whom its headers name. Every part named needs the verb `impersonate`.
pub(crate) fn resolve(server: &ApiServer, user: User, headers: &HeaderMap) -> Result<User, Status> {
    if !headers.keys().any(|name| name.as_str().starts_with("impersonate-")) {
        return Ok(user);
    }
    let Some(mut other) = named(headers)? else {
        return Err(Status::bad_request(
            "requested impersonation of groups, a uid or extra without a user: send Impersonate-User",
        ));
    };
    for attributes in questions(&user, &other) {
        server.authorizer.check(&attributes)?;
    }
    complete_groups(&mut other);
    Ok(other)
}

fn named(headers: &HeaderMap) -> Result<Option<User>, Status> {
    let text = |value: &http::HeaderValue| {
        value.to_str().map(str::to_owned).map_err(|_| Status::bad_request("an impersonation header is not text"))
    };
    let Some(name) = headers.get("impersonate-user") else { return Ok(None) };
    let mut user = User { name: text(name)?, ..User::default() };
    for group in headers.get_all("impersonate-group") {
        user.groups.push(text(group)?);
    }
    if let Some(uid) = headers.get("impersonate-uid") {
        user.uid = text(uid)?;
    }
    for (header, value) in headers {
        if let Some(key) = header.as_str().strip_prefix(EXTRA) {
            let key = percent_decode_str(key).decode_utf8_lossy().into_owned();
            user.extra.entry(key).or_default().push(text(value)?);
        }
    }
    Ok(Some(user))
}

/// What the maker of the request must be allowed.
fn questions(user: &User, other: &User) -> Vec<Attributes> {
    let ask = |group: &str, resource: &str, subresource: &str, namespace: &str, name: &str| Attributes {
        user: user.clone(),
        verb: "impersonate".into(),
        group: group.into(),
        version: "v1".into(),
        resource: resource.into(),
        subresource: subresource.into(),
        namespace: namespace.into(),
        name: name.into(),
        resource_request: true,
        ..Attributes::default()
    };
    let mut questions = match service_account(other) {
        Some((namespace, name)) => vec![ask("", "serviceaccounts", "", namespace, name)],
        None => vec![ask("", "users", "", "", &other.name)],
    };
    questions.extend(other.groups.iter().map(|group| ask("", "groups", "", "", group)));
    if !other.uid.is_empty() {
        questions.push(ask("authentication.k8s.io", "uids", "", "", &other.uid));
    }
    for (key, values) in &other.extra {
        questions.extend(values.iter().map(|value| ask("authentication.k8s.io", "userextras", key, "", value)));
    }
    questions
}

/// Namespace and name, if the user is a service account.
fn service_account(user: &User) -> Option<(&str, &str)> {
    user.name.strip_prefix(SERVICE_ACCOUNT_USER_PREFIX)?.split_once(':')
}

/// Groups that come with being somebody: a service account's, and everybody's but the anonymous.
fn complete_groups(user: &mut User) {
    if let Some((namespace, name)) = service_account(user).filter(|_| user.groups.is_empty()) {
        user.groups = User::service_account(namespace, name).groups;
    }
    let own =
        if user.name == sampan_api::request::ANONYMOUS { sampan_api::request::UNAUTHENTICATED } else { AUTHENTICATED };
    if !user.in_group(own) {
        user.groups.push(own.to_owned());
    }
}
