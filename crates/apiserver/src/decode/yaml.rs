//! YAML bodies, with bounds against documents that unfold into far more than was sent.

use serde_json::Value;

/// Nodes of a document, aliases unfolded: about what 3 MiB of JSON can hold.
const NODES: usize = 500_000;
/// Depth of nesting, as for JSON.
const DEPTH: usize = 128;
/// Aliases followed. Manifests use few or none; bombs need many.
const ALIASES: usize = 100;
/// Events replayed through aliases.
const REPLAYED: usize = 10_000;

/// Reads one YAML document in the dialect of upstream's parser: YAML 1.1 booleans, no duplicate keys.
pub(super) fn parse(bytes: &[u8]) -> Result<Value, String> {
    parse_with(bytes, serde_saphyr::DuplicateKeyPolicy::Error)
}

/// As [`parse`], but of a key that is given twice the last counts.
pub(super) fn parse_leniently(bytes: &[u8]) -> Result<Value, String> {
    parse_with(bytes, serde_saphyr::DuplicateKeyPolicy::LastWins)
}

fn parse_with(bytes: &[u8], duplicates: serde_saphyr::DuplicateKeyPolicy) -> Result<Value, String> {
    let mut options = serde_saphyr::Options::default();
    let mut budget = serde_saphyr::Budget::default();
    budget.max_nodes = NODES;
    budget.max_depth = DEPTH;
    budget.max_aliases = ALIASES;
    budget.max_anchors = ALIASES;
    budget.max_documents = 1;
    options.budget = Some(budget);
    options.alias_limits.max_total_replayed_events = REPLAYED;
    options.alias_limits.max_alias_expansions_per_anchor = ALIASES;
    options.duplicate_keys = duplicates;
    options.with_snippet = false;
    serde_saphyr::from_slice_with_options(bytes, options).map_err(|error| explain(&error))
}

/// Of a key given twice, upstream's parser has words that clients look for.
fn explain(error: &serde_saphyr::Error) -> String {
    let why = match error {
        serde_saphyr::Error::DuplicateMappingKey { key: Some(key), location } => {
            format!("yaml: unmarshal errors:\n  line {}: key {key:?} already set in map", location.line())
        }
        other => other.to_string(),
    };
    format!("error converting YAML to JSON: {why}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn yaml_becomes_the_json_it_means() {
        let text = "a: yes\nb: 1\nc: '1'\nd: [x, 2.5, null]\ne: &e {f: g}\nh: *e\n";
        let expected = json!({"a": true, "b": 1, "c": "1", "d": ["x", 2.5, null], "e": {"f": "g"}, "h": {"f": "g"}});
        assert_eq!(parse(text.as_bytes()).unwrap(), expected);
    }

    #[test]
    fn a_key_given_twice_is_named_with_its_line() {
        let expected = "error converting YAML to JSON: yaml: unmarshal errors:\n  line 3: key \"b\" already set in map";
        assert_eq!(parse(b"a:\n  b: 1\n  b: 2\n").unwrap_err(), expected);
    }

    #[test]
    fn bombs_and_nonsense_are_errors() {
        let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x]\n");
        for level in 1..9 {
            let before = level - 1;
            bomb += &format!("a{level}: &a{level} [{}]\n", vec![format!("*a{before}"); 9].join(", "));
        }
        let deep = "[".repeat(10_000);
        for text in [bomb.as_str(), deep.as_str(), "a: 1\na: 2\n", "a: [", "a: 1\n---\nb: 2\n", "a: .nan"] {
            assert!(parse(text.as_bytes()).is_err(), "{}", &text[..text.len().min(40)]);
        }
        assert!(parse(b"\xff\xfe\x00").is_err());
    }
}
