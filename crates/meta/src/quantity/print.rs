//! Quantity to text: the largest suffix that needs no fraction, in the family it was written with.

use super::{Format, NANOS, Quantity};

pub(super) fn print(quantity: Quantity) -> String {
    if quantity.is_zero() {
        return "0".to_owned();
    }
    if quantity.format == Format::BinarySi && reads_well_in_binary(quantity) {
        return binary(quantity.nanos / NANOS);
    }
    decimal(quantity)
}

/// Small amounts and amounts with a fraction lose precision in powers of 1024 and are printed in decimal.
fn reads_well_in_binary(quantity: Quantity) -> bool {
    quantity.nanos.abs() >= 1024 * NANOS && quantity.nanos % NANOS == 0
}

fn binary(mut amount: i128) -> String {
    let mut suffixes = ["", "Ki", "Mi", "Gi", "Ti", "Pi", "Ei"].into_iter().peekable();
    let mut suffix = suffixes.next().unwrap_or_default();
    while amount % 1024 == 0 && suffixes.peek().is_some() {
        amount /= 1024;
        suffix = suffixes.next().unwrap_or_default();
    }
    format!("{amount}{suffix}")
}

fn decimal(quantity: Quantity) -> String {
    let largest = if quantity.format == Format::DecimalExponent { i32::MAX } else { 18 };
    let (mut amount, mut exponent) = (quantity.nanos, -9);
    while amount % 1000 == 0 && exponent < largest {
        amount /= 1000;
        exponent += 3;
    }
    match (quantity.format, exponent) {
        (Format::DecimalExponent, 0) => amount.to_string(),
        (Format::DecimalExponent, exponent) => format!("{amount}e{exponent}"),
        (_, exponent) => format!("{amount}{}", suffix(exponent)),
    }
}

fn suffix(exponent: i32) -> &'static str {
    match exponent {
        -9 => "n",
        -6 => "u",
        -3 => "m",
        3 => "k",
        6 => "M",
        9 => "G",
        12 => "T",
        15 => "P",
        18 => "E",
        _ => "",
    }
}
