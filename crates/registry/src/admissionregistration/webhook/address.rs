//! Where a webhook is. Upstream: `apiserver/pkg/util/webhook/validation.go`.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::validation::dns1123_subdomain;
use serde_json::Value;

const FORM: &str = "; desired format: https://host[/path]";

pub(crate) fn validate(errors: &mut ErrorList, webhook: &Value, path: &Path) {
    let given = |name: &str| webhook.pointer(&format!("/clientConfig/{name}")).filter(|given| !given.is_null());
    match (given("url"), given("service")) {
        (Some(url), None) => validate_url(errors, url.as_str().unwrap_or_default(), &path.child("url")),
        (None, Some(service)) => validate_service(errors, service, &path.child("service")),
        _ => errors.push(field::required(path, "exactly one of url or service is required")),
    }
}

/// The parts of a URL as far as they matter here.
struct Parts<'a> {
    scheme: &'a str,
    user: Option<&'a str>,
    host: &'a str,
    query: &'a str,
    fragment: &'a str,
}

impl<'a> Parts<'a> {
    /// # Errors
    /// What is wrong with the text as a whole.
    fn parse(url: &'a str) -> Result<Self, String> {
        let wrong = |why: &str| Err(format!("parse {url:?}: {why}"));
        if url.chars().any(|letter| letter.is_ascii_control()) {
            return wrong("net/url: invalid control character in URL");
        }
        let (rest, fragment) = url.split_once('#').unwrap_or((url, ""));
        let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
        let (scheme, rest) = match rest.split_once(':') {
            Some(("", _)) => return wrong("missing protocol scheme"),
            Some((scheme, rest)) if !scheme.contains('/') => (scheme, rest),
            _ => ("", rest),
        };
        let authority = rest.strip_prefix("//").map_or("", |rest| rest.split('/').next().unwrap_or_default());
        let (user, host) = match authority.rsplit_once('@') {
            Some((user, host)) => (Some(user), host),
            None => (None, authority),
        };
        if host.contains(' ') {
            return wrong("invalid character \" \" in host name");
        }
        Ok(Self { scheme, user, host, query, fragment })
    }
}

fn validate_url(errors: &mut ErrorList, url: &str, path: &Path) {
    let parts = match Parts::parse(url) {
        Ok(parts) => parts,
        Err(why) => {
            errors.push(field::required(path, format!("url must be a valid URL: {why}{FORM}")));
            return;
        }
    };
    if parts.scheme != "https" {
        let why = format!("'https' is the only allowed URL scheme{FORM}");
        errors.push(field::invalid(path, parts.scheme, why));
    }
    if parts.host.is_empty() {
        errors.push(field::invalid(path, "", format!("host must be specified{FORM}")));
    }
    if let Some(user) = parts.user {
        errors.push(field::invalid(path, user, "user information is not permitted in the URL"));
    }
    if !parts.fragment.is_empty() {
        errors.push(field::invalid(path, parts.fragment, "fragments are not permitted in the URL"));
    }
    if !parts.query.is_empty() {
        errors.push(field::invalid(path, parts.query, "query parameters are not permitted in the URL"));
    }
}

fn validate_service(errors: &mut ErrorList, service: &Value, path: &Path) {
    for name in ["name", "namespace"] {
        if object::str_at(service, &format!("/{name}")).is_none() {
            errors.push(field::required(&path.child(name), format!("service {name} is required")));
        }
    }
    let port = object::i64_at(service, "/port").unwrap_or(443);
    if !(1..=65535).contains(&port) {
        let why = "port is not valid: must be between 1 and 65535, inclusive";
        errors.push(field::invalid(&path.child("port"), port, why));
    }
    if let Some(given) = object::str_at(service, "/path") {
        validate_path(errors, given, &path.child("path"));
    }
}

fn validate_path(errors: &mut ErrorList, given: &str, path: &Path) {
    match given {
        "/" => return,
        "//" => {
            errors.push(field::invalid(path, given, "segment[0] may not be empty"));
            return;
        }
        _ if !given.starts_with('/') => errors.push(field::invalid(path, given, "must start with a '/'")),
        _ => (),
    }
    let mut letters = given.chars();
    letters.next();
    let steps = letters.as_str();
    for (index, step) in steps.strip_suffix('/').unwrap_or(steps).split('/').enumerate() {
        if step.is_empty() {
            errors.push(field::invalid(path, given, format!("segment[{index}] may not be empty")));
            continue;
        }
        for why in dns1123_subdomain(step) {
            errors.push(field::invalid(path, given, format!("segment[{index}]: {why}")));
        }
    }
}
