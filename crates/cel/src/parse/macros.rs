//! Methods that are no functions: loops, and what is done with an optional.

use super::{Parser, Wrong};
use crate::ast::{Each, Expr, Loop, Node};

impl Parser {
    /// A method, which may be a macro: those with the right number of arguments that begin with names.
    pub(super) fn method(&mut self, at: usize, operand: Expr, name: &str) -> Result<Expr, Wrong> {
        let args = self.arguments()?;
        match (name, args.len()) {
            ("optMap" | "optFlatMap", 2) => self.with_optional(at, operand, name == "optFlatMap", args),
            ("all", 2 | 3) => self.each(at, Each::All, operand, args, false),
            ("exists", 2 | 3) => self.each(at, Each::Exists, operand, args, false),
            ("exists_one" | "existsOne", 2) | ("existsOne", 3) => self.each(at, Each::ExistsOne, operand, args, false),
            ("filter", 2) => self.each(at, Each::Filter, operand, args, false),
            ("map", 2) => self.each(at, Each::Map, operand, args, false),
            ("map", 3) => self.each(at, Each::Map, operand, args, true),
            ("sortBy", 2) => self.each(at, Each::SortBy, operand, args, false),
            ("transformList", 3 | 4) => {
                let filtered = args.len() == 4;
                self.each(at, Each::TransformList, operand, args, filtered)
            }
            ("transformMap", 3 | 4) => {
                let filtered = args.len() == 4;
                self.each(at, Each::TransformMap, operand, args, filtered)
            }
            ("transformMapEntry", 3 | 4) => {
                let filtered = args.len() == 4;
                self.each(at, Each::TransformMapEntry, operand, args, filtered)
            }
            _ => {
                let args = std::iter::once(operand).chain(args).collect();
                self.call(at, name, true, args)
            }
        }
    }

    fn each(&self, at: usize, each: Each, range: Expr, mut args: Vec<Expr>, filtered: bool) -> Result<Expr, Wrong> {
        let body = args.pop().expect("a macro was given its arguments");
        let filter = if filtered { args.pop() } else { None };
        let mut names = Vec::new();
        for arg in args {
            match arg.node {
                Node::Ident(name) if !names.contains(&name) => names.push(name),
                _ => return Err((arg.at, "argument must be a simple name".to_owned())),
            }
        }
        self.node(at, Node::Loop(Box::new(Loop { each, range, names, filter, body })))
    }

    fn with_optional(&self, at: usize, operand: Expr, flat: bool, mut args: Vec<Expr>) -> Result<Expr, Wrong> {
        let body = Box::new(args.pop().expect("a macro was given its arguments"));
        let Some(Expr { node: Node::Ident(name), .. }) = args.pop() else {
            return Err((at, "optMap() variable name must be a simple identifier".to_owned()));
        };
        self.node(at, Node::WithOptional { operand: operand.into(), name, body, flat })
    }
}
