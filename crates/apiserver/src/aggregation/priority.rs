//! In which order groups and versions are listed, and so preferred: `groupPriorityMinimum` and `versionPriority` of what this server serves.
//! Upstream: `pkg/controlplane/apiserver/aggregator.go`.

/// Groups of definitions. Upstream: `crdregistration`.
const CUSTOM_GROUP: i64 = 1000;
const CUSTOM_VERSION: i64 = 100;

/// Group and its priority. The aggregator's own group has no APIService; it comes second in upstream's discovery.
const GROUPS: [(&str, i64); 22] = [
    ("", 18_000),
    ("apiregistration.k8s.io", 17_900),
    ("apps", 17_800),
    ("events.k8s.io", 17_750),
    ("authentication.k8s.io", 17_700),
    ("authorization.k8s.io", 17_600),
    ("autoscaling", 17_500),
    ("batch", 17_400),
    ("certificates.k8s.io", 17_300),
    ("networking.k8s.io", 17_200),
    ("policy", 17_100),
    ("rbac.authorization.k8s.io", 17_000),
    ("storage.k8s.io", 16_800),
    ("admissionregistration.k8s.io", 16_700),
    ("apiextensions.k8s.io", 16_700),
    ("scheduling.k8s.io", 16_600),
    ("coordination.k8s.io", 16_500),
    ("node.k8s.io", 16_300),
    ("discovery.k8s.io", 16_200),
    ("resource.k8s.io", 16_200),
    ("flowcontrol.apiserver.k8s.io", 16_100),
    // As metrics-server registers it, which serves it elsewhere.
    ("metrics.k8s.io", 100),
];

/// The priority of a group this server serves.
pub(crate) fn of_group(group: &str) -> i64 {
    GROUPS.iter().find(|(known, _)| *known == group).map_or(CUSTOM_GROUP, |(_, priority)| *priority)
}

/// The priority of a version among those of its group.
pub(crate) fn of_version(group: &str, version: &str) -> i64 {
    match (group, version) {
        ("", _) => 1,
        ("autoscaling", "v2") => 30,
        ("flowcontrol.apiserver.k8s.io", "v1") => 21,
        ("metrics.k8s.io", _) => 100,
        _ if GROUPS.iter().any(|(known, _)| *known == group) => 15,
        _ => CUSTOM_VERSION,
    }
}
