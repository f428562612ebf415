use std::path::Path;

use sampan_api::request::{NODES, User};
use sampan_meta::object;
use serde_json::{Value, json};

use super::*;
use crate::authz::Authorizer;
use crate::testing::{Objects, asks};

fn authorizer() -> Authorizer {
    Authorizer::new(Objects::with(policy()))
}

fn role(name: &str) -> Value {
    policy().into_iter().find(|object| object["kind"] == "ClusterRole" && object::name(object) == name).unwrap()
}

#[test]
fn every_line_of_the_policy_is_read() {
    let count = |kind: &str| policy().iter().filter(|object| object::kind(object) == kind).count();
    assert_eq!((count("ClusterRole"), count("ClusterRoleBinding")), (70 + 6, 51 + 10));
    assert_eq!((count("Role"), count("RoleBinding")), (7, 7));
    let mut names: Vec<_> =
        policy().iter().map(|object| (object["kind"].clone().to_string(), object::namespaced_name(object))).collect();
    let all = names.len();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), all, "no object twice");
}

#[test]
fn every_binding_has_its_role() {
    let objects = policy();
    let is_there = |kind: &str, namespace: &str, name: &str| {
        objects.iter().any(|object| {
            object::kind(object) == kind && object::namespace(object) == namespace && object::name(object) == name
        })
    };
    for binding in objects.iter().filter(|object| object::kind(object).ends_with("Binding")) {
        let kind = object::str_at(binding, "/roleRef/kind").unwrap();
        let namespace = if kind == "Role" { object::namespace(binding) } else { "" };
        assert!(is_there(kind, namespace, object::str_at(binding, "/roleRef/name").unwrap()), "{binding}");
    }
}

#[test]
fn nobody_sees_health_and_version_only() {
    let (authorizer, nobody) = (authorizer(), User::anonymous());
    for path in ["/healthz", "/livez", "/readyz", "/version", "/version/"] {
        assert!(authorizer.authorize(&asks(&nobody, &format!("get {path}"))).is_allowed(), "{path}");
    }
    let no = [
        "get /api",
        "get /apis",
        "get /metrics",
        "get /healthz/etcd",
        "post /version",
        "list pods",
        "get secrets default/x",
        "create authorization.k8s.io:selfsubjectaccessreviews",
    ];
    for words in no {
        assert!(!authorizer.authorize(&asks(&nobody, words)).is_allowed(), "{words}");
    }
}

#[test]
fn everybody_who_is_known_may_discover_and_ask_about_themselves() {
    let (authorizer, jane) = (authorizer(), User::new("jane", ["devs"]));
    for words in [
        "get /api/v1",
        "get /apis",
        "get /openapi/v3",
        "create authorization.k8s.io:selfsubjectaccessreviews",
        "create authentication.k8s.io:selfsubjectreviews",
    ] {
        assert!(authorizer.authorize(&asks(&jane, words)).is_allowed(), "{words}");
    }
    assert!(!authorizer.authorize(&asks(&jane, "list pods default/")).is_allowed());
}

#[test]
fn each_controller_has_what_it_needs_and_no_more() {
    let authorizer = authorizer();
    let controller = |name: &str| User::service_account("kube-system", name);
    let yes = [
        ("deployment-controller", "create apps:replicasets default/"),
        ("replicaset-controller", "create pods default/"),
        ("job-controller", "update batch:jobs/status default/pi"),
        ("endpointslice-controller", "create discovery.k8s.io:endpointslices default/"),
        ("generic-garbage-collector", "delete apps:replicasets default/x"),
        ("namespace-controller", "delete pods default/x"),
        ("node-controller", "patch nodes edge-1"),
        ("root-ca-cert-publisher", "create configmaps default/"),
        ("service-account-controller", "create serviceaccounts default/"),
        ("ttl-after-finished-controller", "delete batch:jobs default/pi"),
        ("clusterrole-aggregation-controller", "escalate rbac.authorization.k8s.io:clusterroles admin"),
    ];
    for (name, words) in yes {
        assert!(authorizer.authorize(&asks(&controller(name), words)).is_allowed(), "{name} {words}");
    }
    assert!(!authorizer.authorize(&asks(&controller("deployment-controller"), "get secrets default/x")).is_allowed());
    assert!(!authorizer.authorize(&asks(&controller("job-controller"), "delete nodes edge-1")).is_allowed());
    let scheduler = User::new("system:kube-scheduler", ["x"]);
    assert!(authorizer.authorize(&asks(&scheduler, "create pods/binding default/web")).is_allowed());
}

