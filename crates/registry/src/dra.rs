//! `resource.k8s.io`: devices that are handed out to pods (dynamic resource allocation).
//!
//! CEL selectors are checked for their length alone; whether they compile is checked once there is an evaluator.

mod capacity;
mod claim;
mod device;
pub(crate) mod device_class;
mod lists;
mod names;
pub(crate) mod resource_claim;
pub(crate) mod resource_claim_template;
pub(crate) mod resource_slice;
mod taint;

const GROUP: (&str, &str) = ("resource.k8s.io", "v1");
