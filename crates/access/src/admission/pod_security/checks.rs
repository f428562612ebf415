//! The checks, one line each (upstream's `policy/checks.go`, `policy/registry.go`).

use std::collections::BTreeSet;

use sampan_meta::object;
use serde_json::Value;

use super::policy::{Level, LevelVersion, Version};

mod host;
mod identity;
mod kernel;
mod profiles;

/// The version `latest` means: that of the API this server speaks.
const LATEST: u32 = 36;

/// Handlers whose guests have no user, no capabilities and no system calls on the node.
const WASM: [&str; 3] = ["wasm", "wasm-isolated", "wasm-shared"];

/// A pod, or the template of one.
pub(super) struct Pod<'a> {
    metadata: &'a Value,
    spec: &'a Value,
    /// All its containers are Wasm, whatever else it says.
    is_wasm: bool,
}

impl<'a> Pod<'a> {
    /// Of anything with `metadata` and `spec`.
    pub(super) fn of(object: &'a Value) -> Self {
        Self { metadata: object, spec: object.get("spec").unwrap_or(&Value::Null), is_wasm: false }
    }

    /// The same with what its RuntimeClass says. The handlers are those of the `wasm` runtimes.
    pub(super) fn with_handler(self, handler: Option<&str>) -> Self {
        Self { is_wasm: handler.is_some_and(|handler| WASM.contains(&handler)), ..self }
    }

    /// The name of its RuntimeClass.
    pub(super) fn runtime_class(&self) -> Option<&'a str> {
        object::str_at(self.spec, "/runtimeClassName")
    }

    /// Init containers first, then containers, then those that were added later.
    fn containers(&self) -> impl Iterator<Item = &'a Value> + use<'a> {
        let lists = ["/initContainers", "/containers", "/ephemeralContainers"];
        let spec = self.spec;
        lists.into_iter().flat_map(move |list| object::list_at(spec, list))
    }

    /// The names of the containers of which something holds.
    fn containers_that(&self, holds: impl Fn(&Value) -> bool) -> Vec<&'a str> {
        self.containers().filter(|container| holds(container)).map(name).collect()
    }

    /// What the pod says of itself for all its containers.
    fn security(&self, pointer: &str) -> Option<&'a Value> {
        security(self.spec, pointer)
    }

    fn is_windows(&self) -> bool {
        object::str_at(self.spec, "/os/name") == Some("windows")
    }

    /// Whether the pod's users are other users on the node.
    fn has_own_users(&self) -> bool {
        object::bool_at(self.spec, "/hostUsers") == Some(false)
    }
}

fn name(container: &Value) -> &str {
    object::str_at(container, "/name").unwrap_or_default()
}

/// A value in the security context of a pod or container.
fn security<'a>(owner: &'a Value, pointer: &str) -> Option<&'a Value> {
    owner.pointer(&format!("/securityContext{pointer}")).filter(|value| !value.is_null())
}

/// Why a pod does not comply, in upstream's words.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Violation {
    pub(super) reason: &'static str,
    pub(super) detail: String,
}

impl Violation {
    fn new(reason: &'static str, detail: impl Into<String>) -> Option<Self> {
        Some(Self { reason, detail: detail.into() })
    }
}

