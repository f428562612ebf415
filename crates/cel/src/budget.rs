//! How much evaluating may cost. Upstream: `apiserver/pkg/apis/cel/config.go`; the costs are those of cel-go's `interpreter/runtimecost.go`
//! and of `apiserver/pkg/cel/library/cost.go`, as near as matters for ending what would not end.

use crate::error::Error;

/// What one expression may cost.
pub const PER_EXPRESSION: u64 = 1_000_000;
/// What all expressions of one object or policy may cost together.
pub const PER_REQUEST: u64 = 10_000_000;
/// What the match conditions of one webhook or policy may cost together.
pub const PER_MATCH_CONDITIONS: u64 = PER_REQUEST / 4;

/// What is left to spend. Given to every evaluation that belongs to one request.
#[derive(Clone, Debug)]
pub struct Budget {
    left: u64,
    expression: u64,
    /// How many nodes of trees are being evaluated within each other, variables of variables included.
    pub(crate) depth: u16,
}

impl Default for Budget {
    fn default() -> Self {
        Self::new(PER_REQUEST)
    }
}

impl Budget {
    /// So much for all evaluations, and [`PER_EXPRESSION`] for each of them.
    pub fn new(total: u64) -> Self {
        Self { left: total, expression: PER_EXPRESSION, depth: 0 }
    }

    /// What is left for further evaluations.
    pub fn left(&self) -> u64 {
        self.left
    }

    /// Spends some.
    ///
    /// # Errors
    /// When there is not so much left: for this expression, or at all.
    pub fn charge(&mut self, cost: u64) -> Result<(), Error> {
        self.left = self.left.checked_sub(cost).ok_or(Error::OutOfBudget)?;
        self.expression = self.expression.checked_sub(cost).ok_or(Error::TooCostly)?;
        Ok(())
    }

    /// What it costs to walk over so many bytes or elements of a text.
    pub(crate) fn traverse(&mut self, length: usize) -> Result<(), Error> {
        self.charge(traversal(length))
    }

    /// Runs one expression, which may run others (variables), each with its own allowance.
    pub(crate) fn for_one<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> T {
        let before = std::mem::replace(&mut self.expression, PER_EXPRESSION);
        let outcome = run(self);
        self.expression = before;
        outcome
    }
}

/// A tenth of the length, rounded up.
pub(crate) fn traversal(length: usize) -> u64 {
    u64::try_from(length).unwrap_or(u64::MAX).div_ceil(10)
}
