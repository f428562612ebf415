use super::*;

fn pod(name: &str, node: &str) -> Value {
    let mut pod = object("v1", "Pod", "default", name);
    pod["spec"] = json!({
        "nodeName": node,
        "serviceAccountName": "runner",
        "imagePullSecrets": [{ "name": "pull" }],
        "volumes": [
            { "name": "a", "secret": { "secretName": "volume-secret" } },
            { "name": "b", "configMap": { "name": "volume-map" } },
            { "name": "c", "persistentVolumeClaim": { "claimName": "claim" } },
            { "name": "scratch", "ephemeral": {} },
            { "name": "d", "projected": { "sources": [{ "secret": { "name": "projected-secret" } }, { "configMap": { "name": "projected-map" } }] } },
        ],
        "initContainers": [{ "name": "i", "env": [{ "name": "X", "valueFrom": { "secretKeyRef": { "name": "init-secret", "key": "k" } } }] }],
        "containers": [{
            "name": "c",
            "env": [{ "name": "X", "valueFrom": { "configMapKeyRef": { "name": "env-map", "key": "k" } } }],
            "envFrom": [{ "secretRef": { "name": "from-secret" } }, { "configMapRef": { "name": "from-map" } }],
        }],
    });
    pod
}

fn node() -> User {
    User::new("system:node:edge-1", [NODES])
}

fn allowed(words: &str) -> bool {
    let objects = Objects::with([pod("web", "edge-1"), pod("other", "edge-2")]);
    Authorizer::new(objects).authorize(&asks(&node(), words)).is_allowed()
}

#[test]
fn a_node_reads_what_its_pods_refer_to() {
    let secrets = ["pull", "volume-secret", "projected-secret", "init-secret", "from-secret"];
    let maps = ["volume-map", "projected-map", "env-map", "from-map"];
    for name in secrets {
        assert!(allowed(&format!("get secrets default/{name}")), "{name}");
    }
    for name in maps {
        assert!(allowed(&format!("watch configmaps default/{name}")), "{name}");
    }
    assert!(allowed("get persistentvolumeclaims default/claim"));
    assert!(allowed("get persistentvolumeclaims default/web-scratch"));
}

#[test]
fn a_node_reads_no_other_secret_and_changes_none() {
    let rows = [
        "get secrets default/else",
        "get secrets other/pull",
        "list secrets default/",
        "list secrets",
        "update secrets default/pull",
        "delete configmaps default/env-map",
        "get secrets default/env-map",
        "list persistentvolumeclaims default/claim",
        "get persistentvolumeclaims default/web-c",
        "get persistentvolumeclaims default/db-scratch",
    ];
    for words in rows {
        assert!(!allowed(words), "{words}");
    }
}

#[test]
fn tokens_are_for_the_service_accounts_of_pods_on_the_node() {
    assert!(allowed("create serviceaccounts/token default/runner"));
    assert!(!allowed("create serviceaccounts/token default/default"));
    assert!(!allowed("create serviceaccounts default/runner"));
    assert!(!allowed("get serviceaccounts default/runner"));
}

#[test]
fn a_node_sees_its_own_pods_and_itself() {
    let yes = [
        "get pods default/web",
        "list pods / spec.nodeName=edge-1",
        "watch pods default/ spec.nodeName=edge-1",
        "create pods default/",
        "update pods/status default/web",
        "get nodes edge-1",
        "watch nodes / metadata.name=edge-1",
        "create nodes",
        "patch nodes/status edge-1",
        "get coordination.k8s.io:leases kube-node-lease/edge-1",
        "create coordination.k8s.io:leases kube-node-lease/",
        "list services",
        "create authentication.k8s.io:tokenreviews",
        "list node.k8s.io:runtimeclasses",
        "create events default/x",
    ];
    let no = [
        "get pods default/other",
        "get pods default/none",
        "list pods",
        "list pods / spec.nodeName=edge-2",
        "list pods / spec.nodeName!=edge-1",
        "patch pods default/web",
        "create pods/exec default/web",
        "get nodes edge-2",
        "list nodes",
        "delete nodes edge-1",
        "get coordination.k8s.io:leases kube-node-lease/edge-2",
        "get coordination.k8s.io:leases default/edge-1",
        "list coordination.k8s.io:leases kube-node-lease/",
        "list rbac.authorization.k8s.io:clusterroles",
    ];
    yes.into_iter().for_each(|words| assert!(allowed(words), "{words}"));
    no.into_iter().for_each(|words| assert!(!allowed(words), "{words}"));
}

#[test]
fn a_node_that_does_not_say_which_or_is_not_in_the_group_gets_nothing() {
    let objects = Objects::with([pod("web", "edge-1")]);
    let authorizer = Authorizer::new(objects);
    for user in
        [User::new("system:node:", [NODES]), User::new("system:node:edge-1", ["people"]), User::new("edge-1", [NODES])]
    {
        assert!(!authorizer.authorize(&asks(&user, "get pods default/web")).is_allowed(), "{user:?}");
        assert!(!authorizer.authorize(&asks(&user, "get secrets default/pull")).is_allowed(), "{user:?}");
    }
}

#[test]
fn a_mirror_pod_opens_nothing() {
    let mut mirror = pod("mirror", "edge-1");
    meta_object::set_annotation(&mut mirror, "kubernetes.io/config.mirror", "x");
    let authorizer = Authorizer::new(Objects::with([mirror]));
    assert!(!authorizer.authorize(&asks(&node(), "get secrets default/pull")).is_allowed());
}

#[test]
fn the_right_ends_when_the_last_pod_that_needs_it_is_gone() {
    let (first, second) = (pod("a", "edge-1"), pod("b", "edge-1"));
    let objects = Objects::with([first.clone(), second.clone()]);
    let authorizer = Authorizer::new(objects.clone());
    let request = asks(&node(), "get secrets default/pull");
    assert!(authorizer.authorize(&request).is_allowed());
    let lists = objects.lists.load(Ordering::Relaxed);
    assert!(authorizer.authorize(&request).is_allowed());
    assert_eq!(objects.lists.load(Ordering::Relaxed), lists, "the witness is looked at, not all pods again");
    objects.delete(&first);
    assert!(authorizer.authorize(&request).is_allowed(), "another pod still needs it");
    objects.delete(&second);
    assert!(!authorizer.authorize(&request).is_allowed());
    objects.put(pod("a", "edge-2"));
    assert!(!authorizer.authorize(&request).is_allowed(), "a pod of the same name on another node");
}

#[test]
fn the_refusal_says_what_is_missing() {
    let authorizer = Authorizer::new(Objects::with([]));
    let status = authorizer.check(&asks(&node(), "get secrets default/pull")).unwrap_err();
    assert_eq!(
        status.message,
        r#"secrets "pull" is forbidden: User "system:node:edge-1" cannot get resource "secrets" in API group "" in the namespace "default": no relationship found between node 'edge-1' and this object"#
    );
}
