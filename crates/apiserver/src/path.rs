//! What a path means: the resource and verb it names, or a path that is no resource.
//!
//! Matches upstream's `RequestInfoFactory` (apiserver/pkg/endpoints/request/requestinfo.go).

use std::borrow::Cow;

use http::Method;
use percent_encoding::percent_decode_str;

use crate::query::Query;

/// A request's meaning, before anybody has looked whether the resource exists.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct RequestInfo {
    /// Kubernetes verb (`get`, `list`, `watch`, `create`, ..), or the lower-case method where the path is no resource.
    pub(crate) verb: String,
    pub(crate) group: String,
    pub(crate) version: String,
    pub(crate) resource: String,
    pub(crate) subresource: String,
    pub(crate) namespace: String,
    pub(crate) name: String,
    /// What follows the subresource: the path to proxy to. What this server serves otherwise has nothing there.
    pub(crate) remainder: String,
    /// True if the path names a resource.
    pub(crate) resource_request: bool,
}

/// Reads a path. `None` if it cannot be decoded as UTF-8 or a part of it is `.` or `..`.
pub(crate) fn parse(method: &Method, path: &str, query: &Query) -> Option<RequestInfo> {
    let mut info = RequestInfo { verb: method.as_str().to_ascii_lowercase(), ..RequestInfo::default() };
    let Some(rest) = path.strip_prefix("/api/").or_else(|| path.strip_prefix("/apis/")) else {
        return Some(info);
    };
    let parts: Vec<Cow<'_, str>> =
        rest.split('/').map(|part| percent_decode_str(part).decode_utf8().ok()).collect::<Option<_>>()?;
    let mut parts = parts.into_iter().peekable();
    if path.starts_with("/apis/") {
        info.group = parts.next()?.into_owned();
    }
    let Some(version) = parts.next().filter(|version| !version.is_empty()) else {
        return Some(RequestInfo { group: String::new(), ..info });
    };
    info.version = version.into_owned();
    let mut parts: Vec<String> = parts.map(Cow::into_owned).collect();
    if parts.first().is_none_or(String::is_empty) {
        return Some(RequestInfo { verb: info.verb, ..RequestInfo::default() });
    }
    let proxied = parts.iter().any(|part| part == "proxy");
    if !proxied && parts.last().is_some_and(String::is_empty) {
        parts.pop();
    }
    let deprecated_watch = parts[0] == "watch" && parts.len() > 1;
    if deprecated_watch {
        parts.remove(0);
    }
    name_parts(&mut info, parts)?;
    info.resource_request = true;
    info.verb = if deprecated_watch { "watch".into() } else { verb(method, &info, query).into() };
    if matches!(&*info.verb, "list" | "watch" | "deletecollection") && info.name.is_empty() {
        info.name = named_by_selector(query).unwrap_or_default();
    }
    Some(info)
}

/// Splits `[namespaces/NS/]RESOURCE[/NAME[/SUBRESOURCE[/REMAINDER]]]`; `namespaces/NS/{status,finalize}` are subresources.
fn name_parts(info: &mut RequestInfo, mut parts: Vec<String>) -> Option<()> {
    if parts[0] == "namespaces" && parts.len() > 1 {
        info.namespace.clone_from(&parts[1]);
        let own_subresource = matches!(parts.get(2).map(String::as_str), Some("status" | "finalize"));
        if parts.len() > 2 && !own_subresource {
            parts.drain(..2);
        }
    }
    let mut parts = parts.into_iter();
    info.resource = parts.next()?;
    info.name = parts.next().unwrap_or_default();
    info.subresource = parts.next().unwrap_or_default();
    if info.subresource != "proxy" && matches!(&*info.name, "." | "..") {
        return None;
    }
    for part in parts {
        info.remainder.push('/');
        info.remainder.push_str(&part);
    }
    Some(())
}

