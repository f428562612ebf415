use std::sync::Arc;

use sampan_api::request::{MASTERS, NODES, User, Warnings};
use sampan_meta::{ManualClock, SeededEntropy};
use serde_json::json;

use super::*;
use crate::testing::{Objects, asks, object as plain};

mod certificates;
mod limits;
mod nodes;
mod pod_security;
mod pods;
mod policies;
mod quotas;
mod volumes;
mod webhooks;

pub(super) struct Fixture {
    pub(super) objects: Arc<Objects>,
    chain: Chain,
    pub(super) warnings: Warnings,
}

pub(super) fn fixture(objects: impl IntoIterator<Item = Value>) -> Fixture {
    let objects = Objects::with(objects);
    objects.put(plain("v1", "Namespace", "", "default"));
    objects.put(plain("v1", "Namespace", "", "kube-node-lease"));
    objects.put(plain("v1", "ServiceAccount", "default", "default"));
    let context = Context {
        lister: objects.clone(),
        authorizer: Arc::new(Authorizer::new(objects.clone())),
        clock: Arc::new(ManualClock::default()),
        entropy: Arc::new(SeededEntropy::new(1)),
        writer: objects.clone(),
    };
    Fixture { objects, chain: Chain::new(context), warnings: Warnings::default() }
}

pub(super) fn admin() -> User {
    User::new("admin", [MASTERS])
}

pub(super) fn edge() -> User {
    User::new("system:node:edge-1", [NODES])
}

impl Fixture {
    /// Both phases, as the registry calls them; the verb of `words` says which operation it is.
    pub(super) fn admit(&self, user: &User, words: &str, old: Option<&Value>, object: &Value) -> Result<Value, String> {
        self.status(user, words, old, object).map_err(|status| status.message)
    }

    pub(super) fn status(
        &self,
        user: &User,
        words: &str,
        old: Option<&Value>,
        object: &Value,
    ) -> Result<Value, Status> {
        let attributes = asks(user, words);
        let operation = match attributes.verb.as_str() {
            "create" => Operation::Create,
            "delete" => Operation::Delete,
            _ => Operation::Update,
        };
        let warnings = &self.warnings;
        let request = AdmissionRequest { attributes: &attributes, operation, old, dry_run: false, warnings };
        let mut object = object.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().enable_time().start_paused(true).build().unwrap();
        runtime.block_on(self.chain.mutate(&request, &mut object))?;
        runtime.block_on(self.chain.validate(&request, &object))?;
        Ok(object)
    }

    pub(super) fn create_pod(&self, spec: Value) -> Result<Value, String> {
        self.admit(&admin(), "create pods default/", None, &pod("web", spec))
    }
}

pub(super) fn pod(name: &str, spec: Value) -> Value {
    let mut pod = plain("v1", "Pod", "default", name);
    pod["spec"] = spec;
    pod
}

fn config_map(namespace: &str) -> Value {
    plain("v1", "ConfigMap", namespace, "settings")
}

#[test]
fn nothing_is_created_in_a_namespace_that_is_not_there() {
    let fixture = fixture([]);
    let status = fixture.status(&admin(), "create configmaps nowhere/", None, &config_map("nowhere")).unwrap_err();
    assert_eq!((status.code, status.message.as_str()), (404, "namespaces \"nowhere\" not found"));
    assert!(fixture.admit(&admin(), "create configmaps default/", None, &config_map("default")).is_ok());
    assert!(fixture.admit(&admin(), "create nodes", None, &plain("v1", "Node", "", "edge-1")).is_ok());
    let review = json!({ "spec": {} });
    assert!(
        fixture
            .admit(&admin(), "create authorization.k8s.io:localsubjectaccessreviews nowhere/", None, &review)
            .is_ok()
    );
}

#[test]
fn nothing_new_is_created_in_a_namespace_that_is_going_away() {
    let mut going = plain("v1", "Namespace", "", "going");
    going["status"]["phase"] = json!("Terminating");
    let fixture = fixture([going]);
    let object = config_map("going");
    let status = fixture.status(&admin(), "create configmaps going/", None, &object).unwrap_err();
    assert_eq!(status.code, 403);
    assert_eq!(
        status.message,
        "configmaps \"settings\" is forbidden: unable to create new content in namespace going because it is being terminated"
    );
    assert!(status.has_cause("NamespaceTerminating"));
    assert!(fixture.admit(&admin(), "update configmaps going/settings", Some(&object), &object).is_ok());
    assert!(fixture.admit(&admin(), "delete configmaps going/settings", Some(&object), &object).is_ok());
}

#[test]
fn the_namespaces_of_the_cluster_cannot_be_deleted() {
    let fixture = fixture([]);
    for (name, refused) in [("default", true), ("kube-system", true), ("kube-public", true), ("mine", false)] {
        let namespace = plain("v1", "Namespace", "", name);
        let answer = fixture.admit(&admin(), &format!("delete namespaces {name}"), Some(&namespace), &namespace);
        let expected = format!("namespaces \"{name}\" is forbidden: this namespace may not be deleted");
        assert_eq!(answer.err(), refused.then_some(expected));
    }
}

#[test]
fn a_role_that_gives_more_than_its_writer_holds_does_not_enter() {
    let fixture = fixture([]);
    let rbac = "rbac.authorization.k8s.io";
    let mut role = plain("rbac.authorization.k8s.io/v1", "Role", "default", "strong");
    role["rules"] = json!([{ "verbs": ["*"], "apiGroups": ["*"], "resources": ["*"] }]);
    let jane = User::new("jane", ["devs"]);
    let words = format!("create {rbac}:roles default/");
    let refusal = fixture.admit(&jane, &words, None, &role).unwrap_err();
    assert!(refusal.contains("is attempting to grant RBAC permissions not currently held"), "{refusal}");
    assert!(fixture.admit(&admin(), &words, None, &role).is_ok());
    let mut binding = plain("rbac.authorization.k8s.io/v1", "RoleBinding", "default", "strong");
    binding["roleRef"] = json!({ "apiGroup": rbac, "kind": "Role", "name": "strong" });
    binding["subjects"] = json!([{ "kind": "User", "name": "jane" }]);
    fixture.objects.put(role);
    assert!(fixture.admit(&jane, &format!("create {rbac}:rolebindings default/"), None, &binding).is_err());
    assert!(
        fixture.admit(&jane, &format!("update {rbac}:rolebindings default/strong"), Some(&binding), &binding).is_ok()
    );
}

#[test]
fn admission_twice_is_admission_once() {
    let fixture = fixture([]);
    let once = fixture.create_pod(json!({ "containers": [{ "name": "c" }] })).unwrap();
    let twice = fixture.admit(&admin(), "create pods default/", None, &once).unwrap();
    assert_eq!(once, twice);
}

#[test]
fn objects_of_any_shape_do_no_harm() {
    let fixture = fixture([]);
    let shapes = [
        json!(null),
        json!([]),
        json!({ "spec": 7 }),
        json!({ "metadata": [], "spec": { "containers": {}, "volumes": 1, "tolerations": "x" } }),
    ];
    let requests = [
        "create pods default/",
        "create nodes",
        "create serviceaccounts/token default/x",
        "update certificates.k8s.io:certificatesigningrequests/approval x",
        "create certificates.k8s.io:certificatesigningrequests",
        "create scheduling.k8s.io:priorityclasses",
        "create rbac.authorization.k8s.io:rolebindings default/",
    ];
    for object in &shapes {
        for words in requests {
            for user in [admin(), edge()] {
                let _ = fixture.admit(&user, words, Some(object), object);
            }
        }
    }
}
