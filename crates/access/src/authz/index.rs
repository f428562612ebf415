//! Roles and bindings compiled for the question "what does this user hold": rebuilt when one of them changed, never otherwise.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use parking_lot::RwLock;
use sampan_api::request::{Attributes, Lister, User};
use sampan_meta::GroupResource;
use serde_json::Value;

use super::{Decision, Rule, Rules};

const GROUP: &str = "rbac.authorization.k8s.io";
/// Named once: their versions are asked for with every request.
static RESOURCES: LazyLock<[GroupResource; 4]> =
    LazyLock::new(|| ["roles", "rolebindings", "clusterroles", "clusterrolebindings"].map(resource));

/// The versions of the four resources an index was made of.
type Versions = [u64; 4];

/// The latest index, shared by all requests.
#[derive(Default)]
pub(super) struct Cache {
    built: RwLock<Option<(Versions, Arc<Index>)>>,
}

impl Cache {
    /// The index of the roles and bindings as they stand.
    pub(super) fn current(&self, lister: &dyn Lister) -> Arc<Index> {
        // The versions are read before the objects: an index may be newer than it claims, which costs one more build, never older.
        let versions = RESOURCES.each_ref().map(|resource| lister.version(resource));
        if let Some((built, index)) = &*self.built.read()
            && *built == versions
        {
            return index.clone();
        }
        let index = Arc::new(Index::build(lister));
        *self.built.write() = Some((versions, index.clone()));
        index
    }
}

/// One binding as it concerns one subject.
struct Grant {
    rules: Arc<[Rule]>,
    /// `ClusterRoleBinding "x" of ClusterRole "y" to Group "z"`
    because: String,
}

/// What one subject holds.
#[derive(Default)]
struct Held {
    everywhere: Vec<Arc<Grant>>,
    by_namespace: HashMap<String, Vec<Arc<Grant>>>,
    /// Roles that are bound and do not exist, with the binding's namespace (empty: a ClusterRoleBinding).
    missing: Vec<(String, String)>,
}

/// Everything held, by user name and by group name. A service account is the user name it authenticates with.
#[derive(Default)]
pub(super) struct Index {
    users: HashMap<String, Held>,
    groups: HashMap<String, Held>,
    roles: Roles,
}

impl Index {
    fn build(lister: &dyn Lister) -> Self {
        let mut index = Self { roles: Roles::read(lister), ..Self::default() };
        for binding in lister.list(&resource("clusterrolebindings"), None) {
            index.add(&binding, "ClusterRoleBinding");
        }
        for binding in lister.list(&resource("rolebindings"), None) {
            index.add(&binding, "RoleBinding");
        }
        index
    }

    fn add(&mut self, binding: &Value, kind: &str) {
        let text = |path: &str| binding.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (name, namespace) = (text("/metadata/name"), text("/metadata/namespace"));
        let (role_kind, role_name) = (text("/roleRef/kind"), text("/roleRef/name"));
        let rules = self.role(role_kind, namespace, role_name);
        let subjects = binding.get("subjects").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
        for subject in subjects {
            let Some((held, subject)) = self.held(subject, namespace) else { continue };
            let Some(rules) = &rules else {
                let role = format!("{}.{GROUP} {role_name:?} not found", role_kind.to_lowercase());
                held.missing.push((namespace.to_owned(), role));
                continue;
            };
            let binding_name = if namespace.is_empty() { name.to_owned() } else { format!("{name}/{namespace}") };
            let because = format!("{kind} {binding_name:?} of {role_kind} {role_name:?} to {subject}");
            let grant = Arc::new(Grant { rules: rules.clone(), because });
            match namespace {
                "" => held.everywhere.push(grant),
                namespace => held.by_namespace.entry(namespace.to_owned()).or_default().push(grant),
            }
        }
    }

