//! Priority levels and flow schemas as data, and how they are read from objects (`flowcontrol.apiserver.k8s.io/v1`).

use sampan_registry::bootstrap_flow_control;
use serde_json::Value;

use super::matching::Found;

/// Every level and schema there is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Configuration {
    pub(super) levels: Vec<PriorityLevel>,
    /// Sorted: the first that matches decides.
    pub(super) schemas: Vec<FlowSchema>,
}

/// A PriorityLevelConfiguration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct PriorityLevel {
    pub(super) name: String,
    pub(super) uid: String,
    /// `None`: requests of this level take no seats and never wait.
    pub(super) limited: Option<Limited>,
}

/// The seats of a level.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Limited {
    /// Its part of all seats, in proportion to the shares of the others.
    pub(super) shares: u32,
    /// How many hundredths of its seats others may use while it does not.
    pub(super) lendable_percent: u32,
    /// How many hundredths of its seats it may take of others; `None`: any number.
    pub(super) borrowing_limit_percent: Option<u32>,
    /// `None`: who finds no seat is refused at once.
    pub(super) queuing: Option<Queuing>,
}

/// The queues of a level.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Queuing {
    pub(super) queues: usize,
    /// How many queues a flow may use.
    pub(super) hand_size: usize,
    pub(super) length_limit: usize,
}

/// A FlowSchema.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct FlowSchema {
    pub(super) name: String,
    pub(super) uid: String,
    pub(super) level: String,
    /// Lower numbers are looked at first.
    pub(super) precedence: u32,
    pub(super) distinguisher: Distinguisher,
    pub(super) rules: Vec<Rule>,
}

/// What tells the flows of a schema apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Distinguisher {
    Nothing,
    User,
    Namespace,
}

/// Who asks for what; all of it must fit.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Rule {
    pub(super) subjects: Vec<Subject>,
    pub(super) resources: Vec<ResourceRule>,
    pub(super) paths: Vec<PathRule>,
}

/// Somebody. `*` as a user, a group or a service account's name is anybody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Subject {
    User(String),
    Group(String),
    ServiceAccount { namespace: String, name: String },
}

/// A rule about resources; a list that is `*` alone fits everything.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct ResourceRule {
    pub(super) verbs: Vec<String>,
    pub(super) groups: Vec<String>,
    /// `nodes`, `nodes/status`.
    pub(super) resources: Vec<String>,
    pub(super) namespaces: Vec<String>,
    /// Whether requests without a namespace fit.
    pub(super) cluster_scope: bool,
}

/// A rule about paths that are no resources.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PathRule {
    pub(super) verbs: Vec<String>,
    pub(super) paths: Vec<String>,
}

impl Configuration {
    /// What every cluster begins with.
    pub(crate) fn bootstrap() -> Self {
        let (levels, schemas): (Vec<Value>, Vec<Value>) = bootstrap_flow_control().partition(is_level);
        Self::from_objects(levels.iter(), schemas.iter())
    }

    /// Reads the objects of both kinds. Whatever they say, the mandatory levels and schemas are there: `exempt` and `catch-all`. A schema whose
    /// level does not exist is left out, as upstream marks it dangling.
    pub(crate) fn from_objects<'a>(
        levels: impl Iterator<Item = &'a Value>,
        schemas: impl Iterator<Item = &'a Value>,
    ) -> Self {
        let mut levels: Vec<PriorityLevel> = levels.map(PriorityLevel::read).collect();
        let mut schemas: Vec<FlowSchema> = schemas.map(FlowSchema::read).collect();
        for object in bootstrap_flow_control().filter(is_mandatory) {
            let has = |name: &str| object["metadata"]["name"] == name;
            if is_level(&object) {
                if !levels.iter().any(|level| has(&level.name)) {
                    levels.push(PriorityLevel::read(&object));
                }
            } else if !schemas.iter().any(|schema| has(&schema.name)) {
                schemas.push(FlowSchema::read(&object));
            }
        }
        schemas.retain(|schema| levels.iter().any(|level| level.name == schema.level));
        Self::new(levels, schemas)
    }

    fn new(levels: Vec<PriorityLevel>, mut schemas: Vec<FlowSchema>) -> Self {
        schemas.sort_by(|one, other| (one.precedence, &one.name).cmp(&(other.precedence, &other.name)));
        Self { levels, schemas }
    }

    /// What answers say a request fell under.
    pub(super) fn uids(&self, found: &Found) -> super::Classified {
        super::Classified {
            schema_uid: self.schemas[found.schema].uid.clone(),
            level_uid: self.levels[found.level].uid.clone(),
        }
    }
}

