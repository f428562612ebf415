//! Go's regular expressions as this program's. Both are RE2's language; what differs is rewritten.

use regex::Regex;

/// Compiles a `pattern`. In Go `\d`, `\w` and `\s` are ASCII, and a bracket within a class is a character.
///
/// # Errors
/// What is wrong with it.
pub(super) fn compile(pattern: &str) -> Result<Regex, String> {
    Regex::new(&translated(pattern)).map_err(|error| error.to_string())
}

fn translated(pattern: &str) -> String {
    let mut out = String::with_capacity(pattern.len());
    let mut in_class = false;
    let mut characters = pattern.chars().peekable();
    while let Some(character) = characters.next() {
        match (character, in_class) {
            ('\\', _) => match characters.next() {
                Some(escaped) => escape(&mut out, escaped, in_class),
                None => out.push('\\'),
            },
            ('[', false) => {
                in_class = true;
                out.push('[');
                if characters.next_if_eq(&'^').is_some() {
                    out.push('^');
                }
                if characters.next_if_eq(&']').is_some() {
                    out.push_str("\\]");
                }
            }
            ('[', true) if characters.peek() != Some(&':') => out.push_str("\\["),
            ('[', true) => named_class(&mut out, &mut characters),
            (']', true) => {
                in_class = false;
                out.push(']');
            }
            ('&' | '~', true) => out.extend(['\\', character]),
            (character, _) => out.push(character),
        }
    }
    out
}

/// `[:alpha:]`, within a class.
fn named_class(out: &mut String, characters: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    out.push('[');
    for character in characters.by_ref() {
        out.push(character);
        if character == ']' {
            return;
        }
    }
}

fn escape(out: &mut String, escaped: char, in_class: bool) {
    let class = match escaped {
        'd' => "0-9",
        'w' => "0-9A-Za-z_",
        's' => "\\t\\n\\f\\r ",
        _ => return out.extend(['\\', escaped]),
    };
    match in_class {
        true => out.push_str(class),
        false => out.extend(["[", class, "]"]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_mean_what_they_mean_in_go() {
        for (pattern, text, matches) in [
            ("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$", "web-1", true),
            (r"^\d+$", "12", true),
            (r"^\d+$", "٣", false),
            (r"^[\w.-]+$", "a_b.c-d", true),
            ("^[[]x$", "[x", true),
            ("^[a&&b]+$", "&", true),
            ("^[[:alpha:]]+$", "abc", true),
            (r"^\S+$", "a b", false),
            (r"^[^\s/]+$", "a/b", false),
            (r"^[]a]+$", "]a", true),
        ] {
            assert_eq!(compile(pattern).unwrap().is_match(text), matches, "{pattern} on {text}");
        }
        assert!(compile("(").is_err());
    }
}
