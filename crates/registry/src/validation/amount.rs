//! Amounts of pods: a number, or a percentage of them. Upstream: `pkg/apis/apps/validation`.

use sampan_meta::field::{self, ErrorList, Path};
use serde_json::Value;

const FORM: &str = "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or '93%', regex used for \
                    validation is '[0-9]+%')";

/// Not negative, and of one of the two forms. Upstream: `ValidatePositiveIntOrPercent`.
pub(crate) fn validate(errors: &mut ErrorList, amount: Option<&Value>, path: &Path) {
    match amount {
        Some(Value::Number(number)) if number.as_i64().is_some_and(|number| number < 0) => {
            errors.push(field::invalid(path, number.as_i64(), "must be greater than or equal to 0"));
        }
        Some(Value::String(text)) if percentage(text).is_none() => {
            errors.push(field::invalid(path, text.as_str(), FORM))
        }
        _ => (),
    }
}

/// Upstream: `IsNotMoreThan100Percent`.
pub(crate) fn at_most_all(errors: &mut ErrorList, amount: Option<&Value>, path: &Path) {
    let Some(text) = amount.and_then(Value::as_str) else { return };
    if percentage(text) > Some(100) {
        errors.push(field::invalid(path, text, "must not be greater than 100%"));
    }
}

/// Whether it is 0 or 0%. What is absent is 0, as in Go.
pub(crate) fn is_zero(amount: Option<&Value>) -> bool {
    match amount {
        Some(Value::String(text)) => percentage(text).unwrap_or(0) == 0,
        Some(value) => value.as_i64().unwrap_or(0) == 0,
        None => true,
    }
}

/// A percentage too large for its type is as good as the largest.
fn percentage(text: &str) -> Option<u32> {
    let digits = text.strip_suffix('%')?;
    let numeric = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    numeric.then(|| digits.parse().unwrap_or(u32::MAX))
}
