//! Numbers of pods given as such or as a percentage.

use sampan_api::k8s::apimachinery::pkg::util::intstr::IntOrString;

/// What becomes of a fraction of a pod.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Rounding {
    Up,
    Down,
}

/// The value itself, or its percentage of `total`. What cannot be read counts as zero; validation does not let it in.
pub(crate) fn scaled(value: &IntOrString, total: i32, rounding: Rounding) -> i32 {
    let percent = match value {
        IntOrString::Int(number) => return (*number).max(0),
        IntOrString::String(text) => text.trim_end_matches('%').parse::<i64>().unwrap_or(0).max(0),
    };
    let hundredths = percent.saturating_mul(total.into());
    let scaled = match rounding {
        Rounding::Up => hundredths.saturating_add(99) / 100,
        Rounding::Down => hundredths / 100,
    };
    i32::try_from(scaled).unwrap_or(i32::MAX)
}
