//! The variables of expressions in admission. Upstream: `apiserver/pkg/admission/plugin/cel/compile.go`.

use std::sync::LazyLock;

use crate::{AUTHORIZER, CompileError, Env, Program, Type};

/// The type of `request`: an AdmissionRequest without its objects.
pub static REQUEST: LazyLock<Type> = LazyLock::new(|| {
    let kind = Type::object(
        "kubernetes.GroupVersionKind",
        [("group", Type::String), ("version", Type::String), ("kind", Type::String)],
    );
    let resource = Type::object(
        "kubernetes.GroupVersionResource",
        [("group", Type::String), ("version", Type::String), ("resource", Type::String)],
    );
    let user = Type::object(
        "kubernetes.UserInfo",
        [
            ("username", Type::String),
            ("uid", Type::String),
            ("groups", Type::list(Type::String)),
            ("extra", Type::map(Type::list(Type::String))),
        ],
    );
    Type::object(
        "kubernetes.AdmissionRequest",
        [
            ("kind", kind.clone()),
            ("resource", resource.clone()),
            ("subResource", Type::String),
            ("requestKind", kind),
            ("requestResource", resource),
            ("requestSubResource", Type::String),
            ("name", Type::String),
            ("namespace", Type::String),
            ("operation", Type::String),
            ("userInfo", user),
            ("dryRun", Type::Bool),
            ("options", Type::Dyn),
        ],
    )
});

/// The type of `namespaceObject`: what of a namespace rules may depend on.
pub static NAMESPACE: LazyLock<Type> = LazyLock::new(|| {
    let texts = || Type::list(Type::String);
    let metadata = Type::object(
        "kubernetes.NamespaceMetadata",
        [
            ("name", Type::String),
            ("generateName", Type::String),
            ("namespace", Type::String),
            ("labels", Type::map(Type::String)),
            ("annotations", Type::map(Type::String)),
            ("UID", Type::String),
            ("creationTimestamp", Type::Timestamp),
            ("deletionGracePeriodSeconds", Type::Int),
            ("deletionTimestamp", Type::Timestamp),
            ("generation", Type::Int),
            ("resourceVersion", Type::String),
            ("finalizers", texts()),
        ],
    );
    let condition = Type::object(
        "kubernetes.NamespaceCondition",
        [
            ("status", Type::String),
            ("type", Type::String),
            ("lastTransitionTime", Type::Timestamp),
            ("message", Type::String),
            ("reason", Type::String),
        ],
    );
    let status =
        Type::object("kubernetes.NamespaceStatus", [("conditions", Type::list(condition)), ("phase", Type::String)]);
    let spec = Type::object("kubernetes.NamespaceSpec", [("finalizers", texts())]);
    Type::object("kubernetes.Namespace", [("metadata", metadata), ("spec", spec), ("status", status)])
});

/// Compiles the expressions of one policy or webhook.
#[derive(Clone, Debug)]
pub struct Compiler {
    params: bool,
    builds: bool,
    variables: Vec<(String, Type)>,
}

impl Compiler {
    /// For expressions that see `params` or not.
    pub fn new(params: bool) -> Self {
        Self { params, builds: false, variables: Vec::new() }
    }

    /// Lets them build objects and patches.
    #[must_use]
    pub fn building(mut self) -> Self {
        self.builds = true;
        self
    }

    /// Compiles a variable, which the expressions that follow may use whatever becomes of it.
    ///
    /// # Errors
    /// As [`Self::compile`].
    pub fn variable(&mut self, name: &str, expression: &str) -> Result<Program, String> {
        let program = self.compile(expression, true, &[]);
        let type_ = program.as_ref().map(|program| program.output().clone()).unwrap_or_default();
        self.variables.push((name.to_owned(), type_));
        program
    }

    /// Compiles an expression that has to come to one of these types, or to any if none is named; `authorizer` says whether it may ask
    /// who may do what.
    ///
    /// # Errors
    /// What is wrong with it, in upstream's words.
    pub fn compile(&self, expression: &str, authorizer: bool, wanted: &[Type]) -> Result<Program, String> {
        let failed = |error: CompileError| format!("compilation failed: {error}");
        let program = self.env(authorizer).compile(expression.trim()).map_err(failed)?;
        if wanted.is_empty() || wanted.iter().any(|type_| program.gives(type_)) {
            return Ok(program);
        }
        let names: Vec<String> = wanted.iter().map(ToString::to_string).collect();
        Err(match names.as_slice() {
            [name] => format!("must evaluate to {name} but got {}", program.output()),
            names => format!("must evaluate to one of [{}] but got {}", names.join(" "), program.output()),
        })
    }

    fn env(&self, authorizer: bool) -> Env {
        let mut env = Env::new()
            .variable("object", Type::Dyn)
            .variable("oldObject", Type::Dyn)
            .variable("request", REQUEST.clone())
            .variable("namespaceObject", NAMESPACE.clone());
        if self.params {
            env = env.variable("params", Type::Dyn);
        }
        if authorizer {
            env = env.variable("authorizer", AUTHORIZER);
        }
        if !self.variables.is_empty() {
            let variables = self.variables.iter().map(|(name, type_)| (name.as_str(), type_.clone()));
            env = env.variable("variables", Type::object("kubernetes.variables", variables));
        }
        if self.builds { env.building() } else { env }
    }
}