fn is_level(object: &Value) -> bool {
    object["kind"] == "PriorityLevelConfiguration"
}

/// Whether it is there whatever the objects say.
fn is_mandatory(object: &Value) -> bool {
    matches!(object["metadata"]["name"].as_str(), Some("exempt" | "catch-all"))
}

impl PriorityLevel {
    fn read(object: &Value) -> Self {
        let spec = &object["spec"];
        let limited = &spec["limited"];
        let queuing = &limited["limitResponse"]["queuing"];
        let limited = (spec["type"] != "Exempt").then(|| Limited {
            shares: number(&limited["nominalConcurrencyShares"], 30),
            lendable_percent: number(&limited["lendablePercent"], 0),
            borrowing_limit_percent: limited["borrowingLimitPercent"].as_u64().map(narrow),
            queuing: (limited["limitResponse"]["type"] == "Queue").then(|| Queuing {
                queues: number(&queuing["queues"], 64).max(1) as usize,
                hand_size: number(&queuing["handSize"], 8).max(1) as usize,
                length_limit: number(&queuing["queueLengthLimit"], 50) as usize,
            }),
        });
        Self { name: text(&object["metadata"]["name"]), uid: text(&object["metadata"]["uid"]), limited }
    }
}

impl FlowSchema {
    fn read(object: &Value) -> Self {
        let spec = &object["spec"];
        Self {
            name: text(&object["metadata"]["name"]),
            uid: text(&object["metadata"]["uid"]),
            level: text(&spec["priorityLevelConfiguration"]["name"]),
            precedence: number(&spec["matchingPrecedence"], 1000),
            distinguisher: match spec["distinguisherMethod"]["type"].as_str() {
                Some("ByUser") => Distinguisher::User,
                Some("ByNamespace") => Distinguisher::Namespace,
                _ => Distinguisher::Nothing,
            },
            rules: items(&spec["rules"]).map(Rule::read).collect(),
        }
    }
}

impl Rule {
    fn read(rule: &Value) -> Self {
        let resources = items(&rule["resourceRules"]).map(|rule| ResourceRule {
            verbs: texts(&rule["verbs"]),
            groups: texts(&rule["apiGroups"]),
            resources: texts(&rule["resources"]),
            namespaces: texts(&rule["namespaces"]),
            cluster_scope: rule["clusterScope"] == true,
        });
        let paths = items(&rule["nonResourceRules"])
            .map(|rule| PathRule { verbs: texts(&rule["verbs"]), paths: texts(&rule["nonResourceURLs"]) });
        Self {
            subjects: items(&rule["subjects"]).filter_map(Subject::read).collect(),
            resources: resources.collect(),
            paths: paths.collect(),
        }
    }
}

impl Subject {
    fn read(subject: &Value) -> Option<Self> {
        Some(match subject["kind"].as_str()? {
            "User" => Self::User(text(&subject["user"]["name"])),
            "Group" => Self::Group(text(&subject["group"]["name"])),
            "ServiceAccount" => Self::ServiceAccount {
                namespace: text(&subject["serviceAccount"]["namespace"]),
                name: text(&subject["serviceAccount"]["name"]),
            },
            _ => return None,
        })
    }
}

fn items(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}

fn texts(list: &Value) -> Vec<String> {
    items(list).map(text).collect()
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn number(value: &Value, default: u32) -> u32 {
    value.as_u64().map_or(default, narrow)
}

fn narrow(number: u64) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
