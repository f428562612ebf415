use super::*;
use serde_json::{Value, json};

fn matches(selector: &str, labels: &Value) -> bool {
    LabelSelector::parse(selector).unwrap_or_else(|error| panic!("{selector}: {error}")).matches_map(labels.as_object())
}

#[test]
fn labels_are_compared_as_upstream_compares_them() {
    let labels = json!({"app": "web", "tier": "front", "empty": "", "size": "5"});
    let selected = [
        "",
        "app=web",
        "app==web,tier=front",
        "app in (web, db)",
        "app notin (db)",
        "app",
        "!canary",
        "empty=",
        "empty in ()",
        "tier!=back",
        "missing!=x",
        "missing notin (x,y)",
        "size>4",
        "size<6",
        " app = web , tier ",
    ];
    for selector in selected {
        assert!(matches(selector, &labels), "{selector}");
    }
    let left_out = [
        "app=db",
        "app!=web",
        "app in (db)",
        "app notin (web)",
        "canary",
        "!app",
        "missing=",
        "missing in (x)",
        "size>5",
        "size<5",
        "app>1",
        "app=web,tier=back",
    ];
    for selector in left_out {
        assert!(!matches(selector, &labels), "{selector}");
    }
}

#[test]
fn what_cannot_be_understood_is_named() {
    let rows = [
        ("a=b,", "unable to parse requirement: found '', expected: identifier after ','"),
        (",a", "unable to parse requirement: found ',', expected: !, identifier, or 'end of string'"),
        ("a b", "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"),
        ("a in b", "unable to parse requirement: found 'b', expected: '('"),
        ("a in (b", "unable to parse requirement: found '', expected: ',', ')' or identifier"),
        ("a=b c", "unable to parse requirement: found 'c', expected: ',' or 'end of string'"),
        ("!", "unable to parse requirement: found '', expected: identifier"),
        (
            "a>x",
            "unable to parse requirement: values[0]: Invalid value: for 'Gt', 'Lt' operators, the value must be an integer",
        ),
    ];
    for (selector, expected) in rows {
        assert_eq!(LabelSelector::parse(selector).unwrap_err().to_string(), expected, "{selector}");
    }
    assert!(LabelSelector::parse("a=-x").unwrap_err().to_string().contains("a valid label must be an empty string"));
    assert!(LabelSelector::parse("-a=x").unwrap_err().to_string().contains("name part must consist of"));
}

#[test]
fn the_json_form_means_the_same_as_the_text() {
    let selector = json!({"matchLabels": {"app": "web"}, "matchExpressions": [
        {"key": "tier", "operator": "In", "values": ["b", "a"]}, {"key": "old", "operator": "DoesNotExist"},
        {"key": "x", "operator": "NotIn", "values": ["y"]}, {"key": "z", "operator": "Exists"}]});
    let selector = LabelSelector::from_json(&selector).unwrap();
    assert_eq!(selector.to_string(), "app=web,tier in (a,b),!old,x!=y,z");
    assert_eq!(LabelSelector::parse(&selector.to_string()), Ok(selector));
    assert!(LabelSelector::from_json(&json!({"matchExpressions": [{"key": "a", "operator": "Near"}]})).is_err());
    assert!(LabelSelector::from_json(&json!({"matchExpressions": [{"key": "a", "operator": "In"}]})).is_err());
}

#[test]
fn no_selector_selects_nothing_and_an_empty_one_everything() {
    assert!(!LabelSelector::from_json(&Value::Null).unwrap().matches_map(None));
    assert!(LabelSelector::from_json(&json!({})).unwrap().matches_map(None));
    assert!(!LabelSelector::from_map(None).matches_map(None));
    assert!(LabelSelector::everything().is_empty() && !LabelSelector::nothing().is_empty());
}

#[test]
fn fields_are_selected_by_equality() {
    let selector = FieldSelector::parse(r"metadata.name=a\,b,status.phase!=Running,spec.nodeName==").unwrap();
    assert_eq!(selector.exact("metadata.name"), Some("a,b"));
    assert_eq!(selector.to_string(), r"metadata.name=a\,b,status.phase!=Running,spec.nodeName=");
    let fields = |name: &'static str| {
        move |field: &str| match field {
            "metadata.name" => Some(name),
            "status.phase" => Some("Pending"),
            _ => None,
        }
    };
    assert!(selector.matches(fields("a,b")));
    assert!(!selector.matches(fields("a")));
    assert!(FieldSelector::parse("").unwrap().is_empty());
}

#[test]
fn a_field_selector_that_makes_no_sense_is_refused() {
    let rows = [
        ("name", "invalid selector: 'name'; can't understand 'name'"),
        ("a=b=c", "invalid field selector: unescaped character in value: ="),
        (r"a=b\c", r"invalid field selector: invalid escape sequence: \c"),
    ];
    for (selector, expected) in rows {
        assert_eq!(FieldSelector::parse(selector).unwrap_err().to_string(), expected);
    }
}
