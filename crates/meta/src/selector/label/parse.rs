//! The text form of a label selector (the grammar of upstream's `labels.Parser`).

use super::super::lexer::{Token, tokens};
use super::{LabelRequirement, Operator};

/// The requirements of a selector's text, or what was found instead of what.
pub(super) fn requirements(text: &str) -> Result<Vec<LabelRequirement>, String> {
    Parser { tokens: tokens(text), next: 0 }.selector()
}

struct Parser<'a> {
    tokens: Vec<Token<'a>>,
    next: usize,
}

impl<'a> Parser<'a> {
    fn peek(&self) -> Token<'a> {
        self.tokens.get(self.next).cloned().unwrap_or(Token::End)
    }

    fn take(&mut self) -> Token<'a> {
        let token = self.peek();
        self.next += 1;
        token
    }

    fn selector(mut self) -> Result<Vec<LabelRequirement>, String> {
        let mut requirements = Vec::new();
        loop {
            match self.peek() {
                Token::End => return Ok(requirements),
                Token::Word(_) | Token::Symbol("!") => requirements.push(self.requirement()?),
                token => return Err(expected(&token, "!, identifier, or 'end of string'")),
            }
            match self.take() {
                Token::End => return Ok(requirements),
                Token::Symbol(",") => {}
                token => return Err(expected(&token, "',' or 'end of string'")),
            }
            if !matches!(self.peek(), Token::Word(_) | Token::Symbol("!")) {
                return Err(expected(&self.peek(), "identifier after ','"));
            }
        }
    }

    fn requirement(&mut self) -> Result<LabelRequirement, String> {
        let absent = self.peek() == Token::Symbol("!");
        if absent {
            self.take();
        }
        let key = self.word("identifier")?;
        let (operator, values) = match self.peek() {
            _ if absent => (Operator::DoesNotExist, Vec::new()),
            Token::End | Token::Symbol(",") => (Operator::Exists, Vec::new()),
            _ => self.comparison()?,
        };
        LabelRequirement::new(key, operator, values).map_err(|error| error.0)
    }

    fn comparison(&mut self) -> Result<(Operator, Vec<String>), String> {
        match self.take() {
            Token::Symbol("=" | "==") => Ok((Operator::In, vec![self.value()?])),
            Token::Symbol("!=") => Ok((Operator::NotIn, vec![self.value()?])),
            Token::Symbol(">") => Ok((Operator::GreaterThan, vec![self.value()?])),
            Token::Symbol("<") => Ok((Operator::LessThan, vec![self.value()?])),
            Token::Word("in") => Ok((Operator::In, self.values()?)),
            Token::Word("notin") => Ok((Operator::NotIn, self.values()?)),
            token => Err(expected(&token, "in, notin, =, ==, !=, gt, lt")),
        }
    }

    /// The value after `=`; nothing there means the empty value.
    fn value(&mut self) -> Result<String, String> {
        match self.peek() {
            Token::End | Token::Symbol(",") => Ok(String::new()),
            _ => self.word("identifier").map(str::to_owned),
        }
    }

    fn values(&mut self) -> Result<Vec<String>, String> {
        let open = self.take();
        if open != Token::Symbol("(") {
            return Err(expected(&open, "'('"));
        }
        let mut values = vec![String::new()];
        loop {
            match self.take() {
                Token::Word(word) => word.clone_into(values.last_mut().expect("never empty")),
                Token::Symbol(",") => values.push(String::new()),
                Token::Symbol(")") => return Ok(values),
                token => return Err(expected(&token, "',', ')' or identifier")),
            }
        }
    }

    fn word(&mut self, what: &str) -> Result<&'a str, String> {
        match self.take() {
            Token::Word(word) => Ok(word),
            token => Err(expected(&token, what)),
        }
    }
}

fn expected(found: &Token<'_>, what: &str) -> String {
    format!("found '{}', expected: {what}", found.text())
}
