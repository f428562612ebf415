//! Nobody may give away more than they hold: the check behind writes of roles and bindings (upstream's
//! `pkg/registry/rbac/*/policybased` and `validation.ConfirmNoEscalation`).

use std::collections::BTreeMap;

use sampan_api::request::{Attributes, MASTERS, User};
use sampan_meta::{GroupResource, Status};
use serde_json::Value;

use super::{Authorizer, Rule};

const GROUP: &str = "rbac.authorization.k8s.io";

impl Authorizer {
    /// Whether `attributes.user` may write `role` (a Role or ClusterRole) as the request asks: holds all it grants, or may
    /// `escalate` it. `old` is the role before; rules that stay as they are need no right.
    pub fn check_role(&self, attributes: &Attributes, old: Option<&Value>, role: &Value) -> Result<(), Status> {
        let aggregates = role.get("aggregationRule").is_some_and(|rule| !rule.is_null());
        if same_rules(old, role) || self.may(attributes, "escalate", &attributes.resource, name_of(attributes, role)) {
            return Ok(());
        }
        // Whoever lets a role aggregate others lets it grow to anything.
        let wanted = if aggregates { Rule::everything() } else { Rule::of_role(role) };
        self.confirm(attributes, role, &wanted)
    }

    /// Whether `attributes.user` may write `binding` (a RoleBinding or ClusterRoleBinding): holds all the role grants, or may
    /// `bind` it.
    pub fn check_binding(&self, attributes: &Attributes, old: Option<&Value>, binding: &Value) -> Result<(), Status> {
        let unchanged = |member: &str| old.is_some_and(|old| old.get(member) == binding.get(member));
        if unchanged("roleRef") && unchanged("subjects") {
            return Ok(());
        }
        let text = |path: &str| binding.pointer(path).and_then(Value::as_str).unwrap_or_default();
        let (kind, name) = (text("/roleRef/kind"), text("/roleRef/name"));
        let plural = if kind == "Role" { "roles" } else { "clusterroles" };
        if self.may(attributes, "bind", plural, name) {
            return Ok(());
        }
        let index = self.index.current(self.lister.as_ref());
        match index.role(kind, &attributes.namespace, name) {
            Some(rules) => self.confirm(attributes, binding, &rules),
            None => Err(Status::not_found(&GroupResource::new(GROUP, plural), name)),
        }
    }

    fn may(&self, attributes: &Attributes, verb: &str, resource: &str, name: &str) -> bool {
        let question = Attributes {
            verb: verb.to_owned(),
            group: GROUP.to_owned(),
            resource: resource.to_owned(),
            name: name.to_owned(),
            ..attributes.clone()
        };
        self.authorize(&question).is_allowed()
    }

    fn confirm(&self, attributes: &Attributes, object: &Value, wanted: &[Rule]) -> Result<(), Status> {
        if attributes.user.in_group(MASTERS) {
            return Ok(());
        }
        let User { name, groups, .. } = &attributes.user;
        let held = self.rules_for(&attributes.user, &attributes.namespace);
        let missing = Rule::uncovered(&held.rules, wanted);
        if missing.is_empty() {
            return Ok(());
        }
        let groups = groups.iter().map(|group| format!("{group:?}")).collect::<Vec<_>>().join(" ");
        let lines = compact(missing).iter().map(Rule::to_string).collect::<Vec<_>>().join("\n");
        let why = format!(
            "user {name:?} (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{lines}"
        );
        let resource = GroupResource::new(GROUP, attributes.resource.clone());
        Err(Status::forbidden(&resource, name_of(attributes, object), &why))
    }
}

/// Joins rules that differ in their verbs alone, so that the message is one line for each resource.
fn compact(parts: Vec<Rule>) -> Vec<Rule> {
    let mut joined: BTreeMap<Rule, Vec<String>> = BTreeMap::new();
    for mut part in parts {
        let verbs = std::mem::take(&mut part.verbs);
        let known = joined.entry(part).or_default();
        known.extend(verbs.into_iter().filter(|verb| !known.contains(verb)).collect::<Vec<_>>());
    }
    joined.into_iter().map(|(part, verbs)| Rule { verbs, ..part }).collect()
}

fn same_rules(old: Option<&Value>, new: &Value) -> bool {
    let Some(old) = old else { return false };
    let list = |role: &Value| role.get("rules").filter(|rules| !rules.is_null()).cloned();
    let aggregation = |role: &Value| role.get("aggregationRule").filter(|rule| !rule.is_null()).cloned();
    list(old) == list(new) && aggregation(old) == aggregation(new)
}

fn name_of<'a>(attributes: &'a Attributes, object: &'a Value) -> &'a str {
    match attributes.name.as_str() {
        "" => object.pointer("/metadata/name").and_then(Value::as_str).unwrap_or_default(),
        name => name,
    }
}
