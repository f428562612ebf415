//! The levels and schemas of every new cluster (apiserver `pkg/apis/flowcontrol/bootstrap/default.go`).

use super::config::Distinguisher::{Namespace, Nothing, User};
use super::config::{
    Distinguisher, FlowSchema, Limited, PathRule, PriorityLevel, Queuing, ResourceRule, Rule, Subject,
};

/// Name, shares, hundredths that may be lent, and queues, hand size and queue length.
type Level = (&'static str, u32, u32, Option<(usize, usize, usize)>);

const LIMITED: [Level; 7] = [
    ("system", 30, 33, Some((64, 6, 50))),
    ("node-high", 40, 25, Some((64, 6, 50))),
    ("leader-election", 10, 0, Some((16, 4, 50))),
    ("workload-high", 40, 50, Some((128, 6, 50))),
    ("workload-low", 100, 90, Some((128, 6, 50))),
    ("global-default", 20, 50, Some((128, 6, 50))),
    ("catch-all", 5, 0, None),
];

/// Whether a level or a schema of this name is there whatever the objects say.
pub(super) fn is_mandatory(name: &str) -> bool {
    matches!(name, "exempt" | "catch-all")
}

pub(super) fn levels() -> Vec<PriorityLevel> {
    let exempt = PriorityLevel { name: "exempt".to_owned(), uid: String::new(), limited: None };
    let limited = LIMITED.iter().map(|&(name, shares, lendable_percent, queues)| PriorityLevel {
        name: name.to_owned(),
        uid: String::new(),
        limited: Some(Limited {
            shares,
            lendable_percent,
            borrowing_limit_percent: None,
            queuing: queues.map(|(queues, hand_size, length_limit)| Queuing { queues, hand_size, length_limit }),
        }),
    });
    std::iter::once(exempt).chain(limited).collect()
}

pub(super) fn schemas() -> Vec<FlowSchema> {
    let everybody = || groups(&["system:unauthenticated", "system:authenticated"]);
    let nodes = || groups(&["system:nodes"]);
    let kube_system = || Subject::ServiceAccount { namespace: "kube-system".to_owned(), name: "*".to_owned() };
    let leases = |verbs: &[&str]| resource(verbs, "coordination.k8s.io", &["leases"], false);
    let manager = "system:kube-controller-manager";
    let scheduler = "system:kube-scheduler";
    let election = [users(&[manager, scheduler]), vec![kube_system()]].concat();
    let probes = PathRule { verbs: texts(&["get"]), paths: texts(&["/healthz", "/readyz", "/livez"]) };
    vec![
        schema("exempt", "exempt", 1, Nothing, all(groups(&["system:masters"]))),
        schema("probes", "exempt", 2, Nothing, Rule { subjects: everybody(), resources: vec![], paths: vec![probes] }),
        schema(
            "system-leader-election",
            "leader-election",
            100,
            User,
            rule(election, vec![leases(&["get", "create", "update"])]),
        ),
        schema(
            "system-node-high",
            "node-high",
            400,
            User,
            rule(nodes(), vec![resource(&["*"], "", &["nodes", "nodes/status"], true), leases(&["*"])]),
        ),
        schema("system-nodes", "system", 500, User, all(nodes())),
        schema("kube-controller-manager", "workload-high", 800, Namespace, all(users(&[manager]))),
        schema("kube-scheduler", "workload-high", 800, Namespace, all(users(&[scheduler]))),
        schema("kube-system-service-accounts", "workload-high", 900, Namespace, all(vec![kube_system()])),
        schema("service-accounts", "workload-low", 9000, User, all(groups(&["system:serviceaccounts"]))),
        schema("global-default", "global-default", 9900, User, all(everybody())),
        schema("catch-all", "catch-all", 10000, User, all(everybody())),
    ]
}

fn schema(name: &str, level: &str, precedence: u32, distinguisher: Distinguisher, rule: Rule) -> FlowSchema {
    let (name, level) = (name.to_owned(), level.to_owned());
    FlowSchema { name, uid: String::new(), level, precedence, distinguisher, rules: vec![rule] }
}

fn rule(subjects: Vec<Subject>, resources: Vec<ResourceRule>) -> Rule {
    Rule { subjects, resources, paths: Vec::new() }
}

/// Everything these ask for.
fn all(subjects: Vec<Subject>) -> Rule {
    let paths = vec![PathRule { verbs: texts(&["*"]), paths: texts(&["*"]) }];
    Rule { subjects, resources: vec![resource(&["*"], "*", &["*"], true)], paths }
}

fn resource(verbs: &[&str], group: &str, resources: &[&str], cluster_scope: bool) -> ResourceRule {
    ResourceRule {
        verbs: texts(verbs),
        groups: texts(&[group]),
        resources: texts(resources),
        namespaces: texts(&["*"]),
        cluster_scope,
    }
}

fn users(names: &[&str]) -> Vec<Subject> {
    texts(names).into_iter().map(Subject::User).collect()
}

fn groups(names: &[&str]) -> Vec<Subject> {
    texts(names).into_iter().map(Subject::Group).collect()
}

fn texts(texts: &[&str]) -> Vec<String> {
    texts.iter().map(|text| (*text).to_owned()).collect()
}
