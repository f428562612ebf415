//! Policies with their bindings, compiled: what validating and mutating policies have in common. Upstream:
//! `admission/plugin/policy/generic`.

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_api::request::Lister;
use sampan_meta::selector::LabelSelector;
use sampan_meta::{GroupResource, Status, object};
use serde_json::Value;

use super::matching::{Criteria, Subject};

const GROUP: &str = "admissionregistration.k8s.io";

/// One policy, with what was compiled of it.
pub(super) struct Policy<E> {
    pub(super) name: String,
    criteria: Criteria,
    /// apiVersion and kind of its parameters.
    pub(super) param_kind: Option<(String, String)>,
    pub(super) fails_open: bool,
    pub(super) evaluator: E,
}

/// Where a policy applies, and with which parameters.
pub(super) struct Binding {
    pub(super) name: String,
    criteria: Option<Criteria>,
    param_ref: Option<Value>,
    /// `Deny`, `Warn`, `Audit`.
    pub(super) actions: Vec<String>,
}

/// A policy and the bindings that name it.
pub(super) struct Hook<E> {
    pub(super) policy: Arc<Policy<E>>,
    pub(super) bindings: Vec<Binding>,
}

/// A policy that a request is about, with a binding and one of its parameters.
pub(super) struct Invocation<'h, E> {
    pub(super) policy: &'h Policy<E>,
    pub(super) binding: &'h Binding,
    pub(super) params: Option<Arc<Value>>,
}

/// Why a policy could not be applied at all.
pub(super) struct Misconfigured<'h> {
    pub(super) policy: &'h str,
    pub(super) binding: Option<&'h str>,
    pub(super) why: String,
}

impl<E> Policy<E> {
    fn of(object: &Value, compile: fn(&Value) -> E) -> Self {
        let text = |pointer: &str| object::str_at(object, pointer).unwrap_or_default().to_owned();
        let kind = (text("/spec/paramKind/apiVersion"), text("/spec/paramKind/kind"));
        Self {
            name: object::name(object).to_owned(),
            criteria: Criteria::of(object.pointer("/spec/matchConstraints").unwrap_or(&Value::Null)),
            param_kind: (!kind.1.is_empty()).then_some(kind),
            fails_open: text("/spec/failurePolicy") == "Ignore",
            evaluator: compile(object),
        }
    }
}

impl Binding {
    fn of(object: &Value) -> Self {
        let given = |pointer: &str| object.pointer(pointer).filter(|value| !value.is_null());
        let actions = object::list_at(object, "/spec/validationActions").iter().filter_map(Value::as_str);
        Self {
            name: object::name(object).to_owned(),
            criteria: given("/spec/matchResources").map(Criteria::of),
            param_ref: given("/spec/paramRef").cloned(),
            actions: actions.map(str::to_owned).collect(),
        }
    }
}

type Generation = (String, i64);

/// Compiled policies, made anew of those that changed when anything did.
pub(super) struct Cache<E> {
    policies: GroupResource,
    bindings: GroupResource,
    compile: fn(&Value) -> E,
    state: Mutex<State<E>>,
}

struct State<E> {
    versions: (u64, u64),
    compiled: BTreeMap<String, (Generation, Arc<Policy<E>>)>,
    hooks: Arc<Vec<Hook<E>>>,
}

impl<E> Cache<E> {
    pub(super) fn new(policies: &str, bindings: &str, compile: fn(&Value) -> E) -> Self {
        let state = State { versions: (0, 0), compiled: BTreeMap::new(), hooks: Arc::default() };
        let resource = |name: &str| GroupResource::new(GROUP, name);
        Self { policies: resource(policies), bindings: resource(bindings), compile, state: Mutex::new(state) }
    }

    /// The policies that have bindings, in the order of their names. Costs two look-ups until any of them changes.
    pub(super) fn hooks(&self, lister: &dyn Lister) -> Arc<Vec<Hook<E>>> {
        let versions = (lister.version(&self.policies), lister.version(&self.bindings));
        let mut state = self.state.lock();
        if state.versions != versions {
            self.rebuild(&mut state, lister);
            state.versions = versions;
        }
        Arc::clone(&state.hooks)
    }