#[test]
fn a_controller_of_our_own_gets_what_it_says_it_needs() {
    let rules = vec![Rule {
        verbs: vec!["patch".to_owned()],
        api_groups: vec!["batch".to_owned()],
        resources: vec!["jobs/status".to_owned()],
        ..Rule::default()
    }];
    let authorizer = Authorizer::new(Objects::with(controller("job-controller", &rules)));
    let job = User::service_account("kube-system", "job-controller");
    assert!(authorizer.authorize(&asks(&job, "patch batch:jobs/status default/pi")).is_allowed());
    assert!(!authorizer.authorize(&asks(&job, "patch batch:jobs default/pi")).is_allowed());
}

#[test]
fn a_machine_with_a_join_token_may_ask_for_a_certificate_and_nothing_else() {
    let authorizer = authorizer();
    let machine = User::new(
        "system:bootstrap:abcdef",
        ["system:bootstrappers", "system:bootstrappers:sampan:default-node-token"],
    );
    let allowed = |user: &User, words: &str| authorizer.authorize(&asks(user, words)).is_allowed();
    assert!(allowed(&machine, "create certificates.k8s.io:certificatesigningrequests"));
    assert!(allowed(&machine, "create certificates.k8s.io:certificatesigningrequests/nodeclient"));
    assert!(!allowed(&machine, "update certificates.k8s.io:certificatesigningrequests/approval x"));
    assert!(!allowed(&machine, "list nodes") && !allowed(&machine, "get secrets kube-system/x"));
    let node = User::new("system:node:edge-1", [NODES]);
    assert!(allowed(&node, "create certificates.k8s.io:certificatesigningrequests/selfnodeclient"));
    assert!(allowed(&node, "watch discovery.k8s.io:endpointslices"));
    assert!(allowed(&User::new("kube-apiserver-kubelet-client", ["x"]), "get nodes/proxy edge-1"));
}

#[test]
fn the_roles_for_people_are_made_of_their_parts() {
    for (name, holds, lacks) in [("view", "pods", "secrets"), ("edit", "secrets", "roles"), ("admin", "roles", "nodes")]
    {
        // Figures of nodes are for all of them.
        let rules = role(name);
        let names = |word: &str| {
            let mut rules = object::list_at(&rules, "/rules").iter();
            rules.any(|rule| {
                rule["apiGroups"] != json!(["metrics.k8s.io"])
                    && rule["resources"].to_string().contains(&format!("\"{word}\""))
            })
        };
        assert!(names(holds), "{name} {holds}");
        assert!(!names(lacks), "{name} {lacks}");
    }
    let contains = |outer: &str, inner: &str| {
        object::list_at(&role(inner), "/rules")
            .iter()
            .all(|rule| object::list_at(&role(outer), "/rules").contains(rule))
    };
    assert!(contains("admin", "edit") && contains("edit", "view"));
}

#[test]
fn aggregation_follows_its_parts_and_then_rests() {
    let mut roles = policy();
    assert_eq!(aggregated(&roles), Vec::<Value>::new(), "settled");
    let mut crd = role("view");
    object::set_name(&mut crd, "view-crons");
    crd["aggregationRule"] = Value::Null;
    object::set_label(&mut crd, "rbac.authorization.k8s.io/aggregate-to-view", "true");
    crd["rules"] = json!([{ "verbs": ["get"], "apiGroups": ["example.com"], "resources": ["crons"] }]);
    roles.push(crd);
    let changed: Vec<String> = aggregated(&roles).iter().map(|role| object::name(role).to_owned()).collect();
    assert_eq!(changed, ["admin", "edit", "view"]);
    assert!(aggregate(&role("cluster-admin"), &roles).is_none());
}

#[test]
fn roles_that_aggregate_each_other_do_not_go_round_for_ever() {
    let circle = |name: &str, other: &str| {
        let mut role = crate::testing::object("rbac.authorization.k8s.io/v1", "ClusterRole", "", name);
        object::set_label(&mut role, "name", name);
        role["aggregationRule"] = json!({ "clusterRoleSelectors": [{ "matchLabels": { "name": other } }] });
        role["rules"] = json!([{ "verbs": [name], "apiGroups": [""], "resources": ["x"] }]);
        role
    };
    assert!(aggregated(&[circle("a", "b"), circle("b", "a")]).len() <= 2);
    let unreadable = json!({ "matchExpressions": [{ "key": "a", "operator": "Near" }] });
    let mut role = circle("c", "d");
    role["aggregationRule"] = json!({ "clusterRoleSelectors": [unreadable] });
    assert_eq!(aggregate(&role, &policy()), Some(vec![]), "what cannot be read matches nothing");
}

