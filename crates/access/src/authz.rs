//! May they: `system:masters`, then the node rules, then RBAC. What none of them allows is forbidden.

mod escalation;
mod forbidden;
mod index;
mod node;
mod review;
mod rule;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use sampan_api::request::{Attributes, Lister, MASTERS, User};
use sampan_meta::Status;

pub use forbidden::forbidden;
pub use rule::Rule;

pub(crate) use node::{Reference, bound_to, is_mirror, references_anything};

/// The answer to one question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Yes, and which rule said so (for the audit trail).
    Allowed {
        /// For example `RBAC: allowed by ClusterRoleBinding "x" of ClusterRole "y" to Group "z"`.
        reason: String,
    },
    /// No rule allows it.
    Denied {
        /// What is worth knowing besides that; mostly empty.
        reason: String,
    },
}

impl Decision {
    /// Whether the answer is yes.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed { .. })
    }
}

/// What a user may do in a namespace, for `SelfSubjectRulesReview`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// Every rule that applies, in no particular order.
    pub rules: Vec<Rule>,
    /// True when something besides these rules may allow more (the node rules cannot be enumerated).
    pub incomplete: bool,
    /// What went wrong while looking, if anything.
    pub evaluation_error: Option<String>,
}

/// Decides over [`Attributes`]; cheap to ask, safe to share.
pub struct Authorizer {
    lister: Arc<dyn Lister>,
    index: index::Cache,
    witnesses: node::Witnesses,
}

impl Authorizer {
    /// Roles, bindings and, for the node rules, pods are read through `lister`.
    pub fn new(lister: Arc<dyn Lister>) -> Self {
        Self { lister, index: index::Cache::default(), witnesses: node::Witnesses::default() }
    }

    /// Decides. Never fails: what cannot be looked up is not allowed, and the reason says so.
    pub fn authorize(&self, attributes: &Attributes) -> Decision {
        if attributes.user.in_group(MASTERS) {
            return Decision::Allowed { reason: String::new() };
        }
        let node_reason = match node::authorize(self.lister.as_ref(), &self.witnesses, attributes) {
            node::Opinion::Allowed => return Decision::Allowed { reason: String::new() },
            node::Opinion::None(reason) => reason,
        };
        match self.index.current(self.lister.as_ref()).authorize(attributes) {
            Decision::Denied { reason } => Decision::Denied { reason: joined(node_reason, reason) },
            allowed => allowed,
        }
    }

    /// [`Authorizer::authorize`] as a request needs it: 403 with upstream's message, or go on.
    pub fn check(&self, attributes: &Attributes) -> Result<(), Status> {
        match self.authorize(attributes) {
            Decision::Allowed { .. } => Ok(()),
            Decision::Denied { reason } => Err(forbidden(attributes, &reason)),
        }
    }

    /// Everything `user` may do in `namespace` (empty: cluster-wide rules only).
    pub fn rules_for(&self, user: &User, namespace: &str) -> Rules {
        if user.in_group(MASTERS) {
            return Rules { rules: Rule::everything(), ..Rules::default() };
        }
        let mut rules = self.index.current(self.lister.as_ref()).rules_for(user, namespace);
        rules.incomplete = user.node_name().is_some();
        rules
    }
}

fn joined(first: String, second: String) -> String {
    match (first.is_empty(), second.is_empty()) {
        (true, _) => second,
        (_, true) => first,
        _ => format!("{first}, {second}"),
    }
}