    fn rebuild(&self, state: &mut State<E>, lister: &dyn Lister) {
        let mut before = std::mem::take(&mut state.compiled);
        for object in lister.list(&self.policies, None) {
            let generation = (object::uid(&object).to_owned(), object::generation(&object));
            let name = object::name(&object).to_owned();
            let policy = match before.remove(&name) {
                Some((known, policy)) if known == generation => policy,
                _ => Arc::new(Policy::of(&object, self.compile)),
            };
            state.compiled.insert(name, (generation, policy));
        }
        let mut bound: BTreeMap<String, Vec<Binding>> = BTreeMap::new();
        for binding in lister.list(&self.bindings, None) {
            let policy = object::str_at(&binding, "/spec/policyName").unwrap_or_default();
            bound.entry(policy.to_owned()).or_default().push(Binding::of(&binding));
        }
        let hooks = state.compiled.iter().filter_map(|(name, (_, policy))| {
            let mut bindings = bound.remove(name)?;
            bindings.sort_by(|one, other| one.name.cmp(&other.name));
            Some(Hook { policy: Arc::clone(policy), bindings })
        });
        state.hooks = Arc::new(hooks.collect());
    }
}

/// What of the policies a request is about, and which of them cannot be applied to it.
pub(super) fn relevant<'h, E>(
    hooks: &'h [Hook<E>],
    subject: &Subject<'_>,
    lister: &dyn Lister,
) -> (Vec<Invocation<'h, E>>, Vec<Misconfigured<'h>>) {
    let (mut invocations, mut misconfigured) = (Vec::new(), Vec::new());
    for Hook { policy, bindings } in hooks {
        let mut blame = |binding: Option<&'h str>, status: Status| {
            if !policy.fails_open {
                misconfigured.push(Misconfigured { policy: &policy.name, binding, why: status.message });
            }
        };
        match policy.criteria.matches(subject, lister, false) {
            Ok(true) => (),
            Ok(false) => continue,
            Err(status) => {
                blame(None, status);
                continue;
            }
        }
        for binding in bindings {
            let matches =
                binding.criteria.as_ref().map_or(Ok(true), |criteria| criteria.matches(subject, lister, true));
            match matches
                .and_then(|matches| if matches { params(policy, binding, subject, lister) } else { Ok(Vec::new()) })
            {
                Ok(params) => {
                    invocations.extend(params.into_iter().map(|params| Invocation { policy, binding, params }));
                }
                Err(status) => blame(Some(&binding.name), status),
            }
        }
    }
    (invocations, misconfigured)
}

fn misfit(why: impl Into<String>) -> Status {
    let mut status = Status::internal("");
    status.message = why.into();
    status
}

/// The parameters a binding names: one without any where the policy has none. Upstream: `CollectParams`.
fn params<E>(
    policy: &Policy<E>,
    binding: &Binding,
    subject: &Subject<'_>,
    lister: &dyn Lister,
) -> Result<Vec<Option<Arc<Value>>>, Status> {
    let (Some((api_version, kind)), Some(reference)) = (&policy.param_kind, &binding.param_ref) else {
        return Ok(vec![None]);
    };
    let (resource, namespaced) = lister
        .resource_of(api_version, kind)
        .ok_or_else(|| misfit(format!("paramKind kind `{api_version}, Kind={kind}` not known")))?;
    let given = object::str_at(reference, "/namespace").unwrap_or_default();
    let namespace = match (namespaced, given, subject.namespace()) {
        (false, "", _) => "",
        (false, ..) => return Err(misfit("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")),
        (true, "", "") => {
            return Err(misfit(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources",
            ));
        }
        (true, "", own) => own,
        (true, given, _) => given,
    };
    let found: Vec<Arc<Value>> = match object::str_at(reference, "/name").filter(|name| !name.is_empty()) {
        Some(name) => lister.get(&resource, namespace, name).into_iter().collect(),
        None => {
            let selector =
                reference.get("selector").ok_or_else(|| misfit("one of name or selector must be provided"))?;
            let selector = LabelSelector::from_json(selector).map_err(|error| misfit(error.to_string()))?;
            let all = lister.list(&resource, namespaced.then_some(namespace)).into_iter();
            all.filter(|object| selector.matches_map(object::labels(object))).collect()
        }
    };
    let denies = object::str_at(reference, "/parameterNotFoundAction") == Some("Deny");
    if found.is_empty() && denies {
        return Err(misfit("no params found for policy binding with `Deny` parameterNotFoundAction"));
    }
    Ok(found.into_iter().map(Some).collect())
}
