//! Who owns whom, as far as the watches have told. Pure data.

use std::collections::{BTreeSet, HashMap};

use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};

use crate::controller::Key;

pub(super) const FOREGROUND: &str = "foregroundDeletion";
pub(super) const ORPHAN: &str = "orphan";

/// How an object is asked for at the apiserver.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Identity {
    pub(super) api_version: String,
    pub(super) kind: String,
    pub(super) name: Key,
}

/// One object of the graph. `seen` is false for an owner that others name and no watch has shown.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) identity: Identity,
    pub(super) seen: bool,
    pub(super) owners: Vec<OwnerReference>,
    pub(super) dependents: BTreeSet<String>,
    pub(super) deleting: bool,
    pub(super) finalizers: Vec<String>,
}

impl Node {
    /// It waits for its dependents to go first.
    pub(super) fn deletes_dependents(&self) -> bool {
        self.deleting && self.has(FOREGROUND)
    }

    /// It lets its dependents go before it does.
    pub(super) fn orphans(&self) -> bool {
        self.deleting && self.has(ORPHAN)
    }

    fn has(&self, finalizer: &str) -> bool {
        self.finalizers.iter().any(|known| known == finalizer)
    }

    pub(super) fn blocks(&self, owner: &str) -> bool {
        self.owners.iter().any(|reference| reference.uid == owner && reference.block_owner_deletion == Some(true))
    }
}

/// Objects by uid.
#[derive(Debug, Default)]
pub(super) struct Graph {
    nodes: HashMap<String, Node>,
}

impl Graph {
    pub(super) fn get(&self, uid: &str) -> Option<&Node> {
        self.nodes.get(uid)
    }

    pub(super) fn dependents(&self, uid: &str) -> Vec<(&str, &Node)> {
        let dependents = self.nodes.get(uid).into_iter().flat_map(|node| &node.dependents);
        dependents.filter_map(|uid| Some((uid.as_str(), self.nodes.get(uid)?))).collect()
    }

    /// Takes an object as a watch shows it; returns the uids that have to be looked at.
    pub(super) fn apply(&mut self, api_version: &str, kind: &str, meta: &ObjectMeta) -> Vec<String> {
        let Some(uid) = meta.uid.clone() else { return Vec::new() };
        let namespace = meta.namespace.clone().unwrap_or_default();
        let name = Key::new(namespace.clone(), meta.name.clone().unwrap_or_default());
        let identity = Identity { api_version: api_version.to_owned(), kind: kind.to_owned(), name };
        let old = self.nodes.remove(&uid);
        let node = Node {
            identity,
            seen: true,
            owners: meta.owner_references.clone().unwrap_or_default(),
            dependents: old.as_ref().map(|old| old.dependents.clone()).unwrap_or_default(),
            deleting: meta.deletion_timestamp.is_some(),
            finalizers: meta.finalizers.clone().unwrap_or_default(),
        };
        let mut look = BTreeSet::new();
        if let Some(old) = old.as_ref().filter(|old| old.seen) {
            self.leave_owners(&uid, old, &node, &mut look);
        }
        self.join_owners(&uid, &namespace, &node, &mut look);
        if node.deletes_dependents() || node.orphans() {
            look.extend(node.dependents.iter().cloned());
            look.insert(uid.clone());
        }
        self.nodes.insert(uid, node);
        look.into_iter().collect()
    }

    /// References that are gone or block no longer may have been what their owner waited for.
    fn leave_owners(&mut self, uid: &str, old: &Node, new: &Node, look: &mut BTreeSet<String>) {
        for reference in &old.owners {
            let kept = new.owners.iter().any(|other| other.uid == reference.uid);
            if !kept {
                self.leave(&reference.uid, uid);
            }
            if old.blocks(&reference.uid) && !new.blocks(&reference.uid) {
                look.insert(reference.uid.clone());
            }
        }
    }

    fn leave(&mut self, owner: &str, dependent: &str) {
        let Some(node) = self.nodes.get_mut(owner) else { return };
        node.dependents.remove(dependent);
        if !node.seen && node.dependents.is_empty() {
            self.nodes.remove(owner);
        }
    }

    /// An owner nobody has seen gets a place of its own and is looked for.
    fn join_owners(&mut self, uid: &str, namespace: &str, node: &Node, look: &mut BTreeSet<String>) {
        for reference in &node.owners {
            let owner = self.nodes.entry(reference.uid.clone()).or_insert_with(|| unseen(reference, namespace));
            owner.dependents.insert(uid.to_owned());
            if !owner.seen {
                look.insert(reference.uid.clone());
            }
            // A dependent that arrives while its owner waits for the last one goes as well.
            if owner.deletes_dependents() || owner.orphans() {
                look.extend([uid.to_owned(), reference.uid.clone()]);
            }
        }
    }

    /// Takes the disappearance of an object; returns the uids that have to be looked at.
    pub(super) fn remove(&mut self, uid: &str) -> Vec<String> {
        let Some(node) = self.nodes.remove(uid) else { return Vec::new() };
        let mut look: BTreeSet<String> = node.dependents.clone();
        for reference in &node.owners {
            let waits =
                self.nodes.get(&reference.uid).is_some_and(|owner| owner.deletes_dependents() || owner.orphans());
            if waits {
                look.insert(reference.uid.clone());
            }
            self.leave(&reference.uid, uid);
        }
        look.into_iter().collect()
    }
}

fn unseen(reference: &OwnerReference, namespace: &str) -> Node {
    let name = Key::new(namespace, &reference.name);
    Node {
        identity: Identity { api_version: reference.api_version.clone(), kind: reference.kind.clone(), name },
        seen: false,
        owners: Vec::new(),
        dependents: BTreeSet::new(),
        deleting: false,
        finalizers: Vec::new(),
    }
}
