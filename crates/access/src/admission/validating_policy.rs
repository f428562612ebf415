//! ValidatingAdmissionPolicies: rules in expressions. Upstream: `admission/plugin/policy/validating`.

use sampan_api::request::AdmissionRequest;
use sampan_cel::admission::Compiler;
use sampan_cel::{Budget, Type, Value as Cel};
use sampan_meta::{Status, object};
use serde_json::{Value, json};

use super::expressions::{Compiled, Conditions, Inputs, Variables, evaluate};
use super::matching::Subject;
use super::policies::{Cache, Invocation, Misconfigured, relevant};
use super::{Context, forbidden};

/// Bytes of a message an expression makes; a longer one is not used.
const LONGEST_MESSAGE: usize = 5 * 1024;
/// Bytes of an annotation that are kept.
const LONGEST_ANNOTATION: usize = 10 * 1024;
/// Findings that go into the audit log.
const MOST_FAILURES: usize = 50;
const FAILURE: &str = "validation.policy.admission.k8s.io/validation_failure";

/// What a rule has against an object.
struct Finding {
    /// Which of the rules.
    index: usize,
    reason: String,
    message: String,
}

/// What a policy says of an object.
#[derive(Default)]
struct Outcome {
    findings: Vec<Finding>,
    /// Annotations that could not be made: they refuse, whatever the binding says.
    broken: Vec<String>,
}

pub(super) struct ValidatingAdmissionPolicies {
    cache: Cache<Evaluator>,
}

/// The expressions of one policy.
pub(super) struct Evaluator {
    conditions: Conditions,
    variables: Variables,
    validations: Vec<Validation>,
    /// Keys, expressions.
    annotations: Vec<(String, String, Compiled)>,
}

struct Validation {
    expression: String,
    program: Compiled,
    message: String,
    message_expression: Option<(String, Compiled)>,
    reason: String,
}

/// What is to be said against a request, in the name of a policy and its binding.
struct Denial<'h> {
    policy: &'h str,
    binding: Option<&'h str>,
    reason: String,
    message: String,
}

impl Default for ValidatingAdmissionPolicies {
    fn default() -> Self {
        let (policies, bindings) = ("validatingadmissionpolicies", "validatingadmissionpolicybindings");
        Self { cache: Cache::new(policies, bindings, Evaluator::of) }
    }
}

impl ValidatingAdmissionPolicies {
    pub(super) fn validate(
        &self,
        context: &Context,
        request: &AdmissionRequest<'_>,
        object: &Value,
    ) -> Result<(), Status> {
        let (hooks, subject) = (self.cache.hooks(&*context.lister), Subject::new(request, object));
        if hooks.is_empty() || subject.is_exempt() {
            return Ok(());
        }
        let (invocations, misconfigured) = relevant(&hooks, &subject, &*context.lister);
        let mut denials: Vec<Denial<'_>> = misconfigured.into_iter().map(Denial::of_configuration).collect();
        if !invocations.is_empty() {
            let namespace = subject.namespace_object(&*context.lister)?;
            let inputs = Inputs::new(subject, namespace, &context.authorizer);
            let mut failures = Vec::new();
            for invocation in &invocations {
                apply(&inputs, invocation, &mut denials, &mut failures);
            }
            publish(&inputs, failures);
        }
        match denials.into_iter().next() {
            Some(denial) => Err(denial.status(request, object)),
            None => Ok(()),
        }
    }
}

/// Does with each finding what the binding says.
fn apply<'h>(
    inputs: &Inputs<'_>,
    invocation: &Invocation<'h, Evaluator>,
    denials: &mut Vec<Denial<'h>>,
    failures: &mut Vec<Value>,
) {
    let Invocation { policy, binding, .. } = invocation;
    let Outcome { findings, broken } = invocation.policy.evaluator.evaluate(inputs, invocation);
    let denial = |reason, message| Denial { policy: &policy.name, binding: Some(&binding.name), reason, message };
    denials.extend(broken.into_iter().map(|why| denial(String::new(), why)));
    for Finding { index, reason, message } in findings {
        for action in &binding.actions {
            match action.as_str() {
                "Deny" => denials.push(denial(reason.clone(), message.clone())),
                "Warn" => {
                    let (policy, binding) = (&policy.name, &binding.name);
                    let told = format!(
                        "Validation failed for ValidatingAdmissionPolicy '{policy}' with binding '{binding}': {message}"
                    );
                    inputs.subject.request.warnings.add(told);
                }
                _ => failures.push(json!({
                    "message": message,
                    "policy": policy.name,
                    "binding": binding.name,
                    "expressionIndex": index,
                    "validationActions": binding.actions,
                })),
            }
        }
    }
}

/// The findings that bindings want in the audit log.
fn publish(inputs: &Inputs<'_>, mut failures: Vec<Value>) {
    failures.truncate(MOST_FAILURES);
    if !failures.is_empty() {
        inputs.subject.request.warnings.annotate(FAILURE, Value::Array(failures).to_string());
    }
}

