//! The levels and schemas every cluster has. Upstream: `apiserver/pkg/apis/flowcontrol/bootstrap`.
//!
//! Two of each are fixed: without `exempt` administrators could be locked out, and `catch-all` takes what nothing else does. The
//! others are suggestions that people may change.

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::{Value, json};

const API_VERSION: &str = "flowcontrol.apiserver.k8s.io/v1";
const AUTO_UPDATE: &str = "apf.kubernetes.io/autoupdate-spec";
const MANDATORY: [&str; 2] = ["exempt", "catch-all"];
const EVERYONE: &[Subject] = &[Subject::Group("system:unauthenticated"), Subject::Group("system:authenticated")];
const NODES: &[Subject] = &[Subject::Group("system:nodes")];
const KUBE_SYSTEM: Subject = Subject::Account("kube-system", "*");

/// Name, share of the server, percentage that others may borrow, and queues (how many, how many of them a flow uses, how long).
type Level = (&'static str, i64, i64, Option<(i64, i64, i64)>);

const LEVELS: [Level; 7] = [
    ("catch-all", 5, 0, None),
    ("system", 30, 33, Some((64, 6, 50))),
    ("node-high", 40, 25, Some((64, 6, 50))),
    ("leader-election", 10, 0, Some((16, 4, 50))),
    ("workload-high", 40, 50, Some((128, 6, 50))),
    ("workload-low", 100, 90, Some((128, 6, 50))),
    ("global-default", 20, 50, Some((128, 6, 50))),
];

enum Subject {
    User(&'static str),
    Group(&'static str),
    /// Namespace and name.
    Account(&'static str, &'static str),
}

/// What is asked for.
enum Request {
    Anything,
    Paths(&'static [&'static str]),
    /// Verbs, group, resources, whether cluster scope as well.
    Resources(&'static [(&'static [&'static str], &'static str, &'static [&'static str], bool)]),
}

/// Name, level, precedence, what makes a flow, who asks for what.
type Schema = (&'static str, &'static str, i64, &'static str, &'static [Subject], Request);

const SCHEMAS: [Schema; 11] = [
    ("exempt", "exempt", 1, "", &[Subject::Group("system:masters")], Request::Anything),
    ("catch-all", "catch-all", 10_000, "ByUser", EVERYONE, Request::Anything),
    ("probes", "exempt", 2, "", EVERYONE, Request::Paths(&["/healthz", "/readyz", "/livez"])),
    (
        "system-leader-election",
        "leader-election",
        100,
        "ByUser",
        &[Subject::User("system:kube-controller-manager"), Subject::User("system:kube-scheduler"), KUBE_SYSTEM],
        Request::Resources(&[(&["get", "create", "update"], "coordination.k8s.io", &["leases"], false)]),
    ),
    (
        "system-node-high",
        "node-high",
        400,
        "ByUser",
        NODES,
        Request::Resources(&[
            (&["*"], "", &["nodes", "nodes/status"], true),
            (&["*"], "coordination.k8s.io", &["leases"], false),
        ]),
    ),
    ("system-nodes", "system", 500, "ByUser", NODES, Request::Anything),
    (
        "kube-controller-manager",
        "workload-high",
        800,
        "ByNamespace",
        &[Subject::User("system:kube-controller-manager")],
        Request::Anything,
    ),
    (
        "kube-scheduler",
        "workload-high",
        800,
        "ByNamespace",
        &[Subject::User("system:kube-scheduler")],
        Request::Anything,
    ),
    ("kube-system-service-accounts", "workload-high", 900, "ByNamespace", &[KUBE_SYSTEM], Request::Anything),
    (
        "service-accounts",
        "workload-low",
        9000,
        "ByUser",
        &[Subject::Group("system:serviceaccounts")],
        Request::Anything,
    ),
    ("global-default", "global-default", 9900, "ByUser", EVERYONE, Request::Anything),
];

