//! Amounts of resources: `100m` CPU, `64Mi` memory. Parsed and printed exactly as upstream does (`apimachinery/pkg/api/resource`).

use std::borrow::Cow;
use std::cmp::Ordering;
use std::fmt;
use std::ops::{Add, AddAssign, Neg, Sub, SubAssign};
use std::str::FromStr;

mod parse;
mod print;

/// A fixed-point amount with nine decimals, and the family of suffixes it is printed with.
///
/// Holds up to about 1.7e29; what does not fit is refused when parsing and saturates when calculating. (Upstream has no bound for decimal amounts; nothing
/// real comes near this one.)
#[derive(Clone, Copy, Debug, Default)]
pub struct Quantity {
    nanos: i128,
    format: Format,
}

/// The family of suffixes a quantity was written with, and is printed with.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `12M`, 12 × 10⁶.
    #[default]
    DecimalSi,
    /// `12Mi`, 12 × 2²⁰.
    BinarySi,
    /// `12e6`.
    DecimalExponent,
}

/// Why a text is no quantity.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum QuantityError {
    #[error("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")]
    Form,
    #[error("unable to parse numeric part of quantity")]
    Number,
    #[error("unable to parse quantity's suffix")]
    Suffix,
}

const NANOS: i128 = 1_000_000_000;

impl Quantity {
    /// Nothing at all.
    pub const ZERO: Self = Self { nanos: 0, format: Format::DecimalSi };

    /// Reads a quantity.
    pub fn parse(text: &str) -> Result<Self, QuantityError> {
        parse::parse(text).map(|parsed| parsed.quantity)
    }

    /// The text the API server stores for what a client wrote: canonical, save for a few texts that upstream keeps as written (`1.500`).
    pub fn canonicalize(text: &str) -> Result<Cow<'_, str>, QuantityError> {
        let parsed = parse::parse(text)?;
        Ok(if parsed.kept_as_written { Cow::Borrowed(text) } else { Cow::Owned(parsed.quantity.to_string()) })
    }

    /// A whole amount.
    pub fn from_value(value: i64, format: Format) -> Self {
        Self { nanos: i128::from(value) * NANOS, format }
    }

    /// An amount in thousandths, as CPU is counted.
    pub fn from_milli(milli: i64) -> Self {
        Self { nanos: i128::from(milli) * (NANOS / 1000), format: Format::DecimalSi }
    }

    /// The amount in thousandths, rounded away from zero.
    pub fn milli(&self) -> i128 {
        divide_rounding_out(self.nanos, NANOS / 1000)
    }

    /// The whole amount, rounded away from zero; saturates at the ends of `i64`.
    pub fn value(&self) -> i64 {
        let value = divide_rounding_out(self.nanos, NANOS);
        i64::try_from(value).unwrap_or(if value < 0 { i64::MIN } else { i64::MAX })
    }

    /// The amount with what is smaller than a thousandth rounded away from zero.
    pub fn round_up_to_milli(self) -> Self {
        Self { nanos: divide_rounding_out(self.nanos, NANOS / 1000).saturating_mul(NANOS / 1000), ..self }
    }

    /// The amount as a float, for ratios.
    pub fn as_f64(&self) -> f64 {
        self.nanos as f64 / NANOS as f64
    }

    /// Whether the amount is zero.
    pub fn is_zero(&self) -> bool {
        self.nanos == 0
    }

    /// Whether the amount is below zero.
    pub fn is_negative(&self) -> bool {
        self.nanos < 0
    }

    /// The family of suffixes it is printed with.
    pub fn format(&self) -> Format {
        self.format
    }

    /// A sum takes the other side's family of suffixes when it begins at zero, as upstream's does.
    fn combined(self, other: Self, nanos: i128) -> Self {
        Self { nanos, format: if self.is_zero() { other.format } else { self.format } }
    }
}

fn divide_rounding_out(dividend: i128, divisor: i128) -> i128 {
    let quotient = dividend / divisor;
    if dividend % divisor == 0 { quotient } else { quotient + dividend.signum() }
}

impl Add for Quantity {
    type Output = Self;
    fn add(self, other: Self) -> Self {
        self.combined(other, self.nanos.saturating_add(other.nanos))
    }
}

impl Sub for Quantity {
    type Output = Self;
    fn sub(self, other: Self) -> Self {
        self.combined(other, self.nanos.saturating_sub(other.nanos))
    }
}

impl AddAssign for Quantity {
    fn add_assign(&mut self, other: Self) {
        *self = *self + other;
    }
}

impl SubAssign for Quantity {
    fn sub_assign(&mut self, other: Self) {
        *self = *self - other;
    }
}

impl Neg for Quantity {
    type Output = Self;
    fn neg(self) -> Self {
        Self { nanos: self.nanos.saturating_neg(), ..self }
    }
}

impl std::iter::Sum for Quantity {
    fn sum<I: Iterator<Item = Self>>(amounts: I) -> Self {
        amounts.fold(Self::ZERO, Add::add)
    }
}

/// Equal amounts are equal whatever the suffixes: `1000m` is `1`.
impl PartialEq for Quantity {
    fn eq(&self, other: &Self) -> bool {
        self.nanos == other.nanos
    }
}

impl Eq for Quantity {}

impl PartialOrd for Quantity {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Quantity {
    fn cmp(&self, other: &Self) -> Ordering {
        self.nanos.cmp(&other.nanos)
    }
}

impl FromStr for Quantity {
    type Err = QuantityError;
    fn from_str(text: &str) -> Result<Self, QuantityError> {
        Self::parse(text)
    }
}

impl fmt::Display for Quantity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&print::print(*self))
    }
}

#[cfg(test)]
mod tests;