    /// Where to write down what `subject` holds, and how to call it.
    fn held(&mut self, subject: &Value, binding_namespace: &str) -> Option<(&mut Held, String)> {
        let text = |member: &str| subject.get(member).and_then(Value::as_str).unwrap_or_default();
        let name = text("name");
        match text("kind") {
            "User" => Some((self.users.entry(name.to_owned()).or_default(), format!("User {name:?}"))),
            "Group" => Some((self.groups.entry(name.to_owned()).or_default(), format!("Group {name:?}"))),
            "ServiceAccount" => {
                let namespace = if text("namespace").is_empty() { binding_namespace } else { text("namespace") };
                if namespace.is_empty() {
                    return None;
                }
                let user = format!("system:serviceaccount:{namespace}:{name}");
                let shown = format!("ServiceAccount {:?}", format!("{name}/{namespace}"));
                Some((self.users.entry(user).or_default(), shown))
            }
            _ => None,
        }
    }

    fn held_by<'a>(&'a self, user: &'a User) -> impl Iterator<Item = &'a Held> {
        self.users.get(&user.name).into_iter().chain(user.groups.iter().filter_map(|group| self.groups.get(group)))
    }

    pub(super) fn authorize(&self, attributes: &Attributes) -> Decision {
        for held in self.held_by(&attributes.user) {
            for grant in held.grants(&attributes.namespace) {
                if grant.rules.iter().any(|rule| rule.allows(attributes)) {
                    return Decision::Allowed { reason: format!("RBAC: allowed by {}", grant.because) };
                }
            }
        }
        let missing = self.missing(&attributes.user, &attributes.namespace);
        Decision::Denied { reason: missing.map(|text| format!("RBAC: {text}")).unwrap_or_default() }
    }

    /// The rules of the role a binding in `namespace` names, if there is one.
    pub(super) fn role(&self, kind: &str, namespace: &str, name: &str) -> Option<Arc<[Rule]>> {
        self.roles.get(kind, namespace, name).cloned()
    }

    pub(super) fn rules_for(&self, user: &User, namespace: &str) -> Rules {
        let grants = self.held_by(user).flat_map(|held| held.grants(namespace));
        let mut rules: Vec<Rule> = grants.flat_map(|grant| grant.rules.iter().cloned()).collect();
        rules.sort();
        rules.dedup();
        Rules { rules, incomplete: false, evaluation_error: self.missing(user, namespace) }
    }

    fn missing(&self, user: &User, namespace: &str) -> Option<String> {
        let missing = self.held_by(user).flat_map(|held| &held.missing);
        let here = missing.filter(|(own, _)| own.is_empty() || own == namespace).map(|(_, text)| text.as_str());
        let texts: std::collections::BTreeSet<&str> = here.collect();
        match texts.len() {
            0 => None,
            1 => texts.first().map(|text| (*text).to_owned()),
            _ => Some(format!("[{}]", texts.into_iter().collect::<Vec<_>>().join(", "))),
        }
    }
}

impl Held {
    fn grants(&self, namespace: &str) -> impl Iterator<Item = &Arc<Grant>> {
        let here = if namespace.is_empty() { None } else { self.by_namespace.get(namespace) };
        self.everywhere.iter().chain(here.into_iter().flatten())
    }
}

/// The rules of every role, each parsed once however many bindings name it.
#[derive(Default)]
struct Roles {
    cluster: HashMap<String, Arc<[Rule]>>,
    namespaced: HashMap<(String, String), Arc<[Rule]>>,
}

impl Roles {
    fn read(lister: &dyn Lister) -> Self {
        let name = |role: &Value, path: &str| role.pointer(path).and_then(Value::as_str).unwrap_or_default().to_owned();
        let cluster = lister.list(&resource("clusterroles"), None);
        let namespaced = lister.list(&resource("roles"), None);
        let key = |role: &Value| (name(role, "/metadata/namespace"), name(role, "/metadata/name"));
        Self {
            cluster: cluster.iter().map(|role| (key(role).1, Rule::of_role(role).into())).collect(),
            namespaced: namespaced.iter().map(|role| (key(role), Rule::of_role(role).into())).collect(),
        }
    }

    fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<&Arc<[Rule]>> {
        match kind {
            "ClusterRole" => self.cluster.get(name),
            "Role" if !namespace.is_empty() => self.namespaced.get(&(namespace.to_owned(), name.to_owned())),
            _ => None,
        }
    }
}

fn resource(name: &str) -> GroupResource {
    GroupResource::new(GROUP, name)
}
