//! What is wrong with an expression, and what went wrong when it ran.

use std::fmt;

/// Why an expression is none. Its text is in the form that upstream's users know: where, what, and the line with a mark below.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", .0.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"))]
pub struct CompileError(pub(crate) Vec<Issue>);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Issue {
    line: usize,
    column: usize,
    text: String,
    message: String,
}

impl Issue {
    /// `at` counts characters from the beginning of the source.
    pub(crate) fn new(source: &str, at: usize, message: impl Into<String>) -> Self {
        let (mut line, mut column) = (1, 0);
        for letter in source.chars().take(at) {
            (line, column) = if letter == '\n' { (line + 1, 0) } else { (line, column + 1) };
        }
        let text = source.split('\n').nth(line - 1).unwrap_or_default().to_owned();
        Self { line, column, text, message: message.into() }
    }
}

impl fmt::Display for Issue {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, column, text, message } = self;
        write!(out, "ERROR: <input>:{line}:{}: {message}\n | {text}\n | {}^", column + 1, ".".repeat(*column))
    }
}

/// Why an expression has no value.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// Something in the expression does not go with the values: `no such key: x`. `||` and `&&` may make up for it.
    #[error("{0}")]
    Failed(String),
    /// This one expression does too much.
    #[error("operation cancelled: actual cost limit exceeded")]
    TooCostly,
    /// All expressions of the request together do too much: none that follows is to be evaluated.
    #[error("validation failed due to running out of cost budget, no further validation rules will be run")]
    OutOfBudget,
}

impl Error {
    pub(crate) fn failed(message: impl Into<String>) -> Self {
        Self::Failed(message.into())
    }

    pub(crate) fn no_such_key(key: impl fmt::Display) -> Self {
        Self::Failed(format!("no such key: {key}"))
    }

    pub(crate) fn no_such_overload() -> Self {
        Self::failed("no such overload")
    }

    /// Whether the evaluation ends here, whatever stands beside.
    pub fn is_final(&self) -> bool {
        !matches!(self, Self::Failed(_))
    }
}