type CheckPod = fn(&Pod<'_>) -> Option<Violation>;

/// A check: its name, its forms by the minor version each begins with, and the baseline check it replaces at the level restricted.
type Check = (&'static str, &'static [(u32, CheckPod)], &'static str);

/// In the order of their names.
const BASELINE: [Check; 12] = [
    ("appArmorProfile", &[(0, profiles::app_armor)], ""),
    ("capabilities_baseline", &[(0, kernel::capabilities_baseline)], ""),
    ("hostNamespaces", &[(0, host::namespaces)], ""),
    ("hostPathVolumes", &[(0, host::path_volumes)], ""),
    ("hostPorts", &[(0, host::ports)], ""),
    ("hostProbesAndHostLifecycle", &[(34, host::probes)], ""),
    ("privileged", &[(0, kernel::privileged)], ""),
    ("procMount", &[(0, kernel::proc_mount), (35, kernel::proc_mount_unless_own_users)], ""),
    ("seLinuxOptions", &[(0, kernel::se_linux_1_0), (31, kernel::se_linux_1_31)], ""),
    ("seccompProfile_baseline", &[(0, profiles::seccomp_annotations), (19, profiles::seccomp_baseline)], ""),
    (
        "sysctls",
        &[(0, kernel::sysctls_1_0), (27, kernel::sysctls_1_27), (29, kernel::sysctls_1_29), (32, kernel::sysctls_1_32)],
        "",
    ),
    ("windowsHostProcess", &[(0, host::windows_process)], ""),
];

/// The restricted checks that mean something for Wasm; of the others the baseline ones stay.
const OF_WASM: [&str; 1] = ["restrictedVolumes"];

const RESTRICTED: [Check; 7] = [
    (
        "allowPrivilegeEscalation",
        &[(8, identity::privilege_escalation), (25, identity::privilege_escalation_unless_windows)],
        "",
    ),
    (
        "capabilities_restricted",
        &[(22, kernel::capabilities_restricted), (25, kernel::capabilities_restricted_unless_windows)],
        "capabilities_baseline",
    ),
    ("procMount_restricted", &[(35, kernel::proc_mount)], "procMount"),
    ("restrictedVolumes", &[(0, host::restricted_volumes)], "hostPathVolumes"),
    ("runAsNonRoot", &[(0, identity::non_root), (35, identity::non_root_unless_own_users)], ""),
    ("runAsUser", &[(23, identity::user), (35, identity::user_unless_own_users)], ""),
    (
        "seccompProfile_restricted",
        &[(19, profiles::seccomp_restricted), (25, profiles::seccomp_restricted_unless_windows)],
        "seccompProfile_baseline",
    ),
];

/// What of a level the pod does not comply with.
pub(super) fn evaluate(level: LevelVersion, pod: &Pod<'_>) -> Vec<Violation> {
    let minor = match level.version {
        Version::Latest => LATEST,
        Version::Minor(minor) => minor.min(LATEST),
    };
    let form = |(_, forms, _): &Check| forms.iter().rev().find(|(since, _)| *since <= minor).map(|(_, check)| *check);
    // Of a Wasm pod, what it may see of the node counts; who it would be there does not.
    let applies = |(id, _, _): &&Check| !pod.is_wasm || OF_WASM.contains(id);
    let restricted = || RESTRICTED.iter().filter(|check| form(check).is_some()).filter(applies);
    let checks: Vec<CheckPod> = match level.level {
        Level::Privileged => Vec::new(),
        Level::Baseline => BASELINE.iter().filter_map(form).collect(),
        Level::Restricted => {
            let replaced: BTreeSet<&str> = restricted().map(|(_, _, replaced)| *replaced).collect();
            let others = BASELINE.iter().filter(|(id, _, _)| !replaced.contains(id));
            others.chain(restricted()).filter_map(form).collect()
        }
    };
    checks.into_iter().filter_map(|check| check(pod)).collect()
}

/// `"a", "b"`.
fn quoted<S: AsRef<str>>(items: impl IntoIterator<Item = S>) -> String {
    let items: Vec<String> = items.into_iter().map(|item| format!("\"{}\"", item.as_ref())).collect();
    items.join(", ")
}

fn plural<'a>(one: &'a str, many: &'a str, count: usize) -> &'a str {
    if count == 1 { one } else { many }
}

/// `container "a"`, `containers "a", "b"`.
fn containers(names: &[&str]) -> String {
    format!("{} {}", plural("container", "containers", names.len()), quoted(names))
}

/// Who set something: the pod, containers, both.
fn setters(pod: bool, names: &[&str]) -> String {
    let own = pod.then(|| "pod".to_owned());
    let theirs = (!names.is_empty()).then(|| containers(names));
    own.into_iter().chain(theirs).collect::<Vec<_>>().join(" and ")
}
