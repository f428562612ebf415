//! Webhooks and policies of admission (`pkg/apis/admissionregistration/v1/defaults.go`); the rest of the group is with the policies.

use super::fill::{Members, if_absent};

/// A rule is about the cluster's resources and the namespaces' alike.
pub(super) fn rule(rule: &mut Members) {
    if_absent(rule, "scope", "*");
}
