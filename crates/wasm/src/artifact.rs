//! What is known of a component before it is started: how it begins, what it asks for and what it gives.

use serde::{Deserialize, Serialize};

use crate::host;

/// Facts of a compiled component, written beside its code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Artifact {
    pub(crate) entry: Entry,
    /// Names of what it imports, for example `wasi:cli/environment@0.2.6`.
    pub(crate) imports: Vec<String>,
    /// Name of its `sampan:pod/probe` export, when it has one.
    pub(crate) probe: Option<String>,
}

/// How a component is run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Entry {
    /// A core module's `_start`, WASI 0.1.
    Command1,
    /// `wasi:cli/run` of WASI 0.2.
    Command2,
    /// `wasi:cli/run` of WASI 0.3.
    Command3,
    /// `wasi:http/incoming-handler` of WASI 0.2.
    Service2,
    /// `wasi:http/handler` of WASI 0.3.
    Service3,
}

impl Entry {
    /// It answers requests and does not end by itself.
    pub(crate) fn serves(self) -> bool {
        matches!(self, Entry::Service2 | Entry::Service3)
    }
}

/// What a component may export to be run, best first.
const ENTRIES: [(&str, &str, Entry); 4] = [
    ("wasi:http/handler", "0.3", Entry::Service3),
    ("wasi:http/incoming-handler", "0.2", Entry::Service2),
    ("wasi:cli/run", "0.3", Entry::Command3),
    ("wasi:cli/run", "0.2", Entry::Command2),
];

impl Artifact {
    /// Sorts out names. Fails, in words for the pod's event, when nothing in the component can be started.
    pub(crate) fn new(imports: Vec<String>, exports: &[String]) -> Result<Self, String> {
        let entry = ENTRIES
            .into_iter()
            .find(|(interface, version, _)| exports.iter().any(|export| host::compatible(export, interface, version)))
            .map(|(_, _, entry)| entry)
            .ok_or_else(|| nothing_to_start(exports))?;
        let probe = exports.iter().find(|export| host::compatible(export, "sampan:pod/probe", "0.1")).cloned();
        Ok(Artifact { entry, imports, probe })
    }

    /// A core module. It has no version numbers to match; what it imports is named `module::function`.
    pub(crate) fn of_module(imports: Vec<String>, exports: &[String]) -> Result<Self, String> {
        if exports.iter().any(|export| export == "_start") {
            return Ok(Artifact { entry: Entry::Command1, imports, probe: None });
        }
        let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
        Err(format!("core module exports {found}; it must export _start to be started as a WASI 0.1 command"))
    }

    /// Imports that this node does not offer.
    pub(crate) fn missing(&self) -> Vec<&str> {
        self.imports.iter().map(String::as_str).filter(|import| !host::offers(import)).collect()
    }
}

fn nothing_to_start(exports: &[String]) -> String {
    let found = if exports.is_empty() { "nothing".to_owned() } else { exports.join(", ") };
    format!(
        "component exports {found}; it must export wasi:cli/run or wasi:http/incoming-handler of WASI 0.2, or their successors of 0.3, to be started"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(exports: &[&str]) -> Result<Entry, String> {
        let exports: Vec<String> = exports.iter().map(|name| name.to_string()).collect();
        Artifact::new(Vec::new(), &exports).map(|artifact| artifact.entry)
    }

    #[test]
    fn the_export_decides_how_a_component_is_run() {
        assert_eq!(entry(&["wasi:cli/run@0.2.0"]), Ok(Entry::Command2));
        assert_eq!(entry(&["wasi:cli/run@0.3.0"]), Ok(Entry::Command3));
        assert_eq!(entry(&["wasi:http/incoming-handler@0.2.10"]), Ok(Entry::Service2));
        assert_eq!(entry(&["wasi:http/handler@0.3.2"]), Ok(Entry::Service3));
        assert_eq!(entry(&["wasi:cli/run@0.2.0", "wasi:http/incoming-handler@0.2.0"]), Ok(Entry::Service2));
    }

    #[test]
    fn a_library_is_refused_by_naming_what_it_has() {
        let message = entry(&["example:text/upper@1.0.0"]).unwrap_err();
        assert!(
            message.starts_with("component exports example:text/upper@1.0.0; it must export wasi:cli/run"),
            "{message}"
        );
        assert!(entry(&[]).unwrap_err().starts_with("component exports nothing"));
    }

    #[test]
    fn what_the_node_does_not_offer_is_named() {
        let imports = ["wasi:cli/environment@0.2.3", "wasi:nn/graph@0.2.0", "frobnicate"].map(String::from).to_vec();
        let artifact = Artifact::new(imports, &["wasi:cli/run@0.2.0".to_owned()]).unwrap();
        assert_eq!(artifact.missing(), ["wasi:nn/graph@0.2.0", "frobnicate"]);
    }
}
