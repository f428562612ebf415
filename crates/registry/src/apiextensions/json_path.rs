//! The part of kubectl's JSONPath that columns, selectable fields and scale use: members, elements, `[*]`, and filters that compare.

use serde_json::Value;

/// A path, parsed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct JsonPath(Vec<Step>);

#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Member(String),
    Element(i64),
    All,
    /// `[?(@.type=="Ready")]`: those whose member at the path equals the text, or does not.
    Filter {
        path: JsonPath,
        equal: bool,
        value: Value,
    },
}

impl JsonPath {
    /// Parses `.spec.replicas`, `.status.conditions[?(@.type=="Ready")].status`, `.metadata.labels['a\.b']`.
    ///
    /// # Errors
    /// Where it is no path.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut steps = Vec::new();
        let mut rest = text.trim();
        while !rest.is_empty() {
            rest = match rest.strip_prefix('[') {
                Some(inner) => bracket(inner, &mut steps)?,
                None => member(rest.strip_prefix('.').unwrap_or(rest), &mut steps)?,
            };
        }
        Ok(Self(steps))
    }

    /// Every value at the path.
    pub(crate) fn find<'a>(&self, root: &'a Value) -> Vec<&'a Value> {
        self.0.iter().fold(vec![root], |values, step| values.into_iter().flat_map(|value| step.from(value)).collect())
    }

    /// The first value at the path.
    pub(crate) fn first<'a>(&self, root: &'a Value) -> Option<&'a Value> {
        self.find(root).into_iter().next()
    }

    /// The names of a path that is nothing but members.
    pub(crate) fn names(&self) -> Option<Vec<String>> {
        let name = |step: &Step| match step {
            Step::Member(name) => Some(name.clone()),
            _ => None,
        };
        self.0.iter().map(name).collect()
    }
}

impl Step {
    fn from<'a>(&self, value: &'a Value) -> Vec<&'a Value> {
        match self {
            Self::Member(name) => value.get(name).into_iter().collect(),
            Self::Element(index) => {
                let list = value.as_array().map_or(&[][..], Vec::as_slice);
                let at = usize::try_from(if *index < 0 { list.len() as i64 + index } else { *index });
                at.ok().and_then(|at| list.get(at)).into_iter().collect()
            }
            Self::All => children(value),
            Self::Filter { path, equal, value: wanted } => {
                let holds = |child: &&Value| path.first(child).is_some_and(|found| (found == wanted) == *equal);
                children(value).into_iter().filter(holds).collect()
            }
        }
    }
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(list) => list.iter().collect(),
        Value::Object(members) => members.values().collect(),
        _ => Vec::new(),
    }
}

/// A name up to the next dot or bracket; a backslash takes what follows as it is.
fn member<'a>(text: &'a str, steps: &mut Vec<Step>) -> Result<&'a str, String> {
    let mut name = String::new();
    let mut characters = text.char_indices();
    let mut end = text.len();
    while let Some((at, character)) = characters.next() {
        match character {
            '.' | '[' => {
                end = at;
                break;
            }
            '\\' => name.extend(characters.next().map(|(_, escaped)| escaped)),
            other => name.push(other),
        }
    }
    match name.as_str() {
        "" if end < text.len() || text.is_empty() => return Err(format!("a name is missing before {text:?}")),
        "*" => steps.push(Step::All),
        _ => steps.push(Step::Member(name)),
    }
    Ok(&text[end..])
}

fn bracket<'a>(text: &'a str, steps: &mut Vec<Step>) -> Result<&'a str, String> {
    if let Some(filter) = text.strip_prefix("?(") {
        let (filter, rest) = filter.split_once(")]").ok_or_else(|| format!("unterminated filter in [{text:?}"))?;
        steps.push(comparison(filter)?);
        return Ok(rest);
    }
    for quote in ['\'', '"'] {
        if let Some(quoted) = text.strip_prefix(quote) {
            let (name, rest) =
                quoted.split_once(&format!("{quote}]")).ok_or_else(|| format!("unterminated name in [{text:?}"))?;
            steps.push(Step::Member(name.replace('\\', "")));
            return Ok(rest);
        }
    }
    let (inner, rest) = text.split_once(']').ok_or_else(|| format!("unterminated array in [{text:?}"))?;
    match (inner, inner.parse()) {
        ("*", _) => steps.push(Step::All),
        (_, Ok(index)) => steps.push(Step::Element(index)),
        (_, Err(_)) => return Err(format!("invalid array index {inner}")),
    }
    Ok(rest)
}

fn comparison(text: &str) -> Result<Step, String> {
    let (path, value, equal) = match (text.split_once("=="), text.split_once("!=")) {
        (Some((path, value)), _) => (path, value, true),
        (None, Some((path, value))) => (path, value, false),
        _ => return Err(format!("cannot parse filter {text:?}")),
    };
    let path = path.trim().strip_prefix('@').ok_or_else(|| format!("a filter begins with @, not {path:?}"))?;
    let value = value.trim();
    let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
    let value = match quoted {
        Some(text) => Value::from(text),
        None => serde_json::from_str(value).map_err(|_| format!("cannot parse {value:?} in a filter"))?,
    };
    Ok(Step::Filter { path: JsonPath::parse(path)?, equal, value })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn paths_find_what_kubectl_finds() {
        let object = json!({"metadata": {"labels": {"a.b/c": "x"}}, "spec": {"list": [{"name": "one", "n": 1}, {"name": "two", "n": 2}]},
            "status": {"conditions": [{"type": "Synced", "status": "False"}, {"type": "Ready", "status": "True"}]}});
        for (path, expected) in [
            (".spec.list[0].name", r#"["one"]"#),
            (".spec.list[-1].n", "[2]"),
            (".spec.list[*].name", r#"["one","two"]"#),
            (r#".status.conditions[?(@.type=="Ready")].status"#, r#"["True"]"#),
            (".status.conditions[?(@.type != 'Ready')].status", r#"["False"]"#),
            (r".metadata.labels.a\.b/c", r#"["x"]"#),
            (r".metadata.labels['a\.b/c']", r#"["x"]"#),
            (".spec.absent.deeper", "[]"),
        ] {
            let found = JsonPath::parse(path).unwrap();
            assert_eq!(json!(found.find(&object)).to_string(), expected, "{path}");
        }
        for wrong in [".spec.list[", ".spec.list[x]", "..", ".a[?(b)]"] {
            assert!(JsonPath::parse(wrong).is_err(), "{wrong}");
        }
    }
}