/// The PriorityLevelConfigurations and FlowSchemas of a new cluster, levels first.
pub fn objects() -> impl Iterator<Item = Value> {
    let levels = LEVELS.iter().map(|level| named("PriorityLevelConfiguration", level.0, level_spec(level)));
    let schemas = SCHEMAS.iter().map(|schema| named("FlowSchema", schema.0, schema_spec(schema)));
    [named("PriorityLevelConfiguration", "exempt", exempt())].into_iter().chain(levels).chain(schemas)
}

fn named(kind: &str, name: &str, spec: Value) -> Value {
    json!({"apiVersion": API_VERSION, "kind": kind, "metadata": {"name": name, "annotations": {AUTO_UPDATE: "true"}},
        "spec": spec})
}

fn exempt() -> Value {
    json!({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}})
}

fn level_spec((_, shares, lendable, queues): &Level) -> Value {
    let response = match queues {
        None => json!({"type": "Reject"}),
        Some((queues, hand, length)) => json!({"type": "Queue",
            "queuing": {"queues": queues, "handSize": hand, "queueLengthLimit": length}}),
    };
    json!({"type": "Limited", "limited": {"nominalConcurrencyShares": shares, "lendablePercent": lendable,
        "limitResponse": response}})
}

fn schema_spec((_, level, precedence, method, subjects, request): &Schema) -> Value {
    let subjects: Vec<Value> = subjects.iter().map(subject).collect();
    let mut rule = json!({"subjects": subjects});
    match request {
        Request::Anything => {
            rule["resourceRules"] = json!([resource_rule(&["*"], "*", &["*"], true)]);
            rule["nonResourceRules"] = json!([{"verbs": ["*"], "nonResourceURLs": ["*"]}]);
        }
        Request::Paths(paths) => rule["nonResourceRules"] = json!([{"verbs": ["get"], "nonResourceURLs": paths}]),
        Request::Resources(rules) => {
            let rules =
                rules.iter().map(|(verbs, group, plurals, cluster)| resource_rule(verbs, group, plurals, *cluster));
            rule["resourceRules"] = rules.collect();
        }
    }
    let mut spec = json!({"priorityLevelConfiguration": {"name": level}, "matchingPrecedence": precedence,
        "rules": [rule]});
    if !method.is_empty() {
        spec["distinguisherMethod"] = json!({"type": method});
    }
    spec
}

fn resource_rule(verbs: &[&str], group: &str, resources: &[&str], cluster: bool) -> Value {
    let mut rule = json!({"verbs": verbs, "apiGroups": [group], "resources": resources, "namespaces": ["*"]});
    if cluster {
        rule["clusterScope"] = true.into();
    }
    rule
}

fn subject(subject: &Subject) -> Value {
    match subject {
        Subject::User(name) => json!({"kind": "User", "user": {"name": name}}),
        Subject::Group(name) => json!({"kind": "Group", "group": {"name": name}}),
        Subject::Account(namespace, name) => {
            json!({"kind": "ServiceAccount", "serviceAccount": {"namespace": namespace, "name": name}})
        }
    }
}

/// A fixed object is what it is; but for how much `exempt` is taken to use and may lend.
pub(super) fn validate_mandatory(errors: &mut ErrorList, object: &Value) {
    let (kind, name) = (object::kind(object), object::name(object));
    if !MANDATORY.contains(&name) {
        return;
    }
    let fixed = objects().find(|fixed| object::kind(fixed) == kind && object::name(fixed) == name);
    let essence = |object: &Value| {
        let mut spec = object.get("spec").cloned().unwrap_or_default();
        object::remove(&mut spec, &["exempt"]);
        spec
    };
    if fixed.is_some_and(|fixed| essence(&fixed) != essence(object)) {
        let spec = object.get("spec").cloned().unwrap_or_default();
        let why = format!("spec of '{name}' must equal the fixed value");
        errors.push(field::invalid(&Path::new("spec"), spec, why));
    }
}
