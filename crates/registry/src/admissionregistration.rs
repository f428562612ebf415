//! `admissionregistration.k8s.io`: who is asked before an object is stored.
//!
//! The expressions of policies and match conditions are checked for their form alone (there, not too long); whether they compile is
//! checked once there is an evaluator.

mod expressions;
mod matching;
pub(crate) mod mutating_admission_policy;
pub(crate) mod mutating_admission_policy_binding;
pub(crate) mod mutating_webhook_configuration;
mod parameters;
mod rules;
pub(crate) mod validating_admission_policy;
pub(crate) mod validating_admission_policy_binding;
pub(crate) mod validating_webhook_configuration;
mod webhook;

pub(crate) use webhook::address;

const GROUP: (&str, &str) = ("admissionregistration.k8s.io", "v1");
/// Whether a webhook or policy that fails lets the request pass.
const FAILURE_POLICIES: [&str; 2] = ["Fail", "Ignore"];
const MATCH_POLICIES: [&str; 2] = ["Equivalent", "Exact"];
const REINVOCATION_POLICIES: [&str; 2] = ["IfNeeded", "Never"];
