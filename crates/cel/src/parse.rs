//! From words to a tree.

use std::sync::Arc;

use crate::ast::{Call, Expr, Literal, MAX_HEIGHT, Node};
use crate::token::{Placed, Token, tokens};
use crate::words::is_reserved;

mod macros;

type Wrong = (usize, String);

/// What upstream accepts of one expression, in characters.
const MAX_LENGTH: usize = 100_000;

/// Binary signs with how strongly they bind and the functions they mean.
const BINARY: [(&str, u8, &str); 12] = [
    ("<", 3, "_<_"),
    ("<=", 3, "_<=_"),
    (">", 3, "_>_"),
    (">=", 3, "_>=_"),
    ("==", 3, "_==_"),
    ("!=", 3, "_!=_"),
    ("in", 3, "@in"),
    ("+", 4, "_+_"),
    ("-", 4, "_-_"),
    ("*", 5, "_*_"),
    ("/", 5, "_/_"),
    ("%", 5, "_%_"),
];

/// The tree of a whole text.
///
/// # Errors
/// Where it is no expression, and why.
pub(crate) fn parse(source: &str) -> Result<Expr, Wrong> {
    if source.len() > MAX_LENGTH {
        return Err((
            0,
            format!("expression code point size exceeds limit: size: {}, limit {MAX_LENGTH}", source.len()),
        ));
    }
    let mut parser = Parser { tokens: tokens(source)?, next: 0, depth: 0 };
    let expr = parser.expr()?;
    match parser.peek() {
        Token::End => Ok(expr),
        _ => Err(parser.unexpected("<EOF>")),
    }
}

struct Parser {
    tokens: Vec<Placed>,
    next: usize,
    depth: u16,
}

impl Parser {
    fn peek(&self) -> &Token {
        &self.tokens[self.next].token
    }

    fn at(&self) -> usize {
        self.tokens[self.next].at
    }

    fn advance(&mut self) -> Token {
        let token = self.tokens[self.next].token.clone();
        // The last one, which is the end, stays.
        self.next = (self.next + 1).min(self.tokens.len() - 1);
        token
    }

    fn eat(&mut self, sign: &str) -> bool {
        let found = matches!(self.peek(), Token::Sign(own) if *own == sign);
        if found {
            self.advance();
        }
        found
    }

    fn expect(&mut self, sign: &str) -> Result<(), Wrong> {
        if self.eat(sign) { Ok(()) } else { Err(self.unexpected(&format!("'{sign}'"))) }
    }

    fn unexpected(&self, wanted: &str) -> Wrong {
        let found = match self.peek() {
            Token::End => "<EOF>".to_owned(),
            Token::Sign(sign) => (*sign).to_owned(),
            Token::Ident(name) => name.to_string(),
            Token::Int(value) | Token::Uint(value) => value.to_string(),
            Token::Double(value) => value.to_string(),
            Token::String(text) => format!("\"{text}\""),
            Token::Bytes(_) => "bytes".to_owned(),
        };
        (self.at(), format!("Syntax error: mismatched input '{found}' expecting {wanted}"))
    }

    fn node(&self, at: usize, node: Node) -> Result<Expr, Wrong> {
        Expr::new(at, node).ok_or_else(|| too_deep(at))
    }

    fn call(&self, at: usize, name: &str, method: bool, args: Vec<Expr>) -> Result<Expr, Wrong> {
        let call = Call { name: name.into(), method, args, overloads: Vec::new() };
        self.node(at, Node::Call(Box::new(call)))
    }

    /// Everything that can stand in brackets.
    fn expr(&mut self) -> Result<Expr, Wrong> {
        self.depth += 1;
        if self.depth > MAX_HEIGHT {
            return Err(too_deep(self.at()));
        }
        let condition = self.logical("||")?;
        let at = self.at();
        let expr = if self.eat("?") {
            let then = self.logical("||")?;
            self.expect(":")?;
            let otherwise = self.expr()?;
            self.node(at, Node::Conditional(Box::new([condition, then, otherwise])))?
        } else {
            condition
        };
        self.depth -= 1;
        Ok(expr)
    }

