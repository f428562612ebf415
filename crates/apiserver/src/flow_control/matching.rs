//! Which schema a request falls under, and which of its flows it belongs to (apiserver `pkg/util/flowcontrol/rule.go`).

use sampan_api::request::{Attributes, SERVICE_ACCOUNT_USER_PREFIX, User};
use sha2::{Digest as _, Sha256};

use super::config::{Configuration, Distinguisher, FlowSchema, PathRule, ResourceRule, Rule, Subject};

/// Where a request belongs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Found {
    /// Positions in the configuration.
    pub(super) level: usize,
    pub(super) schema: usize,
    /// Of the schema's name and what tells its flows apart.
    pub(super) hash: u64,
}

impl Configuration {
    /// The first schema that fits. `None` only for who is in no group at all.
    pub(super) fn classify(&self, request: &Attributes) -> Option<Found> {
        let (index, schema) = self.schemas.iter().enumerate().find(|(_, schema)| schema.fits(request))?;
        let level = self.levels.iter().position(|level| level.name == schema.level)?;
        Some(Found { level, schema: index, hash: schema.flow(request) })
    }
}

impl FlowSchema {
    fn fits(&self, request: &Attributes) -> bool {
        self.rules.iter().any(|rule| rule.fits(request))
    }

    fn flow(&self, request: &Attributes) -> u64 {
        let distinguisher = match self.distinguisher {
            Distinguisher::Nothing => "",
            Distinguisher::User => &request.user.name,
            Distinguisher::Namespace => &request.namespace,
        };
        let digest = Sha256::new().chain_update(&self.name).chain_update([0]).chain_update(distinguisher).finalize();
        u64::from_le_bytes(digest[..8].try_into().expect("a SHA-256 has 32 bytes"))
    }
}

impl Rule {
    fn fits(&self, request: &Attributes) -> bool {
        let what = || match request.resource_request {
            true => self.resources.iter().any(|rule| rule.fits(request)),
            false => self.paths.iter().any(|rule| rule.fits(request)),
        };
        self.subjects.iter().any(|subject| subject.fits(&request.user)) && what()
    }
}

impl Subject {
    fn fits(&self, user: &User) -> bool {
        match self {
            Self::User(name) => name == "*" || *name == user.name,
            Self::Group(name) => name == "*" || user.in_group(name),
            Self::ServiceAccount { namespace, name } => {
                let own = user.name.strip_prefix(SERVICE_ACCOUNT_USER_PREFIX).and_then(|rest| rest.split_once(':'));
                own.is_some_and(|(own_namespace, own)| own_namespace == namespace && (name == "*" || own == name))
            }
        }
    }
}

impl ResourceRule {
    fn fits(&self, request: &Attributes) -> bool {
        let Attributes { verb, group, resource, subresource, namespace, .. } = request;
        let in_place = if namespace.is_empty() { self.cluster_scope } else { has(&self.namespaces, namespace) };
        let joined;
        let resource = if subresource.is_empty() {
            resource
        } else {
            joined = format!("{resource}/{subresource}");
            &joined
        };
        in_place && has(&self.verbs, verb) && has(&self.groups, group) && has(&self.resources, resource)
    }
}

impl PathRule {
    fn fits(&self, request: &Attributes) -> bool {
        let below = |rule: &String| {
            let prefix = rule.trim_end_matches('*').trim_end_matches('/');
            request.path.strip_prefix(prefix).is_some_and(|rest| rest.starts_with('/'))
        };
        let path = || has(&self.paths, &request.path) || self.paths.iter().any(below);
        has(&self.verbs, &request.verb) && path()
    }
}

/// Whether a list names a word, or everything.
fn has(list: &[String], word: &str) -> bool {
    matches!(list, [only] if only == "*") || list.iter().any(|own| own == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `USER GROUP VERB GROUP/RESOURCE[/SUBRESOURCE] NAMESPACE`, or a path in place of the resource.
    fn check(request: &str, expected: &str) {
        let words: Vec<&str> = request.split(' ').collect();
        let [user, group, verb, what, namespace] = words[..] else { panic!("{request}") };
        let mut attributes = Attributes {
            user: User::new(user, [group]),
            verb: verb.into(),
            namespace: namespace.trim_matches('-').into(),
            path: what.into(),
            ..Attributes::default()
        };
        if !what.starts_with('/') {
            let parts: Vec<&str> = what.split('/').collect();
            attributes.resource_request = true;
            attributes.group = parts[0].replace("core", "");
            attributes.resource = parts[1].into();
            attributes.subresource = parts.get(2).copied().unwrap_or_default().into();
        }
        let configuration = Configuration::bootstrap();
        let found = configuration.classify(&attributes).unwrap();
        let schema = &configuration.schemas[found.schema];
        assert_eq!(format!("{} {}", schema.name, configuration.levels[found.level].name), expected, "{request}");
    }

    #[test]
    fn requests_fall_under_the_schemas_of_upstream() {
        check("admin system:masters create core/pods a", "exempt exempt");
        check("x y get /readyz -", "probes exempt");
        check("x y get /readyz/store -", "probes exempt");
        check("x y get /readyzz -", "global-default global-default");
        check("x y get /version -", "global-default global-default");
        let manager = "system:kube-controller-manager y";
        check(
            &format!("{manager} update coordination.k8s.io/leases kube-system"),
            "system-leader-election leader-election",
        );
        check(&format!("{manager} list core/pods -"), "kube-controller-manager workload-high");
        check("system:kube-scheduler y create core/pods/binding a", "kube-scheduler workload-high");
        let node = "system:node:a system:nodes";
        check(&format!("{node} patch core/nodes/status -"), "system-node-high node-high");
        check(&format!("{node} update coordination.k8s.io/leases kube-node-lease"), "system-node-high node-high");
        check(&format!("{node} patch core/pods/status a"), "system-nodes system");
        let account = "system:serviceaccounts list apps/deployments a";
        check(&format!("system:serviceaccount:kube-system:x {account}"), "kube-system-service-accounts workload-high");
        check(&format!("system:serviceaccount:kube-systemx:x {account}"), "service-accounts workload-low");
        check("alice people list core/pods -", "global-default global-default");
    }

    #[test]
    fn flows_are_users_or_namespaces() {
        let configuration = Configuration::bootstrap();
        let hash = |user: &str, group: &str, namespace: &str| {
            let attributes = Attributes {
                user: User::new(user, [group]),
                verb: "get".into(),
                resource: "pods".into(),
                namespace: namespace.into(),
                resource_request: true,
                ..Attributes::default()
            };
            configuration.classify(&attributes).unwrap().hash
        };
        assert_ne!(hash("alice", "people", "a"), hash("bob", "people", "a"));
        assert_eq!(hash("alice", "people", "a"), hash("alice", "people", "b"));
        let manager = "system:kube-controller-manager";
        assert_ne!(hash(manager, "x", "a"), hash(manager, "x", "b"));
    }
}
