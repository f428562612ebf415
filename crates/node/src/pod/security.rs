//! Who a container's processes are and what they may do: the container's own words before the pod's, as
//! `DetermineEffectiveSecurityContext` (pkg/securitycontext/util.go).

use std::path::Path;

use sampan_api::k8s::api::core::v1::{
    Capabilities, Container, Pod, PodSecurityContext, SeccompProfile, SecurityContext,
};
use sampan_runtime::{Seccomp, Security};

use super::facts;

/// `profiles` is the directory that profiles of the node lie in.
pub(crate) fn security(pod: &Pod, container: &Container, profiles: &Path) -> Security {
    let of_pod = facts::spec(pod).and_then(|spec| spec.security_context.clone()).unwrap_or_default();
    let own = container.security_context.clone().unwrap_or_default();
    let SecurityContext {
        allow_privilege_escalation,
        capabilities,
        privileged,
        read_only_root_filesystem,
        run_as_group,
        run_as_non_root,
        run_as_user,
        seccomp_profile,
        ..
    } = own;
    let Capabilities { add, drop } = capabilities.unwrap_or_default();
    Security {
        user: run_as_user.or(of_pod.run_as_user),
        group: run_as_group.or(of_pod.run_as_group),
        groups: groups(&of_pod),
        not_root: run_as_non_root.or(of_pod.run_as_non_root).unwrap_or(false),
        privileged: privileged.unwrap_or(false),
        read_only_root: read_only_root_filesystem.unwrap_or(false),
        no_new_privileges: allow_privilege_escalation == Some(false),
        add_capabilities: add.unwrap_or_default(),
        drop_capabilities: drop.unwrap_or_default(),
        seccomp: seccomp(seccomp_profile.or(of_pod.seccomp_profile), profiles),
        sees: None,
    }
}

pub(crate) fn is_privileged(container: &Container) -> bool {
    container.security_context.as_ref().and_then(|context| context.privileged).unwrap_or(false)
}

fn groups(of_pod: &PodSecurityContext) -> Vec<i64> {
    of_pod.fs_group.into_iter().chain(of_pod.supplemental_groups.iter().flatten().copied()).collect()
}

/// Where nobody says otherwise the runtime's default holds, as with the kubelet's `seccompDefault`.
fn seccomp(profile: Option<SeccompProfile>, profiles: &Path) -> Seccomp {
    let Some(profile) = profile else { return Seccomp::RuntimeDefault };
    match profile.type_.as_str() {
        "Unconfined" => Seccomp::Unconfined,
        "Localhost" => Seccomp::Localhost(profiles.join(profile.localhost_profile.unwrap_or_default())),
        _ => Seccomp::RuntimeDefault,
    }
}

/// How soon the kernel ends its processes when the machine runs out of memory, as pkg/kubelet/qos/policy.go.
pub(crate) fn oom_score(class: &str, memory_request: u64, node_memory: u64) -> i64 {
    const GUARANTEED: i64 = -997;
    const BEST_EFFORT: i64 = 1000;
    match class {
        "Guaranteed" => GUARANTEED,
        "BestEffort" => BEST_EFFORT,
        _ => {
            let share = 1000 * u128::from(memory_request) / u128::from(node_memory.max(1));
            let score = BEST_EFFORT - i64::try_from(share).unwrap_or(BEST_EFFORT);
            score.clamp(BEST_EFFORT + GUARANTEED, BEST_EFFORT - 1)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(pod: serde_json::Value, container: serde_json::Value, expected: &Expect) {
        let spec = json!({"securityContext": pod, "containers": [{"name": "main", "securityContext": container}]});
        let pod: Pod = serde_json::from_value(json!({"spec": spec})).expect("a pod");
        let container = facts::container(&pod, "main").expect("a container");
        expected.assert_eq(&format!("{:?}", security(&pod, container, Path::new("/profiles"))));
    }

    #[test]
    fn nothing_said_is_an_ordinary_container_with_the_default_filter() {
        check(
            json!({}),
            json!({}),
            &expect![
                "Security { user: None, group: None, groups: [], not_root: false, privileged: false, read_only_root: false, no_new_privileges: false, add_capabilities: [], drop_capabilities: [], seccomp: RuntimeDefault, sees: None }"
            ],
        );
    }

    #[test]
    fn the_container_has_the_last_word() {
        let pod = json!({"runAsUser": 1, "runAsGroup": 2, "fsGroup": 3, "supplementalGroups": [4], "runAsNonRoot": true, "seccompProfile": {"type": "Unconfined"}});
        let container = json!({"runAsUser": 10, "runAsNonRoot": false, "readOnlyRootFilesystem": true, "allowPrivilegeEscalation": false,
            "capabilities": {"drop": ["ALL"], "add": ["NET_BIND_SERVICE"]}, "seccompProfile": {"type": "Localhost", "localhostProfile": "mine.json"}});
        check(
            pod,
            container,
            &expect![[
                r#"Security { user: Some(10), group: Some(2), groups: [3, 4], not_root: false, privileged: false, read_only_root: true, no_new_privileges: true, add_capabilities: ["NET_BIND_SERVICE"], drop_capabilities: ["ALL"], seccomp: Localhost("/profiles/mine.json"), sees: None }"#
            ]],
        );
    }

    #[test]
    fn the_less_a_burstable_pod_asks_for_the_sooner_it_goes() {
        let scores = [0, 1 << 29, 1 << 30].map(|request| oom_score("Burstable", request, 1 << 30));
        assert_eq!(scores, [999, 500, 3]);
        assert_eq!([oom_score("Guaranteed", 0, 1), oom_score("BestEffort", 0, 1)], [-997, 1000]);
    }
}
