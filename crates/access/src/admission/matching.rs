//! Which requests a webhook or a policy is about. Upstream: `admission/plugin/webhook/predicates`, `admission/plugin/policy/matching`.

use sampan_api::request::{AdmissionRequest, Lister, Operation};
use sampan_meta::selector::LabelSelector;
use sampan_meta::{GroupResource, Status, object};
use serde_json::Value;

const GROUP: &str = "admissionregistration.k8s.io";
/// The kinds that decide about others: nothing they say decides about themselves, or nobody could take it back.
const EXEMPT: [&str; 6] = [
    "validatingwebhookconfigurations",
    "mutatingwebhookconfigurations",
    "validatingadmissionpolicies",
    "validatingadmissionpolicybindings",
    "mutatingadmissionpolicies",
    "mutatingadmissionpolicybindings",
];

/// A request with its objects as rules see them.
#[derive(Clone, Copy)]
pub(super) struct Subject<'a> {
    pub(super) request: &'a AdmissionRequest<'a>,
    /// `None` for a deletion.
    pub(super) object: Option<&'a Value>,
    pub(super) old: Option<&'a Value>,
}

impl<'a> Subject<'a> {
    pub(super) fn new(request: &'a AdmissionRequest<'a>, object: &'a Value) -> Self {
        let deletes = request.operation == Operation::Delete;
        Self { request, object: (!deletes).then_some(object), old: request.old.or_else(|| deletes.then_some(object)) }
    }

    /// Whether no rule may be about this request.
    pub(super) fn is_exempt(&self) -> bool {
        let attributes = self.request.attributes;
        attributes.group == GROUP && EXEMPT.contains(&attributes.resource.as_str())
    }

    /// The object as it will be or, if it goes away, was.
    pub(super) fn either(&self) -> &'a Value {
        self.object.or(self.old).unwrap_or(&Value::Null)
    }

    /// The name asked for, or the object's own; empty while the server has not made one.
    pub(super) fn name(&self) -> &'a str {
        match self.request.attributes.name.as_str() {
            "" => object::name(self.either()),
            name => name,
        }
    }

    pub(super) fn operation(&self) -> &'static str {
        match self.request.operation {
            Operation::Create => "CREATE",
            Operation::Update => "UPDATE",
            Operation::Delete => "DELETE",
            Operation::Connect => "CONNECT",
        }
    }

    fn is_namespace(&self) -> bool {
        let attributes = self.request.attributes;
        attributes.group.is_empty() && attributes.resource == "namespaces"
    }

    /// The namespace the object lies in; a namespace lies in none.
    pub(super) fn namespace(&self) -> &'a str {
        if self.is_namespace() { "" } else { &self.request.attributes.namespace }
    }

    /// The namespace itself, if the object lies in one.
    ///
    /// # Errors
    /// 404 when there is none of that name.
    pub(super) fn namespace_object(&self, lister: &dyn Lister) -> Result<Option<std::sync::Arc<Value>>, Status> {
        let name = self.namespace();
        if name.is_empty() {
            return Ok(None);
        }
        let resource = GroupResource::new("", "namespaces");
        lister.get(&resource, "", name).map(Some).ok_or_else(|| Status::not_found(&resource, name))
    }

    /// The version of the object at hand, which is that of storage and may be another than was asked for.
    pub(super) fn version(&self) -> &'a str {
        let api_version = object::api_version(self.either());
        let version = api_version.rsplit('/').next().unwrap_or_default();
        if version.is_empty() { &self.request.attributes.version } else { version }
    }
}

/// Labels, and rules with their exceptions: of a policy, of a binding, or of a webhook.
#[derive(Debug)]
pub(super) struct Criteria {
    namespaces: Result<LabelSelector, String>,
    objects: Result<LabelSelector, String>,
    rules: Vec<Rule>,
    excluded: Vec<Rule>,
    /// Any version of the resource is as good as another.
    equivalent: bool,
}

#[derive(Debug)]
struct Rule {
    operations: Vec<String>,
    groups: Vec<String>,
    versions: Vec<String>,
    resources: Vec<String>,
    scope: String,
    names: Vec<String>,
}

fn selector(owner: &Value, member: &str) -> Result<LabelSelector, String> {
    match owner.get(member).filter(|selector| !selector.is_null()) {
        Some(selector) => LabelSelector::from_json(selector).map_err(|error| error.to_string()),
        None => Ok(LabelSelector::everything()),
    }
}

