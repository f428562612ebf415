//! The records of `wit/scheduler.wit`, borrowed from whoever tells of them.

use wasmtime::component::{ComponentType, Lift, Lower};

/// Amounts: CPU in thousandths of a core, the others in bytes or pieces.
#[derive(ComponentType, Lower, Clone, Debug, Default)]
#[component(record)]
pub struct Resources<'a> {
    /// Thousandths of a core.
    pub cpu: i64,
    /// Bytes.
    pub memory: i64,
    /// Bytes.
    #[component(name = "ephemeral-storage")]
    pub ephemeral_storage: i64,
    /// Everything else by name.
    pub other: Vec<(&'a str, i64)>,
}

/// A node.
#[derive(ComponentType, Lower, Clone, Debug, Default)]
#[component(record)]
pub struct Node<'a> {
    /// What it is called.
    pub number: u32,
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: Vec<(&'a str, &'a str)>,
    /// What pods may use of it.
    pub allocatable: Resources<'a>,
    /// How many pods may be there.
    pub pods: u32,
}

/// What runs on a node.
#[derive(ComponentType, Lower, Clone, Debug, Default)]
#[component(record)]
pub struct Usage<'a> {
    /// The node.
    pub number: u32,
    /// Sum of the pods' requests.
    pub requested: Resources<'a>,
    /// How many pods there are.
    pub pods: u32,
}

/// What schedulers look at in a pod.
#[derive(ComponentType, Lower, Clone, Debug, Default)]
#[component(record)]
pub struct Pod<'a> {
    /// Its namespace.
    pub namespace: &'a str,
    /// Its name.
    pub name: &'a str,
    /// Its labels.
    pub labels: Vec<(&'a str, &'a str)>,
    /// Higher goes first.
    pub priority: i32,
    /// Sum of its requests.
    pub requests: Resources<'a>,
}

/// Which of the nodes asked about fit.
#[derive(ComponentType, Lift, Clone, Debug)]
#[component(record)]
pub(super) struct Verdict {
    pub(super) fits: Vec<u64>,
    pub(super) reason: String,
}