    /// A chain of `||` over chains of `&&`: flat, so that many terms are not deep.
    fn logical(&mut self, sign: &str) -> Result<Expr, Wrong> {
        let is_or = sign == "||";
        let term = |parser: &mut Self| if is_or { parser.logical("&&") } else { parser.binary(0) };
        let first = term(self)?;
        let at = self.at();
        let mut terms = vec![first];
        while self.eat(sign) {
            terms.push(term(self)?);
        }
        match terms.len() {
            1 => Ok(terms.remove(0)),
            _ => self.node(at, if is_or { Node::Or(terms) } else { Node::And(terms) }),
        }
    }

    fn binary_sign(&self) -> Option<(u8, &'static str)> {
        let sign: &str = match self.peek() {
            Token::Sign(sign) => sign,
            Token::Ident(name) if &**name == "in" => "in",
            _ => return None,
        };
        BINARY.iter().find(|(own, ..)| *own == sign).map(|(_, strength, function)| (*strength, *function))
    }

    fn binary(&mut self, least: u8) -> Result<Expr, Wrong> {
        let mut left = self.unary()?;
        while let Some((strength, function)) = self.binary_sign().filter(|(strength, _)| *strength > least) {
            let at = self.at();
            self.advance();
            let right = self.binary(strength)?;
            left = self.call(at, function, false, vec![left, right])?;
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expr, Wrong> {
        let at = self.at();
        let (mut nots, mut minuses) = (0_usize, 0_usize);
        while self.eat("!") {
            nots += 1;
        }
        while nots == 0 && self.eat("-") {
            minuses += 1;
        }
        let least_int = minuses % 2 == 1 && *self.peek() == Token::Int(i64::MIN.unsigned_abs());
        if least_int {
            self.advance();
            let operand = self.node(at, Node::Literal(Literal::Int(i64::MIN)))?;
            return self.members(operand);
        }
        let operand = self.primary()?;
        let operand = match (minuses % 2 == 1, &operand.node) {
            (true, Node::Literal(Literal::Int(value))) => self.node(at, Node::Literal(Literal::Int(-value)))?,
            (true, Node::Literal(Literal::Double(value))) => self.node(at, Node::Literal(Literal::Double(-value)))?,
            (true, _) => {
                let operand = self.members(operand)?;
                return self.call(at, "-_", false, vec![operand]);
            }
            (false, _) => operand,
        };
        let operand = self.members(operand)?;
        if nots % 2 == 1 { self.call(at, "!_", false, vec![operand]) } else { Ok(operand) }
    }

    /// What follows a primary: fields, methods, indexes.
    fn members(&mut self, mut operand: Expr) -> Result<Expr, Wrong> {
        loop {
            let at = self.at();
            if self.eat(".?") {
                let field = self.name()?;
                operand = self.node(at, Node::Select { operand: operand.into(), field, optional: true })?;
            } else if self.eat(".") {
                let field = self.name()?;
                operand = match self.eat("(") {
                    true => self.method(at, operand, &field)?,
                    false => self.node(at, Node::Select { operand: operand.into(), field, optional: false })?,
                };
            } else if matches!(self.peek(), Token::Sign("[" | "[?")) {
                let optional = self.advance() == Token::Sign("[?");
                let index = Box::new(self.expr()?);
                self.expect("]")?;
                operand = self.node(at, Node::Index { operand: operand.into(), index, optional })?;
            } else if matches!(self.peek(), Token::Sign("{" | "{?")) {
                let Some(name) = operand.path() else { return Ok(operand) };
                operand = self.fields(at, &name)?;
            } else {
                return Ok(operand);
            }
        }
    }

    fn name(&mut self) -> Result<Arc<str>, Wrong> {
        match self.peek() {
            Token::Ident(_) => match self.advance() {
                Token::Ident(name) => Ok(name),
                _ => unreachable!("what was seen is what is taken"),
            },
            _ => Err(self.unexpected("IDENTIFIER")),
        }
    }

    fn arguments(&mut self) -> Result<Vec<Expr>, Wrong> {
        let mut args = Vec::new();
        while !self.eat(")") {
            args.push(self.expr()?);
            if !self.eat(",") {
                self.expect(")")?;
                break;
            }
        }
        Ok(args)
    }

    fn primary(&mut self) -> Result<Expr, Wrong> {
        let at = self.at();
        let leading_dot = self.eat(".");
        let literal = match self.peek().clone() {
            Token::Ident(name) => return self.named(at, &name),
            _ if leading_dot => return Err(self.unexpected("IDENTIFIER")),
            Token::Sign("(") => {
                self.advance();
                let expr = self.expr()?;
                self.expect(")")?;
                return Ok(expr);
            }
            Token::Sign("[" | "[?") => return self.list(at),
            Token::Sign("{" | "{?") => return self.map(at),
            Token::Int(value) => {
                let value = i64::try_from(value).map_err(|_| (at, "invalid int literal".to_owned()))?;
                Literal::Int(value)
            }
            Token::Uint(value) => Literal::Uint(value),
            Token::Double(value) => Literal::Double(value),
            Token::String(text) => Literal::String(text),
            Token::Bytes(bytes) => Literal::Bytes(bytes),
            Token::Sign(_) | Token::End => return Err(self.unexpected("an expression")),
        };
        self.advance();
        self.node(at, Node::Literal(literal))
    }

    /// A word: a constant, a function, or a variable.
    fn named(&mut self, at: usize, name: &Arc<str>) -> Result<Expr, Wrong> {
        if is_reserved(name) {
            return Err((at, format!("reserved identifier: {name}")));
        }
        self.advance();
        if self.eat("(") {
            let args = self.arguments()?;
            return if &**name == "has" { self.has(at, args) } else { self.call(at, name, false, args) };
        }
        let node = match &**name {
            "true" => Node::Literal(Literal::Bool(true)),
            "false" => Node::Literal(Literal::Bool(false)),
            "null" => Node::Literal(Literal::Null),
            _ => Node::Ident(Arc::clone(name)),
        };
        self.node(at, node)
    }

    fn has(&self, at: usize, mut args: Vec<Expr>) -> Result<Expr, Wrong> {
        match (args.pop().map(|arg| arg.node), args.len()) {
            (Some(Node::Select { operand, field, optional: false }), 0) => self.node(at, Node::Has { operand, field }),
            _ => Err((at, "invalid argument to has() macro".to_owned())),
        }
    }

    fn list(&mut self, at: usize) -> Result<Expr, Wrong> {
        let mut items = Vec::new();
        let mut optional = self.advance() == Token::Sign("[?");
        while !self.eat("]") {
            optional |= self.eat("?");
            items.push((self.expr()?, optional));
            optional = false;
            if !self.eat(",") {
                self.expect("]")?;
                break;
            }
        }
        self.node(at, Node::List(items))
    }

    fn map(&mut self, at: usize) -> Result<Expr, Wrong> {
        let mut entries = Vec::new();
        let mut optional = self.advance() == Token::Sign("{?");
        while !self.eat("}") {
            optional |= self.eat("?");
            let key = self.expr()?;
            self.expect(":")?;
            entries.push((key, self.expr()?, optional));
            optional = false;
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        self.node(at, Node::Map(entries))
    }

    fn fields(&mut self, at: usize, name: &str) -> Result<Expr, Wrong> {
        let mut fields = Vec::new();
        let mut optional = self.advance() == Token::Sign("{?");
        while !self.eat("}") {
            optional |= self.eat("?");
            let field = self.name()?;
            self.expect(":")?;
            fields.push((field, self.expr()?, optional));
            optional = false;
            if !self.eat(",") {
                self.expect("}")?;
                break;
            }
        }
        self.node(at, Node::Struct { name: name.into(), fields })
    }
}

fn too_deep(at: usize) -> Wrong {
    (at, format!("expression recursion limit exceeded: {MAX_HEIGHT}"))
}