impl Criteria {
    /// From anything with `namespaceSelector`, `objectSelector`, `matchPolicy` and rules under `rules` or `resourceRules`.
    pub(super) fn of(owner: &Value) -> Self {
        let rules = |member: &str| object::list_at(owner, member).iter().map(Rule::of).collect::<Vec<_>>();
        let mut own = rules("/rules");
        own.extend(rules("/resourceRules"));
        Self {
            namespaces: selector(owner, "namespaceSelector"),
            objects: selector(owner, "objectSelector"),
            rules: own,
            excluded: rules("/excludeResourceRules"),
            equivalent: object::str_at(owner, "/matchPolicy") != Some("Exact"),
        }
    }

    /// Whether the request is meant; without any rule, any resource is, where `rules_optional`.
    ///
    /// # Errors
    /// When that cannot be known: a selector cannot be read, or the namespace is not there.
    pub(super) fn matches(
        &self,
        subject: &Subject<'_>,
        lister: &dyn Lister,
        rules_optional: bool,
    ) -> Result<bool, Status> {
        let by_namespace = self.matches_namespace(subject, lister);
        if matches!(by_namespace, Ok(false)) {
            return Ok(false);
        }
        let by_object = self.matches_object(subject);
        if matches!(by_object, Ok(false)) {
            return Ok(false);
        }
        if self.by_rules(&self.excluded, subject) {
            return Ok(false);
        }
        let any = rules_optional && self.rules.is_empty();
        if !any && !self.by_rules(&self.rules, subject) {
            return Ok(false);
        }
        by_namespace?;
        by_object?;
        Ok(true)
    }

    fn matches_namespace(&self, subject: &Subject<'_>, lister: &dyn Lister) -> Result<bool, Status> {
        let selector = self.namespaces.as_ref().map_err(Status::internal)?;
        if selector.is_empty() {
            return Ok(true);
        }
        if subject.is_namespace() {
            return Ok(selector.matches_map(object::labels(subject.either())));
        }
        match subject.namespace_object(lister)? {
            Some(namespace) => Ok(selector.matches_map(object::labels(&namespace))),
            None => Ok(true),
        }
    }

    fn matches_object(&self, subject: &Subject<'_>) -> Result<bool, Status> {
        let selector = self.objects.as_ref().map_err(Status::internal)?;
        let matches = |object: &Value| selector.matches_map(object::labels(object));
        Ok(selector.is_empty() || subject.object.is_some_and(matches) || subject.old.is_some_and(matches))
    }

    fn by_rules(&self, rules: &[Rule], subject: &Subject<'_>) -> bool {
        let asked = &subject.request.attributes.version;
        let matches = |version: &str| rules.iter().any(|rule| rule.matches(subject, version));
        matches(asked) || self.equivalent && subject.version() != asked && matches(subject.version())
    }
}

impl Rule {
    fn of(rule: &Value) -> Self {
        let texts = |member: &str| {
            let list = object::list_at(rule, member).iter().filter_map(Value::as_str);
            list.map(str::to_owned).collect()
        };
        Self {
            operations: texts("/operations"),
            groups: texts("/apiGroups"),
            versions: texts("/apiVersions"),
            resources: texts("/resources"),
            scope: object::str_at(rule, "/scope").unwrap_or("*").to_owned(),
            names: texts("/resourceNames"),
        }
    }

    fn matches(&self, subject: &Subject<'_>, version: &str) -> bool {
        let attributes = subject.request.attributes;
        let any = |list: &[String], wanted: &str| list.iter().any(|item| item == "*" || item == wanted);
        let in_scope = match self.scope.as_str() {
            "Namespaced" => !subject.namespace().is_empty(),
            "Cluster" => subject.namespace().is_empty(),
            _ => true,
        };
        in_scope
            && any(&self.operations, subject.operation())
            && any(&self.groups, &attributes.group)
            && any(&self.versions, version)
            && self
                .resources
                .iter()
                .any(|pattern| names_resource(pattern, &attributes.resource, &attributes.subresource))
            && (self.names.is_empty() || self.names.iter().any(|name| name == subject.name()))
    }
}

/// `pods`, `pods/status`, `pods/*`, `*`, `*/scale`, `*/*`.
fn names_resource(pattern: &str, resource: &str, subresource: &str) -> bool {
    let (wanted, sub) = pattern.split_once('/').unwrap_or((pattern, ""));
    (wanted == "*" || wanted == resource) && (sub == "*" || sub == subresource)
}