#[test]
fn what_is_missing_is_added_and_what_was_added_stays() {
    let expected = role("system:kube-scheduler");
    assert_eq!(reconcile(None, &expected), Reconciled::Create(expected.clone()));
    let mut existing = expected.clone();
    object::set_resource_version(&mut existing, "7");
    object::set_label(&mut existing, "mine", "1");
    assert_eq!(reconcile(Some(&existing), &expected), Reconciled::Unchanged);
    let own = json!({ "verbs": ["get"], "apiGroups": ["mine"], "resources": ["things"] });
    let removed = existing["rules"].as_array_mut().unwrap().remove(0);
    existing["rules"].as_array_mut().unwrap().push(own.clone());
    let Reconciled::Update(updated) = reconcile(Some(&existing), &expected) else { panic!("no update") };
    let rules = updated["rules"].as_array().unwrap();
    assert!(rules.contains(&own) && rules.contains(&removed), "{rules:?}");
    assert_eq!((object::resource_version(&updated), object::label(&updated, "mine")), ("7", Some("1")));
    assert_eq!(reconcile(Some(&updated), &expected), Reconciled::Unchanged, "a second run writes nothing");
    object::set_annotation(&mut existing, "rbac.authorization.kubernetes.io/autoupdate", "false");
    assert_eq!(reconcile(Some(&existing), &expected), Reconciled::Unchanged);
}

#[test]
fn a_binding_gets_its_subjects_back_and_a_false_one_is_replaced() {
    let bindings = policy().into_iter().filter(|object| object["kind"] == "ClusterRoleBinding");
    let expected = bindings.into_iter().find(|binding| object::name(binding) == "system:public-info-viewer").unwrap();
    let mut existing = expected.clone();
    let stranger = json!({ "kind": "User", "name": "x", "apiGroup": "rbac.authorization.k8s.io" });
    existing["subjects"] = json!([stranger]);
    let Reconciled::Update(updated) = reconcile(Some(&existing), &expected) else { panic!("no update") };
    assert_eq!(updated["subjects"].as_array().unwrap().len(), 3);
    existing["roleRef"]["name"] = json!("cluster-admin");
    assert_eq!(reconcile(Some(&existing), &expected), Reconciled::Recreate(expected));
}

#[test]
fn namespaces_and_priority_classes_come_first_and_are_left_alone_afterwards() {
    let objects = objects();
    let kinds: Vec<&str> = objects.iter().map(object::kind).collect();
    assert_eq!(&kinds[..6], ["Namespace", "Namespace", "Namespace", "Namespace", "PriorityClass", "PriorityClass"]);
    let last_role = kinds.iter().rposition(|kind| kind.ends_with("Role")).unwrap();
    assert!(kinds[last_role + 1..].iter().all(|kind| kind.ends_with("Binding")));
    let mut renamed = objects[0].clone();
    object::set_label(&mut renamed, "a", "b");
    assert_eq!(reconcile(Some(&renamed), &objects[0]), Reconciled::Unchanged);
}

/// The facts this policy was made from, where they lie beside the checkout.
#[test]
fn the_policy_is_upstreams() {
    let facts = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/bootstrap-policy");
    if !facts.is_dir() {
        eprintln!("skipped: {} is not there", facts.display());
        return;
    }
    let ours = policy();
    let mut compared = 0;
    for file in std::fs::read_dir(facts).unwrap() {
        let text = std::fs::read_to_string(file.unwrap().path()).unwrap();
        let list: Value = serde_saphyr::from_str(&text).unwrap();
        for theirs in object::list_at(&list, "/items").iter().filter(|item| !object::name(item).contains("openshift")) {
            let same = |own: &&Value| {
                own["kind"] == theirs["kind"] && object::namespaced_name(own) == object::namespaced_name(theirs)
            };
            let own = ours.iter().find(same).unwrap_or_else(|| panic!("missing: {theirs}"));
            let parts = ["metadata", "roleRef", "aggregationRule"];
            parts
                .iter()
                .for_each(|part| assert_eq!(own.get(part), theirs.get(part), "{part} of {}", object::name(theirs)));
            let is_binding = theirs.get("roleRef").is_some();
            let (own_list, their_list) =
                if is_binding { (&own["subjects"], &theirs["subjects"]) } else { (&own["rules"], &theirs["rules"]) };
            if theirs.get("aggregationRule").is_none() {
                assert_eq!(
                    own_list.as_array().cloned().unwrap_or_default(),
                    their_list.as_array().cloned().unwrap_or_default(),
                    "{}",
                    object::name(theirs)
                );
            }
            compared += 1;
        }
    }
    assert_eq!(compared, 135);
}