impl Evaluator {
    fn of(policy: &Value) -> Self {
        let spec = policy.get("spec").unwrap_or(&Value::Null);
        let has_params = spec.get("paramKind").is_some_and(Value::is_object);
        let mut compiler = Compiler::new(has_params);
        let variables = Variables::of(spec, &mut compiler);
        let validations = object::list_at(spec, "/validations").iter().map(|given| Validation::of(given, &compiler));
        let text = |given: &Value, pointer: &str| object::str_at(given, pointer).unwrap_or_default().to_owned();
        let annotations = object::list_at(spec, "/auditAnnotations").iter().map(|given| {
            let expression = text(given, "/valueExpression");
            let program = compiler.compile(&expression, false, &[Type::String, Type::Null]);
            (text(given, "/key"), expression, program)
        });
        Self {
            conditions: Conditions::of(spec, has_params),
            variables,
            validations: validations.collect(),
            annotations: annotations.collect(),
        }
    }

    /// What the policy has to say of the object.
    fn evaluate(&self, inputs: &Inputs<'_>, invocation: &Invocation<'_, Self>) -> Outcome {
        let params = invocation.params.as_deref();
        let mut variables = inputs.bind(inputs.subject.object, params);
        let fails_open = invocation.policy.fails_open;
        let failed = |index, message| (!fails_open).then_some(Finding { index, reason: String::new(), message });
        if !self.conditions.is_empty() {
            match self.conditions.hold(&variables) {
                Ok(true) => (),
                Ok(false) => return Outcome::default(),
                Err(why) => return Outcome { findings: failed(0, why).into_iter().collect(), broken: Vec::new() },
            }
        }
        variables.push(("variables", self.variables.bind(variables.clone())));
        let (mut budget, mut findings) = (Budget::default(), Vec::new());
        for (index, validation) in self.validations.iter().enumerate() {
            match evaluate(&validation.program, &validation.expression, &variables, &mut budget) {
                Ok(Cel::Bool(true)) => (),
                Ok(_) => {
                    let message = validation.message(&variables, &mut budget);
                    findings.push(Finding { index, reason: validation.reason.clone(), message });
                }
                Err(why) => findings.extend(failed(index, why)),
            }
        }
        let broken = self.annotate(inputs, &invocation.policy.name, &variables);
        Outcome { findings, broken: if fails_open { Vec::new() } else { broken } }
    }

    /// Tells the audit log what the policy wants in it; answers what went wrong.
    fn annotate(&self, inputs: &Inputs<'_>, policy: &str, variables: &[(&str, Cel<'_>)]) -> Vec<String> {
        let (mut budget, mut broken) = (Budget::default(), Vec::new());
        for (key, expression, program) in &self.annotations {
            match evaluate(program, expression, variables, &mut budget) {
                Ok(Cel::String(text)) if !text.trim().is_empty() => {
                    let kept: String = text.trim().chars().take(LONGEST_ANNOTATION).collect();
                    inputs.subject.request.warnings.annotate(format!("{policy}/{key}"), kept);
                }
                Ok(Cel::String(_) | Cel::Null) => (),
                Ok(other) => broken.push(format!(
                    "valueExpression '{expression}' resulted in unsupported return type: {}. Return type must be either string or null.",
                    other.type_name()
                )),
                Err(why) => broken.push(why),
            }
        }
        broken
    }
}

impl Validation {
    fn of(given: &Value, compiler: &Compiler) -> Self {
        let text = |pointer: &str| object::str_at(given, pointer).unwrap_or_default().to_owned();
        let (expression, message_expression) = (text("/expression"), text("/messageExpression"));
        let message_program = compiler.compile(&message_expression, false, &[Type::String]);
        Self {
            program: compiler.compile(&expression, true, &[Type::Bool]),
            expression,
            message: text("/message"),
            message_expression: (!message_expression.is_empty()).then_some((message_expression, message_program)),
            reason: text("/reason"),
        }
    }

    /// The message the expression makes, else the one that is written down, else the rule itself.
    fn message(&self, variables: &[(&str, Cel<'_>)], budget: &mut Budget) -> String {
        if let Some((expression, program)) = &self.message_expression
            && let Ok(Cel::String(text)) = evaluate(program, expression, variables, budget)
            && let text = text.trim()
            && !text.is_empty()
            && text.len() <= LONGEST_MESSAGE
            && !text.contains('\n')
        {
            return text.to_owned();
        }
        match self.message.trim() {
            "" => format!("failed expression: {}", self.expression.trim()),
            message => message.to_owned(),
        }
    }
}

impl<'h> Denial<'h> {
    fn of_configuration(misconfigured: Misconfigured<'h>) -> Self {
        let Misconfigured { policy, binding, why } = misconfigured;
        let what = if binding.is_some() { "binding" } else { "policy" };
        Self { policy, binding, reason: String::new(), message: format!("failed to configure {what}: {why}") }
    }

    fn status(&self, request: &AdmissionRequest<'_>, object: &Value) -> Status {
        let Self { policy, binding, reason, message } = self;
        let bound = binding.map(|binding| format!(" with binding '{binding}'")).unwrap_or_default();
        let message = format!("ValidatingAdmissionPolicy '{policy}'{bound} denied request: {message}");
        let mut status = forbidden(request, object, &message).with_cause("", &message, "");
        (status.reason, status.code) = match reason.as_str() {
            "Unauthorized" => (reason.clone(), 401),
            "Forbidden" => (reason.clone(), 403),
            "RequestEntityTooLarge" => (reason.clone(), 413),
            _ => ("Invalid".to_owned(), 422),
        };
        status
    }
}