fn verb(method: &Method, info: &RequestInfo, query: &Query) -> &'static str {
    match *method {
        Method::POST => "create",
        Method::PUT => "update",
        Method::PATCH => "patch",
        Method::DELETE if info.name.is_empty() => "deletecollection",
        Method::DELETE => "delete",
        Method::GET | Method::HEAD if !info.name.is_empty() => {
            if query.flag("watch") && info.subresource.is_empty() {
                "watch"
            } else {
                "get"
            }
        }
        Method::GET | Method::HEAD => {
            if query.flag("watch") {
                "watch"
            } else {
                "list"
            }
        }
        _ => "",
    }
}

/// The one name a field selector allows: it lets a role that names an object also list and watch it.
fn named_by_selector(query: &Query) -> Option<String> {
    let selector = query.get("fieldSelector")?;
    let name = selector.strip_prefix("metadata.name=")?.trim_start_matches('=');
    (!name.contains(',')).then(|| name.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(request: &str, expected: &str) {
        let (method, target) = request.split_once(' ').unwrap();
        let (path, query) = target.split_once('?').unwrap_or((target, ""));
        let info = parse(&method.parse().unwrap(), path, &Query::parse(query));
        let found = info.map_or_else(
            || "none".to_owned(),
            |i| {
                let RequestInfo { verb, group, version, resource, subresource, namespace, name, remainder, .. } = &i;
                let kind = if i.resource_request { "resource" } else { "path" };
                format!("{kind} {verb} {group}/{version} {resource}/{subresource} ns={namespace} name={name} rest={remainder}")
            },
        );
        assert_eq!(found, expected, "{request}");
    }

    #[test]
    fn paths_name_what_upstream_says_they_name() {
        check("GET /api/v1/pods", "resource list /v1 pods/ ns= name= rest=");
        check("GET /api/v1/namespaces/a/pods?watch=1", "resource watch /v1 pods/ ns=a name= rest=");
        check("GET /api/v1/namespaces/a/pods/b", "resource get /v1 pods/ ns=a name=b rest=");
        check("GET /api/v1/namespaces/a/pods/b/log", "resource get /v1 pods/log ns=a name=b rest=");
        check("PUT /api/v1/namespaces/a/finalize", "resource update /v1 namespaces/finalize ns=a name=a rest=");
        check("DELETE /api/v1/namespaces/a", "resource delete /v1 namespaces/ ns=a name=a rest=");
        check("GET /api/v1/namespaces", "resource list /v1 namespaces/ ns= name= rest=");
        check(
            "DELETE /apis/apps/v1/namespaces/a/deployments",
            "resource deletecollection apps/v1 deployments/ ns=a name= rest=",
        );
        check(
            "PATCH /apis/apps/v1/namespaces/a/deployments/d/scale",
            "resource patch apps/v1 deployments/scale ns=a name=d rest=",
        );
        check("GET /api/v1/namespaces/a/pods/b:80/proxy/x/y", "resource get /v1 pods/proxy ns=a name=b:80 rest=/x/y");
        check("GET /apis/a.b/v1/namespaces/a/pods/b/c/d/e", "resource get a.b/v1 pods/c ns=a name=b rest=/d/e");
        check("GET /api/v1/nodes/n/proxy/x/", "resource get /v1 nodes/proxy ns= name=n rest=/x/");
        check(
            "GET /api/v1/namespaces/a/pods?fieldSelector=metadata.name%3Dp",
            "resource list /v1 pods/ ns=a name=p rest=",
        );
        check("GET /api/v1/watch/namespaces/a/pods", "resource watch /v1 pods/ ns=a name= rest=");
        check(
            "GET /apis/rbac.authorization.k8s.io/v1/clusterroles/system:node",
            "resource get rbac.authorization.k8s.io/v1 clusterroles/ ns= name=system:node rest=",
        );
    }

    #[test]
    fn paths_that_are_no_resource_keep_their_method() {
        for path in [
            "/version",
            "/api",
            "/apis",
            "/api/v1",
            "/apis/apps",
            "/apis/apps/v1",
            "/apis/apps/v1/",
            "/openapi/v3/apis/apps/v1",
        ] {
            check(&format!("GET {path}"), "path get / / ns= name= rest=");
        }
    }

    #[test]
    fn paths_that_mean_nothing_are_refused() {
        check("GET /api/v1/namespaces/a/pods/..", "none");
        check("GET /api/v1/namespaces/%ff/pods", "none");
    }
}
