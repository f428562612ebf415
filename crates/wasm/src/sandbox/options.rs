//! What a pod's annotations say about serving.

use std::collections::BTreeMap;
use std::str::FromStr;
use std::time::Duration;

use crate::artifact::Entry;

/// How requests are served.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Options {
    /// Requests one instance answers, in turn, before it is thrown away.
    pub(crate) instance_reuse: u32,
    /// Requests worked on at a time.
    pub(crate) concurrency: usize,
    /// Time for a response to begin.
    pub(crate) request_timeout: Duration,
}

const REUSE: &str = "sampan.dev/instance-reuse";
const CONCURRENCY: &str = "sampan.dev/max-concurrent-requests";
const TIMEOUT: &str = "sampan.dev/request-timeout-seconds";

/// Components of WASI 0.2 get one request each: many are not made for a second one. Those of WASI 0.3 are, and `wasmtime serve` gives
/// them as many.
fn default_reuse(entry: Entry) -> u32 {
    if entry == Entry::Service3 { 128 } else { 1 }
}

impl Options {
    /// Fails naming the annotation that makes no sense.
    pub(crate) fn new(annotations: &BTreeMap<String, String>, entry: Entry) -> Result<Self, String> {
        Ok(Options {
            instance_reuse: number(annotations, REUSE, default_reuse(entry), 1..=1_000_000)?,
            concurrency: number(annotations, CONCURRENCY, 128, 1..=100_000)?,
            request_timeout: Duration::from_secs(number(annotations, TIMEOUT, 60, 1..=86_400)?),
        })
    }
}

fn number<T>(
    annotations: &BTreeMap<String, String>,
    name: &str,
    default: T,
    range: std::ops::RangeInclusive<T>,
) -> Result<T, String>
where
    T: FromStr + PartialOrd + std::fmt::Display,
{
    let Some(text) = annotations.get(name) else { return Ok(default) };
    let number = text.parse().ok().filter(|number| range.contains(number));
    number
        .ok_or_else(|| format!("annotation {name}: {text:?} is not a number from {} to {}", range.start(), range.end()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_annotation_that_makes_no_sense_is_named() {
        let options =
            |value: &str| Options::new(&BTreeMap::from([(REUSE.to_owned(), value.to_owned())]), Entry::Service2);
        assert_eq!(options("100").unwrap().instance_reuse, 100);
        assert_eq!(
            options("many").unwrap_err(),
            "annotation sampan.dev/instance-reuse: \"many\" is not a number from 1 to 1000000"
        );
        assert_eq!(
            options("0").unwrap_err(),
            "annotation sampan.dev/instance-reuse: \"0\" is not a number from 1 to 1000000"
        );
    }

    #[test]
    fn an_instance_of_wasi_0_3_is_used_again_by_default() {
        for (entry, reuse) in [(Entry::Service2, 1), (Entry::Service3, 128)] {
            assert_eq!(Options::new(&BTreeMap::new(), entry).unwrap().instance_reuse, reuse, "{entry:?}");
        }
    }
}
