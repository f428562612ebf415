//! Indents compact JSON for people (`?pretty=true`, browsers, curl) without building a tree.

use http::{HeaderMap, header};

use crate::query::Query;

/// Says if the client wants indented JSON: by parameter, or because it is a browser, curl or wget (upstream's
/// `isPrettyPrint`).
pub(crate) fn wanted(query: &Query, headers: &HeaderMap) -> bool {
    if query.has("pretty") {
        return query.flag("pretty");
    }
    let agent = headers.get(header::USER_AGENT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    ["curl", "Wget", "Mozilla/5.0"].iter().any(|start| agent.starts_with(start))
}

/// Indents valid compact JSON by two spaces.
pub(crate) fn indent(compact: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(compact.len() * 2);
    let (mut depth, mut quoted, mut escaped) = (0_usize, false, false);
    for (index, &byte) in compact.iter().enumerate() {
        if quoted {
            out.push(byte);
            quoted = escaped || byte != b'"';
            escaped = !escaped && byte == b'\\';
            continue;
        }
        match byte {
            b'"' => {
                quoted = true;
                out.push(byte);
            }
            b'{' | b'[' => {
                out.push(byte);
                if !matches!(compact.get(index + 1), Some(b'}' | b']')) {
                    depth += 1;
                    new_line(&mut out, depth);
                }
            }
            b'}' | b']' => {
                if !matches!(compact.get(index.wrapping_sub(1)), Some(b'{' | b'[')) {
                    depth = depth.saturating_sub(1);
                    new_line(&mut out, depth);
                }
                out.push(byte);
            }
            b',' => {
                out.push(byte);
                new_line(&mut out, depth);
            }
            b':' => out.extend_from_slice(b": "),
            other => out.push(other),
        }
    }
    out.push(b'\n');
    out
}

fn new_line(out: &mut Vec<u8>, depth: usize) {
    out.push(b'\n');
    out.resize(out.len() + 2 * depth, b' ');
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn indented_json_is_what_serde_would_write() {
        for text in
            [r#"{"a":{"b":[1,2,{"c":"x,{}\"\\"}],"d":[],"e":{}},"f":null}"#, r#"[]"#, r#"{"n":-1.5,"text":"a:b\\"}"#]
        {
            let value: serde_json::Value = serde_json::from_str(text).unwrap();
            let expected = serde_json::to_string_pretty(&value).unwrap() + "\n";
            assert_eq!(String::from_utf8(indent(text.as_bytes())).unwrap(), expected);
        }
    }
}
