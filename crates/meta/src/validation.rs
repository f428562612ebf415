//! The forms names, labels and the like must have, with upstream's words for what is wrong
//! (`apimachinery/pkg/util/validation`). Each check returns what is wrong; an empty list means the value is good.

const LABEL_FORM: &str = "[a-z0-9]([-a-z0-9]*[a-z0-9])?";
const DNS1035_FORM: &str = "[a-z]([-a-z0-9]*[a-z0-9])?";
const NAME_FORM: &str = "([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]";

/// A DNS label: the names of namespaces and containers.
pub fn dns1123_label(value: &str) -> Vec<String> {
    let what = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and \
                end with an alphanumeric character";
    let mut wrong = at_most(value, 63, "characters");
    if value.contains('.') && is_dns1123_subdomain(value) {
        wrong.push("must not contain dots".to_owned());
    } else if !is_dns1123_label(value) {
        wrong.push(form(what, LABEL_FORM, &["my-name", "123-abc"]));
    }
    wrong
}

/// A DNS name of several labels: the names of most objects.
pub fn dns1123_subdomain(value: &str) -> Vec<String> {
    let what = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must \
                start and end with an alphanumeric character";
    let mut wrong = at_most(value, 253, "characters");
    if !is_dns1123_subdomain(value) {
        wrong.push(form(what, &format!("{LABEL_FORM}(\\.{LABEL_FORM})*"), &["example.com"]));
    }
    wrong
}

/// A DNS label that begins with a letter: the names of Services.
pub fn dns1035_label(value: &str) -> Vec<String> {
    let what = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic \
                character, and end with an alphanumeric character";
    let mut wrong = at_most(value, 63, "characters");
    if !is_dns1123_label(value) || !value.starts_with(|first: char| first.is_ascii_lowercase()) {
        wrong.push(form(what, DNS1035_FORM, &["my-name", "abc-123"]));
    }
    wrong
}

/// A name with an optional DNS prefix, `example.com/name`: the keys of labels, annotations, resources and conditions.
pub fn qualified_name(value: &str) -> Vec<String> {
    let what = "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric \
                character";
    let (prefix, name) = match value.split('/').collect::<Vec<_>>()[..] {
        [name] => (None, name),
        [prefix, name] => (Some(prefix), name),
        _ => {
            let examples = ["MyName", "my.name", "123-abc"];
            let suffix = " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')";
            return vec![format!("a qualified name {}{suffix}", form(what, NAME_FORM, &examples))];
        }
    };
    let mut wrong = Vec::new();
    match prefix {
        None => {}
        Some("") => wrong.push("prefix part must be non-empty".to_owned()),
        Some(prefix) => wrong.extend(dns1123_subdomain(prefix).into_iter().map(|text| format!("prefix part {text}"))),
    }
    if name.is_empty() {
        wrong.push("name part must be non-empty".to_owned());
    }
    wrong.extend(at_most(name, 63, "bytes").into_iter().map(|text| format!("name part {text}")));
    if !is_name(name) {
        wrong.push(format!("name part {}", form(what, NAME_FORM, &["MyName", "my.name", "123-abc"])));
    }
    wrong
}

/// The value of a label; may be empty.
pub fn label_value(value: &str) -> Vec<String> {
    let what = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must \
                start and end with an alphanumeric character";
    let mut wrong = at_most(value, 63, "bytes");
    if !value.is_empty() && !is_name(value) {
        wrong.push(form(what, "(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?", &["MyValue", "my_value", "12345"]));
    }
    wrong
}

/// Whether the value consists of `[-a-z0-9]` and neither begins nor ends with a dash. Says nothing of its length.
pub fn is_dns1123_label(value: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    enclosed(value, alphanumeric, |byte| alphanumeric(byte) || *byte == b'-')
}

fn is_dns1123_subdomain(value: &str) -> bool {
    value.split('.').all(is_dns1123_label)
}

fn is_name(value: &str) -> bool {
    enclosed(value, u8::is_ascii_alphanumeric, |byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte))
}

fn enclosed(value: &str, ends: impl Fn(&u8) -> bool, inner: impl Fn(&u8) -> bool) -> bool {
    let bytes = value.as_bytes();
    bytes.first().is_some_and(&ends) && bytes.last().is_some_and(&ends) && bytes.iter().all(inner)
}

/// Upstream counts bytes everywhere and calls them characters in the older checks.
fn at_most(value: &str, length: usize, unit: &str) -> Vec<String> {
    if value.len() > length { vec![format!("must be no more than {length} {unit}")] } else { Vec::new() }
}

/// `what (e.g. 'a',  or 'b', regex used for validation is '…')`, comma and spaces as upstream has them.
fn form(what: &str, regex: &str, examples: &[&str]) -> String {
    let examples: Vec<String> = examples.iter().map(|example| format!("'{example}', ")).collect();
    format!("{what} (e.g. {}regex used for validation is '{regex}')", examples.join(" or "))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn check(wrong: Vec<String>, expected: Expect) {
        expected.assert_eq(&wrong.join("\n"));
    }

    #[test]
    fn names_in_good_form_pass() {
        for good in ["a", "0", "my-name", "a--b"] {
            assert!(dns1123_label(good).is_empty(), "{good}");
        }
        assert!(dns1123_subdomain("a.b-c.9").is_empty());
        assert!(dns1035_label("web-1").is_empty());
        assert!(qualified_name("example.com/My_Name.x").is_empty());
        assert!(qualified_name("app").is_empty());
        assert!(label_value("").is_empty());
    }

    #[test]
    fn names_in_bad_form_are_told_the_form() {
        check(
            dns1123_label("Web_1"),
            expect![
                "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')"
            ],
        );
        check(
            dns1123_subdomain("a..b"),
            expect![[
                r#"a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')"#
            ]],
        );
        check(
            dns1035_label("1a"),
            expect![
                "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')"
            ],
        );
        check(
            qualified_name("a/b/c"),
            expect![
                "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]') with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
            ],
        );
        check(
            qualified_name("/-"),
            expect![[r#"
            prefix part must be non-empty
            name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"#]],
        );
        check(
            label_value("-x"),
            expect![
                "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"
            ],
        );
        check(label_value(&"x".repeat(64)), expect!["must be no more than 63 bytes"]);
    }
}
