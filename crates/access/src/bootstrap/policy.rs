//! Reading the policy texts. They are part of the program, so that a line that cannot be read is a mistake of ours, found by
//! the tests.

use serde_json::{Value, json};

use crate::authz::Rule;

const GROUP: &str = "rbac.authorization.k8s.io";
const READABLE: &str = "the policy texts are part of the program and every line of them is read by a test";

/// The objects of a text, in its order.
pub(super) fn parse(text: &str) -> Vec<Value> {
    let mut objects: Vec<Value> = Vec::new();
    for line in text.lines() {
        let words: Vec<&str> = line.split_whitespace().collect();
        match words.as_slice() {
            [] | ["#", ..] => {}
            ["cluster-role", name, labels @ ..] => objects.push(cluster_role(name, labels)),
            ["role", name] => objects.push(role(name)),
            ["bind", name, "to", role, subjects @ ..] if role.ends_with(':') => {
                objects.push(binding(name, "cluster-role", role, subjects));
            }
            ["bind", name, "to", kind, role, subjects @ ..] => objects.push(binding(name, kind, role, subjects)),
            rule => add(objects.last_mut().expect(READABLE), rule),
        }
    }
    objects
}

fn object(kind: &str, name: &str) -> Value {
    let (namespace, name) = name.split_once('/').unwrap_or(("", name));
    let mut object = json!({
        "apiVersion": format!("{GROUP}/v1"),
        "kind": kind,
        "metadata": {
            "name": name,
            "labels": { "kubernetes.io/bootstrapping": "rbac-defaults" },
            "annotations": { "rbac.authorization.kubernetes.io/autoupdate": "true" },
        },
    });
    if !namespace.is_empty() {
        object["metadata"]["namespace"] = json!(namespace);
    }
    object
}

fn cluster_role(name: &str, labels: &[&str]) -> Value {
    let mut role = object("ClusterRole", name);
    role["rules"] = json!([]);
    for label in labels {
        role["metadata"]["labels"][format!("{}{label}", label_prefix())] = json!("true");
    }
    role
}

fn label_prefix() -> String {
    "rbac.authorization.k8s.io/".to_owned()
}

fn role(name: &str) -> Value {
    let mut role = object("Role", name);
    role["rules"] = json!([]);
    role
}

/// Adds a line below a role to it.
fn add(role: &mut Value, words: &[&str]) {
    if let ["aggregates", other] = words {
        let label = format!("{}aggregate-to-{other}", label_prefix());
        role["aggregationRule"] = json!({ "clusterRoleSelectors": [{ "matchLabels": { label: "true" } }] });
        return;
    }
    let rule = serde_json::to_value(rule(words)).expect("a rule is text");
    role["rules"].as_array_mut().expect(READABLE).push(rule);
}

fn rule(words: &[&str]) -> Rule {
    let list = |text: &str| text.split(',').map(|word| if word == "core" { "" } else { word }.to_owned()).collect();
    match words {
        [verbs, "at", paths] => Rule { verbs: list(verbs), non_resource_urls: list(paths), ..Rule::default() },
        [verbs, resources, "in", groups, rest @ ..] => {
            let resource_names = if let ["named", names] = rest { list(names) } else { Vec::new() };
            let (verbs, api_groups, resources) = (list(verbs), list(groups), list(resources));
            Rule { verbs, api_groups, resources, resource_names, ..Rule::default() }
        }
        _ => panic!("{READABLE}: {words:?}"),
    }
}

fn binding(name: &str, role_kind: &str, role: &str, subjects: &[&str]) -> Value {
    let kind = if name.contains('/') { "RoleBinding" } else { "ClusterRoleBinding" };
    let role_kind = if role_kind == "role" { "Role" } else { "ClusterRole" };
    let mut binding = object(kind, name);
    binding["roleRef"] = json!({ "apiGroup": GROUP, "kind": role_kind, "name": role.trim_end_matches(':') });
    binding["subjects"] = subjects.iter().map(|subject| self::subject(subject)).collect();
    binding
}

fn subject(text: &str) -> Value {
    let (kind, name) = text.split_once('=').expect(READABLE);
    match kind {
        "user" => json!({ "apiGroup": GROUP, "kind": "User", "name": name }),
        "group" => json!({ "apiGroup": GROUP, "kind": "Group", "name": name }),
        _ => {
            let (namespace, name) = name.split_once('/').expect(READABLE);
            json!({ "kind": "ServiceAccount", "namespace": namespace, "name": name })
        }
    }
}
