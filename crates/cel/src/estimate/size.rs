//! Sizes nobody has seen yet: from, to. What is not known may be anything.

/// How large something is, at least and at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Size {
    pub(super) min: u64,
    pub(super) max: u64,
}

impl Size {
    pub(super) const UNKNOWN: Self = Size { min: 0, max: u64::MAX };

    pub(super) fn exactly(size: u64) -> Self {
        Size { min: size, max: size }
    }

    pub(super) fn at_most(max: u64) -> Self {
        Size { min: 0, max }
    }

    pub(super) fn union(self, other: Self) -> Self {
        Size { min: self.min.min(other.min), max: self.max.max(other.max) }
    }

    pub(super) fn plus(self, other: Self) -> Self {
        Size { min: self.min.saturating_add(other.min), max: self.max.saturating_add(other.max) }
    }

    pub(super) fn times(self, other: Self) -> Self {
        Size { min: self.min.saturating_mul(other.min), max: self.max.saturating_mul(other.max) }
    }
}

/// So many times a fraction, rounded up.
#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "as upstream reckons; casts from floats saturate"
)]
pub(super) fn scaled(size: u64, factor: f64) -> u64 {
    (size as f64 * factor).ceil() as u64
}
