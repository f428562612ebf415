//! What types and fields are for, in upstream's words, which `build.rs` finds in the sources of the k8s-openapi crate.
//!
//! The table is compressed in the binary (a sixth of its text) and inflated for as long as a document is being made, so that an idle server
//! spends nothing on it.

use std::collections::BTreeMap;
use std::io::Read as _;

use flate2::read::DeflateDecoder;

static TABLE: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptions.deflate"));

/// A kind that describes `apiVersion` and `kind`, as every kind's are described.
const ANY_KIND: &str = "io.k8s.api.core.v1.Pod";

/// The descriptions of every type and field of Kubernetes; about 2 MB while it lives.
pub struct Descriptions {
    /// For every component its lines: its own description, then `NAME TAB TEXT` for each field.
    components: BTreeMap<String, String>,
}

impl Descriptions {
    /// Inflates the table; some ten milliseconds.
    pub fn read() -> Self {
        let mut table = String::new();
        DeflateDecoder::new(TABLE).read_to_string(&mut table).expect("the build compressed UTF-8 text");
        let mut components = BTreeMap::new();
        let mut lines = table.lines().peekable();
        while let Some((name, own)) = lines.next().and_then(|line| line.split_once('\t')) {
            let mut block = format!("{own}\n");
            while let Some(field) = lines.peek().and_then(|line| line.strip_prefix(' ')) {
                block.push_str(field);
                block.push('\n');
                lines.next();
            }
            components.insert(name.to_owned(), block);
        }
        Self { components }
    }

    /// What a component (`io.k8s.api.core.v1.Pod`) is.
    pub fn component(&self, name: &str) -> Option<String> {
        match self.components.get(name).and_then(|block| block.lines().next()) {
            Some(text) if !text.is_empty() => Some(unescape(text)),
            _ => item(name).map(|item| format!("{item}List is a list of {item} objects.")),
        }
    }

    /// What a field of a component is.
    pub fn field(&self, component: &str, field: &str) -> Option<String> {
        if let Some(block) = self.components.get(component) {
            let mut fields = block.lines().skip(1).filter_map(|line| line.split_once('\t'));
            return fields.find(|(name, _)| *name == field).map(|(_, text)| unescape(text));
        }
        item(component)?;
        match field {
            "items" => Some("The objects of the list.".to_owned()),
            "metadata" => Some("The list's resource version, and where the next page begins.".to_owned()),
            _ => self.field(ANY_KIND, field),
        }
    }
}

/// What the objects of a list are called. The crate has one generic type for all lists, so that these are described here.
fn item(component: &str) -> Option<&str> {
    component.rsplit('.').next()?.strip_suffix("List").filter(|item| !item.is_empty())
}

/// Reads a text as Rust's string literals write it.
fn unescape(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match if character == '\\' { characters.next() } else { None } {
            None => out.push(character),
            Some('n') => out.push('\n'),
            Some('t') => out.push('\t'),
            Some('r') => out.push('\r'),
            Some('u') => {
                let digits: String = characters.by_ref().skip(1).take_while(|digit| *digit != '}').collect();
                out.extend(u32::from_str_radix(&digits, 16).ok().and_then(char::from_u32));
            }
            Some(literal) => out.push(literal),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_read_as_rust_writes_them() {
        assert_eq!(unescape(r#"a \"b\" \\ c\n d \u{2013}."#), "a \"b\" \\ c\n d \u{2013}.");
    }

    #[test]
    fn types_fields_and_lists_are_described() {
        let descriptions = Descriptions::read();
        let container = "io.k8s.api.core.v1.Container";
        assert!(descriptions.component(container).unwrap().starts_with("A single application container"));
        assert!(descriptions.field(container, "resources").unwrap().starts_with("Compute Resources required"));
        assert!(descriptions.field(container, "imagePullPolicy").unwrap().contains("IfNotPresent"));
        assert_eq!(descriptions.field(container, "nothing"), None);
        assert!(descriptions.component("io.k8s.api.apps.v1.DeploymentList").unwrap().contains("list of Deployment"));
        assert!(descriptions.field("io.k8s.api.apps.v1.DeploymentList", "kind").is_some());
    }
}
