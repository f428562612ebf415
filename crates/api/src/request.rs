//! Who asks for what: the types that authentication, authorization, admission, the registry and the apiserver share.

use futures::future::BoxFuture;
use sampan_meta::{GroupResource, Status};
use serde_json::Value;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

/// The user nobody logged in as.
pub const ANONYMOUS: &str = "system:anonymous";
/// The group of everybody who showed valid credentials.
pub const AUTHENTICATED: &str = "system:authenticated";
/// The group of everybody who did not.
pub const UNAUTHENTICATED: &str = "system:unauthenticated";
/// The group that may do anything, whatever the roles say.
pub const MASTERS: &str = "system:masters";
/// The group of every node.
pub const NODES: &str = "system:nodes";
/// What a node's user name begins with.
pub const NODE_USER_PREFIX: &str = "system:node:";
/// The group of every service account.
pub const SERVICE_ACCOUNTS: &str = "system:serviceaccounts";
/// What a service account's user name begins with: `system:serviceaccount:<namespace>:<name>`.
pub const SERVICE_ACCOUNT_USER_PREFIX: &str = "system:serviceaccount:";

/// Who asks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct User {
    pub name: String,
    pub uid: String,
    pub groups: Vec<String>,
    pub extra: BTreeMap<String, Vec<String>>,
}

impl User {
    /// A user with valid credentials; the group [`AUTHENTICATED`] is added.
    pub fn new(name: impl Into<String>, groups: impl IntoIterator<Item = impl Into<String>>) -> Self {
        let mut groups: Vec<String> = groups.into_iter().map(Into::into).collect();
        if !groups.iter().any(|group| group == AUTHENTICATED) {
            groups.push(AUTHENTICATED.to_owned());
        }
        Self { name: name.into(), groups, ..Self::default() }
    }

    /// Somebody without credentials.
    pub fn anonymous() -> Self {
        Self { name: ANONYMOUS.to_owned(), groups: vec![UNAUTHENTICATED.to_owned()], ..Self::default() }
    }

    /// A service account, with the groups that come with it.
    pub fn service_account(namespace: &str, name: &str) -> Self {
        let groups = [SERVICE_ACCOUNTS.to_owned(), format!("{SERVICE_ACCOUNTS}:{namespace}")];
        Self::new(format!("{SERVICE_ACCOUNT_USER_PREFIX}{namespace}:{name}"), groups)
    }

    /// Whether the user is in this group.
    pub fn in_group(&self, group: &str) -> bool {
        self.groups.iter().any(|own| own == group)
    }

    /// The node this user is, if it is one.
    pub fn node_name(&self) -> Option<&str> {
        self.name.strip_prefix(NODE_USER_PREFIX).filter(|_| self.in_group(NODES))
    }
}

/// What is asked for. For a path that is no resource (`/healthz`) only user, verb and path count.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Attributes {
    pub user: User,
    /// `get`, `list`, `watch`, `create`, `update`, `patch`, `delete`, `deletecollection`; else the HTTP method in lower case.
    pub verb: String,
    pub group: String,
    pub version: String,
    pub resource: String,
    pub subresource: String,
    /// Empty: cluster scope, or all namespaces.
    pub namespace: String,
    pub name: String,
    pub resource_request: bool,
    pub path: String,
    /// The field selector of a list, watch or deletecollection as its text: a node may list the pods of `spec.nodeName=` itself only.
    pub field_selector: String,
}

impl Attributes {
    /// The resource asked for, whatever its version.
    pub fn group_resource(&self) -> GroupResource {
        GroupResource::new(self.group.clone(), self.resource.clone())
    }

    /// Whether the verb leaves everything as it is.
    pub fn is_read_only(&self) -> bool {
        matches!(self.verb.as_str(), "get" | "list" | "watch" | "head" | "options")
    }
}

/// What a request is about to do to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operation {
    Create,
    Update,
    Delete,
    Connect,
}

/// A write that is about to happen.
#[derive(Clone, Copy, Debug)]
pub struct AdmissionRequest<'a> {
    pub attributes: &'a Attributes,
    pub operation: Operation,
    /// The object before the write; `None` for a creation.
    pub old: Option<&'a Value>,
    /// Nothing will be stored: plugins must have no effects elsewhere either.
    pub dry_run: bool,
    /// Where plugins put what the client should be told of a write that happens all the same.
    pub warnings: &'a Warnings,
}

