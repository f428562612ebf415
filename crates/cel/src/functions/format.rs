//! Named formats of texts: `format.dns1123Label().validate(name)`. Upstream: `apiserver/pkg/cel/library/format.go`.

use std::fmt;

use sampan_meta::validation;

use super::{Overload, T, function, method};
use crate::error::Error;
use crate::value::Value;

const FORMAT: T = T::Opaque("kubernetes.NamedFormat");

/// A format: its name, and what is wrong with a text.
pub struct Format {
    name: &'static str,
    wrong: fn(&str) -> Vec<String>,
}

impl fmt::Debug for Format {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.name)
    }
}

static FORMATS: [Format; 13] = [
    Format { name: "dns1123Label", wrong: validation::dns1123_label },
    Format { name: "dns1123Subdomain", wrong: validation::dns1123_subdomain },
    Format { name: "dns1035Label", wrong: validation::dns1035_label },
    Format { name: "qualifiedName", wrong: validation::qualified_name },
    Format { name: "labelValue", wrong: validation::label_value },
    Format { name: "dns1123LabelPrefix", wrong: |text| validation::dns1123_label(prefix(text)) },
    Format { name: "dns1123SubdomainPrefix", wrong: |text| validation::dns1123_subdomain(prefix(text)) },
    Format { name: "dns1035LabelPrefix", wrong: |text| validation::dns1035_label(prefix(text)) },
    Format { name: "uri", wrong: |text| listed(super::url::is_url(text), "must be a valid URI") },
    Format { name: "uuid", wrong: |text| listed(is_uuid(text), "does not match the UUID format") },
    Format { name: "byte", wrong: |text| listed(is_base64(text), "invalid base64") },
    Format {
        name: "date",
        wrong: |text| listed(text.parse::<jiff::civil::Date>().is_ok() && text.len() == 10, "invalid date"),
    },
    Format { name: "datetime", wrong: |text| listed(super::time::parse_timestamp(text).is_ok(), "invalid datetime") },
];

pub(super) const OVERLOADS: &[Overload] = &[
    function("format.dns1123Label", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[0]))),
    function("format.dns1123Subdomain", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[1]))),
    function("format.dns1035Label", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[2]))),
    function("format.qualifiedName", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[3]))),
    function("format.labelValue", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[4]))),
    function("format.dns1123LabelPrefix", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[5]))),
    function("format.dns1123SubdomainPrefix", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[6]))),
    function("format.dns1035LabelPrefix", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[7]))),
    function("format.uri", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[8]))),
    function("format.uuid", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[9]))),
    function("format.byte", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[10]))),
    function("format.date", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[11]))),
    function("format.datetime", &[], FORMAT, |_, _| Ok(Value::Format(&FORMATS[12]))),
    function("format.named", &[T::String], T::Optional(&FORMAT), |_, a| {
        let name = a[0].as_text()?;
        let found = FORMATS.iter().find(|format| format.name == name);
        Ok(Value::Optional(found.map(|format| Value::Format(format).into())))
    }),
    method("validate", &[FORMAT, T::String], T::Optional(&T::List(&T::String)), |budget, a| {
        let Value::Format(format) = &a[0] else { return Err(Error::no_such_overload()) };
        // Upstream charges as for a long pattern.
        budget.charge(crate::budget::traversal(a[1].size() + 1).saturating_mul(16))?;
        let wrong = (format.wrong)(a[1].as_text()?);
        match wrong.is_empty() {
            true => Ok(Value::Optional(None)),
            false => Ok(Value::some(Value::list(wrong.into_iter().map(Value::string).collect())?)),
        }
    }),
];

/// What a prefix stands for: one that ends with a dash is going on.
fn prefix(text: &str) -> &str {
    text.strip_suffix('-').unwrap_or(text)
}

fn listed(fits: bool, why: &str) -> Vec<String> {
    if fits { Vec::new() } else { vec![why.to_owned()] }
}

fn is_base64(text: &str) -> bool {
    use base64::Engine;
    base64::engine::general_purpose::STANDARD.decode(text).is_ok()
}

fn is_uuid(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let lengths = [8, 4, 4, 4, 12];
    parts.len() == lengths.len()
        && parts
            .iter()
            .zip(lengths)
            .all(|(part, length)| part.len() == length && part.bytes().all(|byte| byte.is_ascii_hexdigit()))
}
