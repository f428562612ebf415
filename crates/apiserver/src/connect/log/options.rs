//! `PodLogOptions`, checked and passed on.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::{Status, time};

use crate::query::Query;

/// Parameters a node understands; `container` is part of its path.
const PASSED: [&str; 8] =
    ["follow", "previous", "timestamps", "sinceSeconds", "sinceTime", "tailLines", "limitBytes", "stream"];

/// The query for the node. 422 for values that cannot be meant (upstream's `ValidatePodLogOptions`).
pub(super) fn parameters(query: &Query) -> Result<String, Status> {
    let mut errors = ErrorList::new();
    for (name, least) in [("tailLines", 0), ("limitBytes", 1), ("sinceSeconds", 1)] {
        check_number(query, name, least, &mut errors);
    }
    if let Some(since) = query.get("sinceTime") {
        if query.get("sinceSeconds").is_some() {
            errors.push(field::forbidden(&Path::new("sinceSeconds"), "may not be specified together with sinceTime"));
        }
        if let Err(why) = time::parse_time(since) {
            errors.push(field::invalid(&Path::new("sinceTime"), since, why));
        }
    }
    if let Some(stream) = query.get("stream").filter(|stream| !["All", "Stdout", "Stderr"].contains(stream)) {
        errors.push(field::not_supported(&Path::new("stream"), stream, &["All", "Stderr", "Stdout"]));
    }
    if !errors.is_empty() {
        return Err(Status::invalid("", "PodLogOptions", "", errors));
    }
    let given = PASSED.iter().filter(|name| query.has(name));
    let pairs = given.map(|name| match *name {
        "follow" | "previous" | "timestamps" => format!("{name}={}", query.flag(name)),
        _ => format!("{name}={}", utf8_percent_encode(query.get(name).unwrap_or_default(), NON_ALPHANUMERIC)),
    });
    Ok(pairs.collect::<Vec<_>>().join("&"))
}

fn check_number(query: &Query, name: &str, least: i64, errors: &mut ErrorList) {
    let Some(text) = query.get(name) else { return };
    match text.parse::<i64>() {
        Ok(number) if number >= least => {}
        Ok(number) => {
            errors.push(field::invalid(&Path::new(name), number, format!("must be greater than or equal to {least}")));
        }
        Err(_) => errors.push(field::invalid(&Path::new(name), text, "must be a number")),
    }
}
