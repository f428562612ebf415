//! What expressions of policies and webhooks see of a request, and the conditions all of them have. Upstream:
//! `admission/plugin/cel/activation.go`, `composition.go`, `admission/plugin/webhook/matchconditions`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_api::request::{Attributes, User};
use sampan_cel::admission::{Compiler, NAMESPACE, REQUEST};
use sampan_cel::{Authorize, Budget, Error, Host, PER_MATCH_CONDITIONS, Program, Question, Type, Value as Cel};
use sampan_meta::object;
use serde_json::{Value, json};

use super::matching::Subject;
use crate::authz::{Authorizer, Decision};

/// The outcome of compiling: a policy whose expression is none is kept, and says so to everybody it is about.
pub(super) type Compiled = Result<Program, String>;

/// Everything expressions can be about, as JSON that lies still.
pub(super) struct Inputs<'a> {
    pub(super) subject: Subject<'a>,
    request: Value,
    pub(super) namespace: Option<Arc<Value>>,
    pub(super) authorizer: &'a Authorizer,
}

impl<'a> Inputs<'a> {
    pub(super) fn new(subject: Subject<'a>, namespace: Option<Arc<Value>>, authorizer: &'a Authorizer) -> Self {
        Self { subject, request: describe(&subject), namespace, authorizer }
    }

    /// The values of variables: `object` may be newer than the subject's, as mutations go on; `params` are those of a binding.
    pub(super) fn bind<'b>(
        &'b self,
        object: Option<&'b Value>,
        params: Option<&'b Value>,
    ) -> Vec<(&'static str, Cel<'b>)> {
        let json = |value: Option<&'b Value>| value.map_or(Cel::Null, Cel::json);
        let namespace = self.namespace.as_deref().map_or(Cel::Null, |namespace| Cel::typed(namespace, &NAMESPACE));
        vec![
            ("object", json(object)),
            ("oldObject", json(self.subject.old)),
            ("request", Cel::typed(&self.request, &REQUEST)),
            ("namespaceObject", namespace),
            ("params", json(params)),
            ("authorizer", self.authorizer()),
        ]
    }

    fn authorizer<'b>(&'b self) -> Cel<'b> {
        let attributes = self.subject.request.attributes;
        let asker = Asker { authorizer: self.authorizer, user: &attributes.user };
        let request = Question {
            group: attributes.group.clone(),
            resource: attributes.resource.clone(),
            subresource: attributes.subresource.clone(),
            namespace: attributes.namespace.clone(),
            name: self.subject.name().to_owned(),
            ..Question::default()
        };
        sampan_cel::authorizer(Arc::new(asker), request)
    }
}

/// An AdmissionRequest as expressions and webhooks are told of it, without the objects.
pub(super) fn describe(subject: &Subject<'_>) -> Value {
    let attributes = subject.request.attributes;
    let kind = object::group_version_kind(subject.either());
    let kind = json!({ "group": kind.group, "version": kind.version, "kind": kind.kind });
    let resource =
        |version: &str| json!({ "group": attributes.group, "version": version, "resource": attributes.resource });
    let mut request = json!({
        "kind": kind,
        "resource": resource(subject.version()),
        "requestKind": kind,
        "requestResource": resource(&attributes.version),
        "operation": subject.operation(),
        "userInfo": describe_user(&attributes.user),
        "dryRun": subject.request.dry_run,
        "options": describe_options(subject),
    });
    for (member, text) in [
        ("subResource", attributes.subresource.as_str()),
        ("requestSubResource", &attributes.subresource),
        ("name", subject.name()),
        ("namespace", &attributes.namespace),
    ] {
        if !text.is_empty() {
            request[member] = json!(text);
        }
    }
    request
}

fn describe_user(user: &User) -> Value {
    let mut told = json!({ "username": user.name });
    if !user.uid.is_empty() {
        told["uid"] = json!(user.uid);
    }
    if !user.groups.is_empty() {
        told["groups"] = json!(user.groups);
    }
    if !user.extra.is_empty() {
        told["extra"] = json!(user.extra);
    }
    told
}

fn describe_options(subject: &Subject<'_>) -> Value {
    let kind = match subject.operation() {
        "CREATE" => "CreateOptions",
        "UPDATE" if subject.request.attributes.verb == "patch" => "PatchOptions",
        "UPDATE" => "UpdateOptions",
        "DELETE" => "DeleteOptions",
        _ => return Value::Null,
    };
    let mut options = json!({ "apiVersion": "meta.k8s.io/v1", "kind": kind });
    if subject.request.dry_run {
        options["dryRun"] = json!(["All"]);
    }
    options
}

/// Asks for the user of the request, or for a service account.
struct Asker<'a> {
    authorizer: &'a Authorizer,
    user: &'a User,
}

