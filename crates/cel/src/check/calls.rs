//! What a call can mean.

use super::Checker;
use crate::ast::{Call, Literal, Node};
use crate::functions::{self, Bound, Overload};
use crate::types::Type;

impl Checker<'_> {
    pub(super) fn call(&mut self, at: usize, call: &mut Call) -> Type {
        if let Some((name, true)) = call.method.then(|| self.qualified(call)).flatten().map(|name| (name, true)) {
            call.args.remove(0);
            call.method = false;
            call.name = name.into();
        }
        let types: Vec<Type> = call.args.iter_mut().map(|arg| self.check(arg)).collect();
        let known = functions::find(&call.name, call.method);
        // A method of something only the caller knows is looked up when it is there.
        let of_host = call.method && types.first().is_some_and(crate::authorizer::is_host);
        if known.is_empty() && !(call.method && crate::authorizer::METHODS.contains(&&*call.name)) {
            return self.issue(at, format!("undeclared reference to '{}' (in container '')", call.name));
        }
        if of_host {
            return match crate::authorizer::result(&types, &call.name) {
                Some(result) => result,
                None => self.no_overload(at, call, &types),
            };
        }
        let mut result: Option<Type> = None;
        for overload in known {
            let Some(found) = accepted(overload, &types) else { continue };
            call.overloads.push(overload);
            result = Some(match result {
                None => found,
                Some(before) => before.joined(&found),
            });
        }
        let may_be_host =
            call.method && types.first() == Some(&Type::Dyn) && crate::authorizer::METHODS.contains(&&*call.name);
        self.check_literal(at, call);
        match result {
            Some(_) if may_be_host => Type::Dyn,
            Some(result) => result,
            None if may_be_host => Type::Dyn,
            None => self.no_overload(at, call, &types),
        }
    }

    fn no_overload(&mut self, at: usize, call: &Call, types: &[Type]) -> Type {
        let list = |types: &[Type]| types.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
        let applied = match (call.method, types) {
            (true, [target, rest @ ..]) => format!("{target}.({})", list(rest)),
            _ => format!("({})", list(types)),
        };
        self.issue(at, format!("found no matching overload for '{}' applied to '{applied}'", call.name))
    }

    /// `sets.contains(a, b)` reads like a method of a variable `sets`.
    fn qualified(&self, call: &Call) -> Option<String> {
        let path = call.args.first()?.path()?;
        let root = path.split('.').next().unwrap_or_default();
        let name = format!("{path}.{}", call.name);
        (self.variable(root).is_none() && !functions::find(&name, false).is_empty()).then_some(name)
    }

    /// What is written down in a special form must have it. Upstream: cel-go's `ValidateRegexLiterals` and its like.
    fn check_literal(&mut self, at: usize, call: &Call) {
        let Some(Node::Literal(Literal::String(text))) = call.args.last().map(|arg| &arg.node) else { return };
        let wrong = match (&*call.name, call.args.len()) {
            ("matches", 2) => functions::compile_regex(text).err().map(|_| "matches"),
            ("duration", 1) => functions::time::parse_duration(text).is_none().then_some("duration"),
            ("timestamp", 1) => functions::time::parse_timestamp(text).err().map(|_| "timestamp"),
            _ => None,
        };
        if let Some(what) = wrong {
            let at = call.args.last().map_or(at, |arg| arg.at);
            self.issue(at, format!("invalid {what} argument"));
        }
    }
}

fn accepted(overload: &Overload, types: &[Type]) -> Option<Type> {
    let mut bound = Bound::default();
    let fits = overload.args.len() == types.len()
        && overload.args.iter().zip(types).all(|(wanted, type_)| wanted.accepts(type_, &mut bound));
    fits.then(|| overload.result.resolve(&bound))
}
