//! Ginkgo's JSON report: a list of suites, each with its specs.

use anyhow::{Context, Result};
use serde_json::Value;

use super::Test;

/// Takes the results of a report into the account. Specs that are no conformance tests, that were skipped or that did not come to an end
/// change nothing.
pub(super) fn merge(tests: &mut [Test], report: &str, commit: &str) -> Result<()> {
    let report: Value = serde_json::from_str(report)?;
    let suites = report.as_array().context("a report of ginkgo is a list")?;
    for spec in suites.iter().flat_map(|suite| suite["SpecReports"].as_array()).flatten() {
        let (name, Some(state)) = (name(spec), state(spec)) else { continue };
        let Some(test) = tests.iter_mut().find(|test| test.name == name) else { continue };
        test.state = state.to_owned();
        test.date = spec["EndTime"].as_str().and_then(|time| time.get(..10)).unwrap_or_default().to_owned();
        test.commit = commit.to_owned();
        test.seconds = seconds(spec);
    }
    Ok(())
}

/// A spec is named by its containers and itself.
fn name(spec: &Value) -> String {
    let containers = spec["ContainerHierarchyTexts"].as_array().into_iter().flatten();
    let texts = containers.chain([&spec["LeafNodeText"]]).filter_map(Value::as_str);
    texts.collect::<Vec<_>>().join(" ").trim().to_owned()
}

fn state(spec: &Value) -> Option<&'static str> {
    match spec["State"].as_str()? {
        "passed" => Some("passed"),
        "failed" | "panicked" | "timedout" => Some("failed"),
        _ => None,
    }
}

/// Nanoseconds to seconds with one decimal.
fn seconds(spec: &Value) -> String {
    let tenths = spec["RunTime"].as_u64().unwrap_or_default() / 100_000_000;
    format!("{}.{}", tenths / 10, tenths % 10)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn account() -> Vec<Test> {
        super::super::parse("titles\napi\tfailed\t\t\t\t\t[sig-x] Things should work [Conformance]\n").expect("parses")
    }

    fn spec(state: &str) -> String {
        serde_json::json!([{"SpecReports": [{
            "ContainerHierarchyTexts": ["[sig-x] Things"], "LeafNodeText": "should work [Conformance]", "State": state,
            "EndTime": "2026-01-02T03:04:05Z", "RunTime": 1_250_000_000_u64,
        }]}])
        .to_string()
    }

    #[test]
    fn a_spec_that_passed_is_recorded_with_its_day_and_time() {
        let mut tests = account();
        merge(&mut tests, &spec("passed"), "abc").expect("merges");
        let Test { state, date, commit, seconds, .. } = &tests[0];
        assert_eq!([state, date, commit, seconds], ["passed", "2026-01-02", "abc", "1.2"]);
    }

    #[test]
    fn a_spec_that_was_skipped_or_cut_off_changes_nothing() {
        for state in ["skipped", "interrupted", "pending"] {
            let mut tests = account();
            merge(&mut tests, &spec(state), "abc").expect("merges");
            assert_eq!(tests, account(), "{state}");
        }
    }
}