impl Authorize for Asker<'_> {
    fn check(&self, question: &Question) -> (bool, String, Option<String>) {
        let user = match &question.service_account {
            Some((namespace, name)) => User::service_account(namespace, name),
            None => self.user.clone(),
        };
        let attributes = Attributes {
            user,
            verb: question.verb.clone(),
            group: question.group.clone(),
            version: "*".to_owned(),
            resource: question.resource.clone(),
            subresource: question.subresource.clone(),
            namespace: question.namespace.clone(),
            name: question.name.clone(),
            resource_request: question.path.is_none(),
            path: question.path.clone().unwrap_or_default(),
            field_selector: question.field_selector.clone(),
        };
        match self.authorizer.authorize(&attributes) {
            Decision::Allowed { reason } => (true, reason, None),
            Decision::Denied { reason } => (false, reason, None),
        }
    }
}

/// Named conditions that all have to hold.
#[derive(Debug)]
pub(super) struct Conditions(Vec<(String, String, Compiled)>);

impl Conditions {
    /// Those of a webhook's or a policy's `matchConditions`.
    pub(super) fn of(owner: &Value, params: bool) -> Self {
        let compiler = Compiler::new(params);
        let text = |condition: &Value, member: &str| object::str_at(condition, member).unwrap_or_default().to_owned();
        let compiled = object::list_at(owner, "/matchConditions").iter().map(|condition| {
            let expression = text(condition, "/expression");
            let program = compiler.compile(&expression, true, &[Type::Bool]);
            (text(condition, "/name"), expression, program)
        });
        Self(compiled.collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether all hold. One that does not decides, whatever the others say.
    ///
    /// # Errors
    /// What kept the others from being evaluated, joined.
    pub(super) fn hold(&self, variables: &[(&str, Cel<'_>)]) -> Result<bool, String> {
        let mut budget = Budget::new(PER_MATCH_CONDITIONS);
        let mut errors = Vec::new();
        for (_, expression, program) in &self.0 {
            match evaluate(program, expression, variables, &mut budget) {
                Ok(Cel::Bool(true)) => (),
                Ok(Cel::Bool(false)) => return Ok(false),
                Ok(_) => errors.push(format!("expression '{expression}' does not come to a bool")),
                Err(error) => errors.push(error),
            }
        }
        match errors.len() {
            0 => Ok(true),
            1 => Err(errors.remove(0)),
            _ => Err(format!("[{}]", errors.join(", "))),
        }
    }
}

/// The value of an expression, or upstream's words for why there is none.
pub(super) fn evaluate<'a>(
    program: &Compiled,
    expression: &str,
    variables: &[(&str, Cel<'a>)],
    budget: &mut Budget,
) -> Result<Cel<'a>, String> {
    let program = program.as_ref().map_err(Clone::clone)?;
    program.evaluate(variables, budget).map_err(|error| match error {
        Error::OutOfBudget => error.to_string(),
        error => format!("expression '{}' resulted in error: {error}", expression.trim()),
    })
}

/// The variables of a policy: compiled in order, evaluated when first asked for.
#[derive(Debug, Default)]
pub(super) struct Variables(Vec<(String, Compiled)>);

impl Variables {
    /// Compiles those of a policy; the compiler knows them from then on.
    pub(super) fn of(spec: &Value, compiler: &mut Compiler) -> Self {
        let text = |variable: &Value, member: &str| object::str_at(variable, member).unwrap_or_default().to_owned();
        let compile = |variable: &Value| {
            let name = text(variable, "/name");
            let program = compiler.variable(&name, &text(variable, "/expression"));
            (name, program)
        };
        Self(object::list_at(spec, "/variables").iter().map(compile).collect())
    }

    /// The value of the variable `variables`, for these values of the others.
    pub(super) fn bind<'a>(&'a self, inputs: Vec<(&'static str, Cel<'a>)>) -> Cel<'a> {
        let computed = Mutex::default();
        Cel::Host(Arc::new(Lazy(Arc::new(Computed { variables: self, inputs, computed }))))
    }
}

#[derive(Debug)]
struct Computed<'a> {
    variables: &'a Variables,
    inputs: Vec<(&'static str, Cel<'a>)>,
    computed: Mutex<BTreeMap<String, Result<Cel<'a>, Error>>>,
}

#[derive(Clone, Debug)]
struct Lazy<'a>(Arc<Computed<'a>>);

impl<'a> Host<'a> for Lazy<'a> {
    fn type_name(&self) -> &'static str {
        "kubernetes.variables"
    }

    fn select(&self, field: &str, budget: &mut Budget) -> Option<Result<Cel<'a>, Error>> {
        if let Some(known) = self.0.computed.lock().get(field) {
            return Some(known.clone());
        }
        let (_, program) = self.0.variables.0.iter().find(|(name, _)| name == field)?;
        let value = match program {
            Ok(program) => {
                let mut inputs = self.0.inputs.clone();
                inputs.push(("variables", Cel::Host(Arc::new(self.clone()))));
                program.evaluate(&inputs, budget)
            }
            Err(error) => Err(Error::Failed(error.clone())),
        };
        let value = value.map_err(|error| match error {
            Error::Failed(why) => Error::Failed(format!("composited variable \"{field}\" fails to evaluate: {why}")),
            error => error,
        });
        self.0.computed.lock().insert(field.to_owned(), value.clone());
        Some(value)
    }
}
