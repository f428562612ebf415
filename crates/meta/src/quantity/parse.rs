//! Text to quantity.

use super::{Format, NANOS, Quantity, QuantityError};

pub(super) struct Parsed {
    pub(super) quantity: Quantity,
    /// Upstream hands such texts back as they were written instead of bringing them into canonical form.
    pub(super) kept_as_written: bool,
}

/// The parts of `-1.50Gi`: sign, digits before the point, digits after it, suffix. Leading zeros are gone.
struct Parts<'a> {
    negative: bool,
    whole: &'a str,
    fraction: &'a str,
    suffix: &'a str,
}

/// What a suffix multiplies by.
enum Factor {
    Ten(i32),
    Two(u32),
}

pub(super) fn parse(text: &str) -> Result<Parsed, QuantityError> {
    let parts = split(text)?;
    let (factor, format) = interpret(parts.suffix).ok_or(QuantityError::Suffix)?;
    let mut format = format;
    let mut nanos = match factor {
        Factor::Ten(exponent) => decimal_nanos(&parts, exponent)?,
        Factor::Two(exponent) => binary_nanos(&parts, exponent)?,
    };
    if format == Format::BinarySi && nanos > 0 && nanos < NANOS {
        format = Format::DecimalSi;
    }
    if parts.negative {
        nanos = -nanos;
    }
    Ok(Parsed { quantity: Quantity { nanos, format }, kept_as_written: kept_as_written(&parts, &factor) })
}

fn split(text: &str) -> Result<Parts<'_>, QuantityError> {
    let unsigned = text.strip_prefix(['-', '+']).unwrap_or(text);
    let digits_end = |text: &str| text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (whole, rest) = unsigned.split_at(digits_end(unsigned));
    let (fraction, suffix) = match rest.strip_prefix('.') {
        Some(rest) => rest.split_at(digits_end(rest)),
        None => ("", rest),
    };
    let letters_end = suffix.find(|c: char| !"eEinumkKMGTP".contains(c)).unwrap_or(suffix.len());
    let exponent = &suffix[letters_end..];
    let exponent = exponent.strip_prefix(['-', '+']).unwrap_or(exponent);
    let well_formed = exponent.bytes().all(|byte| byte.is_ascii_digit());
    // Upstream takes a sign alone for zero; a quantity without any digit is refused here.
    if !well_formed || (whole.is_empty() && fraction.is_empty()) {
        return Err(QuantityError::Form);
    }
    let trimmed = whole.trim_start_matches('0');
    let whole = if trimmed.is_empty() { "0" } else { trimmed };
    Ok(Parts { negative: text.starts_with('-'), whole, fraction, suffix })
}

fn interpret(suffix: &str) -> Option<(Factor, Format)> {
    let decimal = |exponent| Some((Factor::Ten(exponent), Format::DecimalSi));
    let binary = |exponent| Some((Factor::Two(exponent), Format::BinarySi));
    match suffix {
        "" => decimal(0),
        "n" => decimal(-9),
        "u" => decimal(-6),
        "m" => decimal(-3),
        "k" => decimal(3),
        "M" => decimal(6),
        "G" => decimal(9),
        "T" => decimal(12),
        "P" => decimal(15),
        "E" => decimal(18),
        "Ki" => binary(10),
        "Mi" => binary(20),
        "Gi" => binary(30),
        "Ti" => binary(40),
        "Pi" => binary(50),
        "Ei" => binary(60),
        _ => {
            let exponent = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
            Some((Factor::Ten(exponent), Format::DecimalExponent))
        }
    }
}

/// `digits × 10^(exponent - fraction)` in billionths, rounded up so that nothing asked for becomes nothing.
fn decimal_nanos(parts: &Parts<'_>, exponent: i32) -> Result<i128, QuantityError> {
    let (digits, decimals) = digits(parts)?;
    if digits == 0 {
        return Ok(0);
    }
    let shift = i64::from(exponent) + 9 - i64::from(decimals);
    if shift >= 0 {
        let power = u32::try_from(shift).ok().and_then(|shift| 10i128.checked_pow(shift));
        return power.and_then(|power| digits.checked_mul(power)).ok_or(QuantityError::Number);
    }
    let divisor = u32::try_from(-shift).ok().and_then(|shift| 10i128.checked_pow(shift));
    Ok(divisor.map_or(1, |divisor| divide_up(digits, divisor)))
}

/// `digits × 2^exponent` in billionths, rounded up and capped at the largest `i64`.
fn binary_nanos(parts: &Parts<'_>, exponent: u32) -> Result<i128, QuantityError> {
    const MAX: i128 = i64::MAX as i128 * NANOS;
    let (digits, decimals) = digits(parts)?;
    let scale = 10i128.checked_pow(decimals).ok_or(QuantityError::Number)?;
    // Whole and fraction apart, so that the product cannot overflow before the cap is seen.
    let whole = (digits / scale).checked_mul(NANOS << exponent.min(60)).map_or(MAX, |nanos| nanos.min(MAX));
    let fraction = digits % scale;
    let fraction = match fraction.checked_mul(NANOS << exponent) {
        Some(product) => divide_up(product, scale),
        None => divide_up(fraction, scale / NANOS).saturating_mul(1 << exponent),
    };
    Ok(whole.saturating_add(fraction).min(MAX))
}

/// All digits as one number, and how many of them are decimals. Decimals past the thirtieth only count as "not zero".
fn digits(parts: &Parts<'_>) -> Result<(i128, u32), QuantityError> {
    let fraction = parts.fraction.trim_end_matches('0');
    let kept = &fraction[..fraction.len().min(30usize.saturating_sub(parts.whole.len()))];
    let number: i128 = format!("{}{kept}", parts.whole).parse().map_err(|_| QuantityError::Number)?;
    let lost = i128::from(kept.len() < fraction.len());
    let decimals = u32::try_from(kept.len()).expect("at most 30 decimals are kept");
    Ok((number + lost, decimals))
}

fn divide_up(dividend: i128, divisor: i128) -> i128 {
    dividend / divisor + i128::from(dividend % divisor != 0)
}

/// Upstream's quick path keeps the text when it looks canonical, by a test that lets `1.500` and `01` pass too.
fn kept_as_written(parts: &Parts<'_>, factor: &Factor) -> bool {
    let digits = format!("{}{}", parts.whole, parts.fraction);
    let Ok(number) = digits.parse::<i64>() else { return false };
    match *factor {
        Factor::Two(exponent) => {
            let precision = 15 - digits.len().cast_signed() - (exponent * 3 / 10) as isize - 1;
            parts.fraction.is_empty() && precision >= 0 && number & 7 != 0
        }
        Factor::Ten(exponent) => {
            let decimals = i64::try_from(parts.fraction.len()).unwrap_or(i64::MAX);
            let scale = i64::from(exponent) - decimals;
            let looks_canonical = scale % 3 == 0 && !digits.ends_with("000") && !digits.starts_with('0');
            digits.len() <= 18 && scale >= -9 && looks_canonical
        }
    }
}
