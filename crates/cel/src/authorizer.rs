//! Asking from an expression who may do what: `authorizer.group('apps').resource('deployments').check('create').allowed()`.
//! Upstream: `apiserver/pkg/cel/library/authz.go`.

use std::fmt;
use std::sync::Arc;

use crate::budget::Budget;
use crate::error::Error;
use crate::types::Type;
use crate::value::{Host, Value};

/// What one question costs: no expression may ask three.
const CHECK: u64 = 350_000;

/// The type of the variable `authorizer`.
pub const AUTHORIZER: Type = Type::Opaque("kubernetes.authorization.Authorizer");
/// The type of the variable `authorizer.requestResource`, declared as a field of it.
pub(crate) const RESOURCE_CHECK: Type = Type::Opaque(RESOURCE_NAME);
const PATH_NAME: &str = "kubernetes.authorization.PathCheck";
const GROUP_NAME: &str = "kubernetes.authorization.GroupCheck";
const RESOURCE_NAME: &str = "kubernetes.authorization.ResourceCheck";
const DECISION_NAME: &str = "kubernetes.authorization.Decision";
const AUTHORIZER_NAME: &str = "kubernetes.authorization.Authorizer";

pub(crate) const METHODS: [&str; 14] = [
    "path",
    "group",
    "serviceAccount",
    "resource",
    "subresource",
    "namespace",
    "name",
    "fieldSelector",
    "labelSelector",
    "check",
    "allowed",
    "reason",
    "errored",
    "error",
];

/// A question an expression asks. Empty fields are not set.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Question {
    /// Namespace and name of the service account that is asked about; otherwise the user of the request is.
    pub service_account: Option<(String, String)>,
    /// A path that is no resource; then only the verb counts besides.
    pub path: Option<String>,
    pub group: String,
    pub resource: String,
    pub subresource: String,
    pub namespace: String,
    pub name: String,
    pub field_selector: String,
    pub label_selector: String,
    pub verb: String,
}

/// Answers questions.
pub trait Authorize: Send + Sync {
    /// Whether it is allowed, and why; an error is what kept it from being decided.
    fn check(&self, question: &Question) -> (bool, String, Option<String>);
}

/// The value of the variable `authorizer`, and what its methods make of it.
#[derive(Clone)]
struct Asking<'a> {
    stage: &'static str,
    authorize: Arc<dyn Authorize + 'a>,
    question: Question,
    /// What `authorizer.requestResource` is.
    request: Option<Arc<Question>>,
}

impl fmt::Debug for Asking<'_> {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {:?}", self.stage, self.question)
    }
}

#[derive(Clone, Debug)]
struct Decision {
    allowed: bool,
    reason: String,
    error: Option<String>,
}

/// The variable `authorizer`; `request` is the resource of the request that is judged.
pub fn authorizer<'a>(authorize: Arc<dyn Authorize + 'a>, request: Question) -> Value<'a> {
    let request = Some(Arc::new(request));
    Value::Host(Arc::new(Asking { stage: AUTHORIZER_NAME, authorize, question: Question::default(), request }))
}

/// Whether methods of this type are here.
pub(crate) fn is_host(type_: &Type) -> bool {
    matches!(type_, Type::Opaque(name) if name.starts_with("kubernetes.authorization."))
}

/// What a method gives for arguments of these types, the first of which it is called on.
pub(crate) fn result(types: &[Type], method: &str) -> Option<Type> {
    let [Type::Opaque(stage), args @ ..] = types else { return None };
    let next = next_stage(stage, method)?;
    let wanted = arguments(stage, method);
    let fits = args.len() == wanted && args.iter().all(|arg| arg.goes_with(&Type::String));
    fits.then_some(next)
}

fn arguments(stage: &str, method: &str) -> usize {
    match method {
        "serviceAccount" => 2,
        _ if stage == DECISION_NAME => 0,
        _ => 1,
    }
}