/// What a client is told beside the answer (`Warning: 299` headers), each thing once; and what the audit log is told beside the event.
#[derive(Debug, Default)]
pub struct Warnings(Mutex<Vec<String>>, Mutex<BTreeMap<String, String>>);

impl Warnings {
    /// Adds one, unless it is there.
    pub fn add(&self, warning: impl Into<String>) {
        let warning = warning.into();
        let mut warnings = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !warnings.contains(&warning) {
            warnings.push(warning);
        }
    }

    /// Adds an annotation to the event in the audit log; the first of a key stays.
    pub fn annotate(&self, key: impl Into<String>, value: impl Into<String>) {
        let mut annotations = self.1.lock().unwrap_or_else(PoisonError::into_inner);
        annotations.entry(key.into()).or_insert_with(|| value.into());
    }

    /// The annotations so far, taken away.
    pub fn take_annotations(&self) -> BTreeMap<String, String> {
        std::mem::take(&mut self.1.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Those so far, taken away.
    pub fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Says whether a write by a permitted user may happen, and completes it.
///
/// # Contract
/// `mutate` is called once per attempt of a write with the object after defaulting, `validate` with the object as it would be stored, after validation.
/// An attempt may be repeated after a conflict. For deletions the object is the one to be deleted and changes to it are ignored.
pub trait Admission: Send + Sync {
    /// Completes the object, or refuses.
    fn mutate<'a>(
        &'a self,
        request: &'a AdmissionRequest<'a>,
        object: &'a mut Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        let _ = (request, object);
        Box::pin(std::future::ready(Ok(())))
    }

    /// Refuses what may not be.
    fn validate<'a>(
        &'a self,
        request: &'a AdmissionRequest<'a>,
        object: &'a Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        let _ = (request, object);
        Box::pin(std::future::ready(Ok(())))
    }
}

/// Admits everything as it is. For tests.
#[derive(Clone, Copy, Debug, Default)]
pub struct AdmitAll;

impl Admission for AdmitAll {}

/// Reads the current objects without asking the store: what authorizers and admission plugins decide by.
///
/// # Contract
/// Never blocks on I/O. What is returned may lag behind the store by the time changes need to arrive, and never goes backwards.
pub trait Lister: Send + Sync {
    /// One object; the namespace is empty in cluster scope.
    fn get(&self, resource: &GroupResource, namespace: &str, name: &str) -> Option<Arc<Value>>;

    /// All objects, of one namespace or of all.
    fn list(&self, resource: &GroupResource, namespace: Option<&str>) -> Vec<Arc<Value>>;

    /// Changes whenever any object of the resource changed: the key of what is compiled from them.
    fn version(&self, resource: &GroupResource) -> u64;

    /// The resource a kind is kept under and whether it lies in namespaces; `None` for kinds that are not served.
    fn resource_of(&self, api_version: &str, kind: &str) -> Option<(GroupResource, bool)> {
        let _ = (api_version, kind);
        None
    }
}

/// Writes the status of an object: the one thing admission writes, which is how much of a quota is used.
///
/// # Contract
/// A compare-and-swap: the object is the one read from a [`Lister`] with another status, and its resourceVersion the condition.
/// Nobody is asked for permission. Once a conflict is answered, the lister of the same registry shows the state that won.
pub trait StatusWriter: Send + Sync {
    /// Replaces the status, and answers the object as it is stored now.
    ///
    /// # Errors
    /// 409 when somebody else was quicker, 404 when the object is gone, and what the store answers.
    fn write_status<'a>(&'a self, resource: &'a GroupResource, object: Value) -> BoxFuture<'a, Result<Value, Status>>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn service_accounts_are_in_their_groups() {
        let user = User::service_account("default", "builder");
        assert_eq!(user.name, "system:serviceaccount:default:builder");
        for group in ["system:serviceaccounts", "system:serviceaccounts:default", AUTHENTICATED] {
            assert!(user.in_group(group), "{group}");
        }
    }

    #[test]
    fn only_members_of_the_nodes_group_are_nodes() {
        assert_eq!(User::new("system:node:edge-1", [NODES]).node_name(), Some("edge-1"));
        assert_eq!(User::new("system:node:edge-1", ["people"]).node_name(), None);
        assert!(!User::anonymous().in_group(AUTHENTICATED));
    }
}
