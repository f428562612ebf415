//! MutatingAdmissionPolicies: changes in expressions. Upstream: `admission/plugin/policy/mutating`.

use sampan_api::request::AdmissionRequest;
use sampan_cel::admission::Compiler;
use sampan_cel::{Budget, Type};
use sampan_meta::apply::{Typed, merge};
use sampan_meta::{Status, object};
use serde_json::Value;

use super::expressions::{Compiled, Conditions, Inputs, Variables, evaluate};
use super::matching::Subject;
use super::policies::{Cache, Invocation, Misconfigured, relevant};
use super::webhooks::Rounds;
use super::{Context, forbidden};

pub(super) struct MutatingAdmissionPolicies {
    cache: Cache<Evaluator>,
}

/// The expressions of one policy.
pub(super) struct Evaluator {
    conditions: Conditions,
    variables: Variables,
    mutations: Vec<Mutation>,
    reinvocable: bool,
}

struct Mutation {
    /// A partial object that is applied; otherwise a list of operations.
    applies: bool,
    expression: String,
    program: Compiled,
}

impl Default for MutatingAdmissionPolicies {
    fn default() -> Self {
        let (policies, bindings) = ("mutatingadmissionpolicies", "mutatingadmissionpolicybindings");
        Self { cache: Cache::new(policies, bindings, Evaluator::of) }
    }
}

impl MutatingAdmissionPolicies {
    pub(super) fn mutate(
        &self,
        context: &Context,
        request: &AdmissionRequest<'_>,
        object: &mut Value,
        rounds: &mut Rounds,
    ) -> Result<(), Status> {
        let hooks = self.cache.hooks(&*context.lister);
        if hooks.is_empty() {
            return Ok(());
        }
        let original = object.clone();
        let subject = Subject::new(request, &original);
        if subject.is_exempt() || subject.object.is_none() {
            return Ok(());
        }
        let (invocations, misconfigured) = relevant(&hooks, &subject, &*context.lister);
        let mut errors: Vec<String> = misconfigured.into_iter().map(configuration_error).collect();
        if !invocations.is_empty() {
            let namespace = subject.namespace_object(&*context.lister)?;
            let inputs = Inputs::new(subject, namespace, &context.authorizer);
            for invocation in &invocations {
                if let Err(why) = apply(&inputs, invocation, object, rounds)
                    && !invocation.policy.fails_open
                {
                    let (policy, binding) = (&invocation.policy.name, &invocation.binding.name);
                    errors.push(format!("policy '{policy}' with binding '{binding}' denied request: {why}"));
                }
            }
        }
        match errors.into_iter().next() {
            Some(message) => {
                let mut status = forbidden(request, object, "").with_cause("", &message, "");
                status.message = message;
                Err(status)
            }
            None => Ok(()),
        }
    }
}

fn configuration_error(misconfigured: Misconfigured<'_>) -> String {
    let Misconfigured { policy, binding, why } = misconfigured;
    match binding {
        Some(binding) => format!("policy '{policy}' with binding '{binding}' denied request: {why}"),
        None => format!("policy '{policy}' denied request: {why}"),
    }
}

/// Makes the changes of one policy, each on what the one before left.
fn apply(
    inputs: &Inputs<'_>,
    invocation: &Invocation<'_, Evaluator>,
    object: &mut Value,
    rounds: &mut Rounds,
) -> Result<(), String> {
    let params = invocation.params.as_deref();
    let named = params.map(|params| format!("{}/{}", object::namespace(params), object::name(params)));
    let key = format!("policy {} {} {}", invocation.policy.name, invocation.binding.name, named.unwrap_or_default());
    let evaluator = &invocation.policy.evaluator;
    if !rounds.asks(&key) || !evaluator.conditions.hold(&inputs.bind(Some(object), params))? {
        return Ok(());
    }
    let before = object.clone();
    for mutation in &evaluator.mutations {
        let changed = mutation.apply(inputs, evaluator, object, params)?;
        *object = changed;
    }
    if *object != before {
        rounds.change();
    }
    rounds.note(&key, evaluator.reinvocable);
    Ok(())
}

impl Evaluator {
    fn of(policy: &Value) -> Self {
        let spec = policy.get("spec").unwrap_or(&Value::Null);
        let has_params = spec.get("paramKind").is_some_and(Value::is_object);
        let mut compiler = Compiler::new(has_params).building();
        let variables = Variables::of(spec, &mut compiler);
        let mutations =
            object::list_at(spec, "/mutations").iter().map(|given| Mutation::of(given, &compiler)).collect();
        Self {
            conditions: Conditions::of(spec, has_params),
            variables,
            mutations,
            reinvocable: object::str_at(spec, "/reinvocationPolicy") == Some("IfNeeded"),
        }
    }
}

impl Mutation {
    fn of(given: &Value, compiler: &Compiler) -> Self {
        let applies = object::str_at(given, "/patchType") != Some("JSONPatch");
        let (pointer, wanted) = match applies {
            true => ("/applyConfiguration/expression", Type::object("Object", [])),
            false => ("/jsonPatch/expression", Type::list(Type::object("JSONPatch", []))),
        };
        let expression = object::str_at(given, pointer).unwrap_or_default().to_owned();
        Self { applies, program: compiler.compile(&expression, true, &[wanted]), expression }
    }

    /// The object with the change made, in its shape and with its defaults again.
    fn apply(
        &self,
        inputs: &Inputs<'_>,
        evaluator: &Evaluator,
        object: &Value,
        params: Option<&Value>,
    ) -> Result<Value, String> {
        let mut variables = inputs.bind(Some(object), params);
        variables.push(("variables", evaluator.variables.bind(variables.clone())));
        let made = evaluate(&self.program, &self.expression, &variables, &mut Budget::default())?;
        let made = made
            .to_json()
            .map_err(|error| format!("expression '{}' resulted in error: {error}", self.expression.trim()))?;
        match self.applies {
            true => applied(object, made),
            false => {
                let mut changed = object.clone();
                sampan_meta::patch::json(&mut changed, &made).map_err(|error| format!("JSON Patch: {error}"))?;
                super::reshaped(changed).map_err(|status| status.message)
            }
        }
    }
}

/// The object with a partial one merged into it, as server-side apply does it. Upstream: `mutating/patch/smd.go`.
fn applied(object: &Value, mut partial: Value) -> Result<Value, String> {
    let (api_version, kind) = (object::api_version(object), object::kind(object));
    let type_ = sampan_api::schema().by_kind(api_version, kind);
    let typed = type_.map_or_else(Typed::deduced, |type_| Typed::of(sampan_api::schema(), type_));
    if let Some(type_) = type_
        && let Some(unknown) = sampan_meta::decode::conform(sampan_api::schema(), type_, &mut partial)
            .map_err(|error| format!("error applying patch: {error}"))?
            .first()
    {
        return Err(format!("error applying patch: field not declared in schema: {unknown}"));
    }
    let merged = merge(typed, object, &partial).map_err(|error| format!("error applying patch: {error}"))?;
    super::reshaped(merged).map_err(|status| status.message)
}