fn next_stage(stage: &str, method: &str) -> Option<Type> {
    Some(match (stage, method) {
        (AUTHORIZER_NAME, "path") => Type::Opaque(PATH_NAME),
        (AUTHORIZER_NAME, "group") => Type::Opaque(GROUP_NAME),
        (AUTHORIZER_NAME, "serviceAccount") => Type::Opaque(AUTHORIZER_NAME),
        (GROUP_NAME, "resource") => Type::Opaque(RESOURCE_NAME),
        (RESOURCE_NAME, "subresource" | "namespace" | "name" | "fieldSelector" | "labelSelector") => {
            Type::Opaque(RESOURCE_NAME)
        }
        (RESOURCE_NAME | PATH_NAME, "check") => Type::Opaque(DECISION_NAME),
        (DECISION_NAME, "allowed" | "errored") => Type::Bool,
        (DECISION_NAME, "reason" | "error") => Type::String,
        _ => return None,
    })
}

impl<'a> Host<'a> for Asking<'a> {
    fn type_name(&self) -> &'static str {
        self.stage
    }

    fn select(&self, field: &str, _: &mut Budget) -> Option<Result<Value<'a>, Error>> {
        let request = self.request.as_ref().filter(|_| field == "requestResource" && self.stage == AUTHORIZER_NAME)?;
        let asking = Self { stage: RESOURCE_NAME, question: (**request).clone(), request: None, ..self.clone() };
        Some(Ok(Value::Host(Arc::new(asking))))
    }

    fn call(&self, method: &str, args: &[Value<'a>], budget: &mut Budget) -> Option<Result<Value<'a>, Error>> {
        let Some(Type::Opaque(stage)) = next_stage(self.stage, method) else { return None };
        let texts: Result<Vec<&str>, Error> = args.iter().map(Value::as_text).collect();
        let texts = texts.ok().filter(|texts| texts.len() == arguments(self.stage, method))?;
        Some(self.ask(stage, method, &texts, budget))
    }
}

impl<'a> Asking<'a> {
    fn ask(&self, stage: &'static str, method: &str, texts: &[&str], budget: &mut Budget) -> Result<Value<'a>, Error> {
        let mut next = Self { stage, ..self.clone() };
        let question = &mut next.question;
        match (method, texts) {
            ("path", [path]) => question.path = Some((*path).to_owned()),
            ("group", [group]) => question.group = (*group).to_owned(),
            ("serviceAccount", [namespace, name]) => {
                question.service_account = Some(((*namespace).into(), (*name).into()))
            }
            ("resource", [resource]) => question.resource = (*resource).to_owned(),
            ("subresource", [subresource]) => question.subresource = (*subresource).to_owned(),
            ("namespace", [namespace]) => question.namespace = (*namespace).to_owned(),
            ("name", [name]) => question.name = (*name).to_owned(),
            ("fieldSelector", [selector]) => question.field_selector = (*selector).to_owned(),
            ("labelSelector", [selector]) => question.label_selector = (*selector).to_owned(),
            ("check", [verb]) => {
                budget.charge(CHECK)?;
                question.verb = (*verb).to_owned();
                let (allowed, reason, error) = self.authorize.check(question);
                return Ok(Value::Host(Arc::new(Decision { allowed, reason, error })));
            }
            _ => return Err(Error::no_such_overload()),
        }
        Ok(Value::Host(Arc::new(next)))
    }
}

impl<'a> Host<'a> for Decision {
    fn type_name(&self) -> &'static str {
        DECISION_NAME
    }

    fn call(&self, method: &str, args: &[Value<'a>], _: &mut Budget) -> Option<Result<Value<'a>, Error>> {
        let value = match (method, args) {
            ("allowed", []) => Value::Bool(self.allowed),
            ("errored", []) => Value::Bool(self.error.is_some()),
            ("reason", []) => Value::string(self.reason.as_str()),
            ("error", []) => Value::string(self.error.as_deref().unwrap_or_default()),
            _ => return None,
        };
        Some(Ok(value))
    }
}
