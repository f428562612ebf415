//! Kernel parameters of a pod. Upstream: `validateSysctls`.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

const MAX_LENGTH: usize = 253;
const PATTERN: &str = r"^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$";

/// Parameters of the IPC namespace beside those of message queues.
const OF_IPC: [&str; 10] = [
    "kernel.msg",
    "kernel.msgmax",
    "kernel.msgmnb",
    "kernel.msgmni",
    "kernel.sem",
    "kernel.shm",
    "kernel.shm_rmid_forced",
    "kernel.shmall",
    "kernel.shmmax",
    "kernel.shmmni",
];

static NAME: LazyLock<Regex> = LazyLock::new(|| Regex::new(PATTERN).expect("the pattern is a constant"));

/// Checks `securityContext.sysctls` of a pod spec; `path` is where they are.
pub(crate) fn validate(errors: &mut ErrorList, spec: &Value, path: &Path) {
    let mut names = BTreeSet::new();
    for (index, sysctl) in object::list_at(spec, "/securityContext/sysctls").iter().enumerate() {
        let path = path.index(index).child("name");
        let name = object::str_at(sysctl, "/name").unwrap_or_default();
        if name.is_empty() {
            errors.push(field::required(&path, ""));
        } else if name.len() > MAX_LENGTH || !NAME.is_match(name) {
            let why = format!("must have at most {MAX_LENGTH} characters and match regex {PATTERN}");
            errors.push(field::invalid(&path, name, why));
        } else if !names.insert(name) {
            errors.push(field::duplicate(&path, name));
        }
        if let Some(shared) = namespace_of(name).filter(|shared| spec.get(*shared) == Some(&Value::Bool(true))) {
            errors.push(field::invalid(&path, name, format!("may not be specified when '{shared}' is true")));
        }
    }
}

/// The field by which a pod says that it shares the namespace a parameter belongs to with the node.
/// Upstream: `component-helpers/node/util/sysctl`.
fn namespace_of(name: &str) -> Option<&'static str> {
    let name = name.replace('/', ".");
    if name.starts_with("net.") {
        return Some("hostNetwork");
    }
    (OF_IPC.contains(&name.as_str()) || name.starts_with("fs.mqueue.")).then_some("hostIPC")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn check(mut spec: Value, names: &[&str], expected: Expect) {
        spec["securityContext"] =
            json!({"sysctls": names.iter().map(|name| json!({"name": name, "value": "1"})).collect::<Vec<_>>()});
        let mut errors = ErrorList::new();
        validate(&mut errors, &spec, &Path::new("sysctls"));
        expected.assert_eq(&errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_parameter_is_named_once_and_as_the_kernel_does() {
        check(json!({}), &["kernel.shmmax", "net/ipv4/conf/eth0.1/rp_filter", "net.core.somaxconn"], expect![[""]]);
        check(
            json!({}),
            &["foo-", "bar..", "", "a.b", "a.b"],
            expect![[r#"
            sysctls[0].name: Invalid value: "foo-": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$
            sysctls[1].name: Invalid value: "bar..": must have at most 253 characters and match regex ^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$
            sysctls[2].name: Required value
            sysctls[4].name: Duplicate value: "a.b""#]],
        );
    }

    #[test]
    fn a_pod_does_not_set_parameters_of_a_namespace_it_shares_with_the_node() {
        check(
            json!({"hostNetwork": true}),
            &["net.ipv4.tcp_syncookies", "kernel.sem"],
            expect![[
                r#"sysctls[0].name: Invalid value: "net.ipv4.tcp_syncookies": may not be specified when 'hostNetwork' is true"#
            ]],
        );
        check(
            json!({"hostIPC": true}),
            &["net.ipv4.tcp_syncookies", "kernel.sem"],
            expect![[r#"sysctls[1].name: Invalid value: "kernel.sem": may not be specified when 'hostIPC' is true"#]],
        );
    }
}
