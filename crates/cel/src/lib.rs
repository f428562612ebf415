//! The Common Expression Language as Kubernetes has it: rules of custom resources, admission policies, match conditions.
//!
//! An [`Env`] says which variables there are; it compiles a text once into a [`Program`], which is then evaluated as often as needed,
//! over JSON as it lies there.
//!
//! ```
//! use sampan_cel::{Budget, Env, Type, Value};
//! use serde_json::json;
//!
//! // The type comes from a schema; what is not known is `Type::Dyn`.
//! let shape = Type::object("object", [("replicas", Type::Int), ("max", Type::Int)]);
//! let env = Env::new().variable("self", shape.clone()).variable("oldSelf", shape.clone());
//! let rule = env.compile("self.replicas <= self.max")?;
//! assert_eq!(*rule.output(), Type::Bool);
//! assert!(!rule.uses("oldSelf"));
//!
//! let object = json!({ "replicas": 3, "max": 2 });
//! let mut budget = Budget::default(); // of the whole request
//! let holds = rule.evaluate(&[("self", Value::typed(&object, &shape))], &mut budget)?;
//! assert!(holds.equals(&Value::Bool(false)));
//!
//! let message = env.compile("'at most ' + string(self.max)")?;
//! let text = message.evaluate(&[("self", Value::typed(&object, &shape))], &mut budget)?;
//! assert_eq!(text.to_json()?, json!("at most 2"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! What it does not do: no I/O, no clock; expressions have no effects.
//!
//! Invariants:
//! - an expression ends: whatever a text says, compiling and evaluating it take bounded time, memory and stack, and answer an error
//!   where the bound is;
//! - no input panics;
//! - the cost of an evaluation depends on the expression and its values alone.
//!
//! Why it is our own: the evaluators to be had count no cost and so cannot end an expression, and copy the object they look at.

pub mod admission;
mod ast;
mod authorizer;
mod budget;
mod check;
mod error;
mod estimate;
mod eval;
mod functions;
mod parse;
mod token;
mod types;
mod value;
mod words;

#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;

pub use authorizer::{AUTHORIZER, Authorize, Question, authorizer};
pub use budget::{Budget, PER_EXPRESSION, PER_MATCH_CONDITIONS, PER_REQUEST};
pub use error::{CompileError, Error};
pub use estimate::Shape;
pub use types::{DYN, Field, ListType, ObjectType, Order, Type, escape};
pub use value::{Cidr, Host, Key, List, Map, Struct, Text, Value};
pub use words::is_word;

use crate::ast::Expr;
use crate::check::Checker;
use crate::error::Issue;
use crate::eval::Machine;

/// Which variables expressions may use.
#[derive(Clone, Debug, Default)]
pub struct Env {
    variables: Vec<(Arc<str>, Type)>,
    builds: bool,
}

impl Env {
    /// No variables.
    pub fn new() -> Self {
        Self::default()
    }

    /// One more.
    #[must_use]
    pub fn variable(mut self, name: &str, type_: Type) -> Self {
        self.variables.push((name.into(), type_));
        self
    }

    /// Lets expressions build `Object{…}` and `JSONPatch{…}`, as those of mutating policies do.
    #[must_use]
    pub fn building(mut self) -> Self {
        self.builds = true;
        self
    }

    /// Compiles a text: once, however often it is evaluated.
    ///
    /// # Errors
    /// When it is no expression, uses what is not declared, or cannot have a value; the text says where.
    pub fn compile(&self, source: &str) -> Result<Program, CompileError> {
        let wrong = |(at, message): (usize, String)| CompileError(vec![Issue::new(source, at, message)]);
        let mut expr = parse::parse(source).map_err(wrong)?;
        let variables = self.variables.clone();
        let mut checker = Checker { source, variables, builds: self.builds, issues: Vec::new(), types: Vec::new() };
        let output = checker.check(&mut expr);
        match checker.issues.is_empty() {
            true => Ok(Program { expr, output, types: checker.types }),
            false => Err(CompileError(checker.issues)),
        }
    }
}

/// An expression that can be evaluated.
#[derive(Debug)]
pub struct Program {
    expr: Expr,
    output: Type,
    /// Of every node, by its number.
    types: Vec<Type>,
}

impl Program {
    /// The type of what it comes to, as far as it is known.
    pub fn output(&self) -> &Type {
        &self.output
    }

    /// Whether it can come to a value of this type.
    pub fn gives(&self, type_: &Type) -> bool {
        self.output.goes_with(type_)
    }

    /// Whether it names a variable anywhere: a rule that uses `oldSelf` is one about changes.
    pub fn uses(&self, name: &str) -> bool {
        let mut names = BTreeSet::new();
        self.expr.names(&mut names);
        names.contains(name)
    }

    /// The most that evaluating it may cost, in the units of a [`Budget`], where its variables are of this shape.
    pub fn worst_cost(&self, shape: &Shape) -> u64 {
        estimate::worst(&self.expr, &self.types, shape)
    }

    /// The value of the expression for these values of its variables. Nothing else is looked at.
    ///
    /// # Errors
    /// When there is none, with upstream's words for why; [`Error::is_final`] when it costs too much.
    pub fn evaluate<'a>(&self, variables: &[(&str, Value<'a>)], budget: &mut Budget) -> Result<Value<'a>, Error> {
        let variables: Vec<(Arc<str>, Value<'a>)> =
            variables.iter().map(|(name, value)| ((*name).into(), value.clone())).collect();
        budget.for_one(|budget| Machine { variables: &variables, scope: Vec::new(), budget }.eval(&self.expr))
    }
}
