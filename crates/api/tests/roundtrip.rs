//! Upstream's own serialized objects, every field filled, through the schema table: JSON ⇄ protobuf must lose nothing.
//!
//! The files are not part of this repository; without them the tests say so and pass. Rows of our own are in `meta::protobuf`.
#![expect(clippy::unwrap_used, reason = "a failing test may panic")]
#![expect(clippy::print_stderr, reason = "says why nothing was tested")]

use sampan_api::schema;
use sampan_meta::decode::{conform, parse_json};
use sampan_meta::protobuf::{decode, encode_object, envelope};
use sampan_meta::schema::Type;
use serde_json::Value;
use std::path::{Path, PathBuf};

struct Fixture {
    name: String,
    json: Value,
    protobuf: Vec<u8>,
}

fn fixtures() -> Vec<Fixture> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/roundtrip");
    let Ok(entries) = std::fs::read_dir(&directory) else {
        eprintln!("skipped: {} is not there", directory.display());
        return Vec::new();
    };
    let mut paths: Vec<PathBuf> = entries.map(|entry| entry.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_some_and(|extension| extension == "json"));
    paths.sort();
    assert!(paths.len() >= 91, "91 kinds are expected, there are {}", paths.len());
    paths.iter().map(|path| load(path)).collect()
}

fn load(path: &Path) -> Fixture {
    let (json, duplicates) = parse_json(&std::fs::read(path).unwrap()).unwrap();
    assert!(duplicates.is_empty());
    let protobuf = std::fs::read(path.with_extension("pb")).unwrap();
    Fixture { name: path.file_stem().unwrap().to_string_lossy().into_owned(), json, protobuf }
}

/// The differences between two values, one line each.
fn differences(path: &str, left: &Value, right: &Value, found: &mut Vec<String>) {
    match (left, right) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let (a, b) = (a.get(key).unwrap_or(&Value::Null), b.get(key).unwrap_or(&Value::Null));
                differences(&format!("{path}.{key}"), a, b, found);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                differences(&format!("{path}[{index}]"), a, b, found);
            }
        }
        (a, b) if a == b => {}
        (a, b) => found.push(format!("{path}: {a} / {b}")),
    }
}

/// Runs a check on every fixture and reports all that fail.
fn check_all(check: impl Fn(&Fixture, &mut Vec<String>)) {
    let mut failures = Vec::new();
    for fixture in fixtures() {
        let mut found = Vec::new();
        check(&fixture, &mut found);
        failures.extend(found.into_iter().map(|failure| format!("{}{failure}", fixture.name)));
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

impl Fixture {
    /// By the file's name, `group.version.Kind`: a WatchEvent does not say what it is.
    fn type_(&self) -> &'static Type {
        let (group_version, kind) = self.name.rsplit_once('.').unwrap();
        let (group, version) = group_version.rsplit_once('.').unwrap();
        let api_version = if group == "core" { version.to_owned() } else { format!("{group}/{version}") };
        schema().by_kind(&api_version, kind).unwrap_or_else(|| panic!("no kind {api_version} {kind}"))
    }

    fn decode(&self, bytes: &[u8]) -> Value {
        let unknown = envelope::unwrap(bytes).unwrap();
        let mut value = decode(schema(), self.type_(), &unknown.raw).unwrap();
        if !unknown.kind.is_empty() {
            value["apiVersion"] = unknown.api_version.into();
            value["kind"] = unknown.kind.into();
        }
        value
    }
}

#[test]
fn every_kind_conforms_and_no_field_is_unknown() {
    check_all(|fixture, failures| {
        let mut value = fixture.json.clone();
        match conform(schema(), fixture.type_(), &mut value) {
            Ok(unknown) => failures.extend(unknown.iter().map(|path| format!(": unknown {path}"))),
            Err(error) => failures.push(format!(": {error}")),
        }
        differences("", &fixture.json, &value, failures);
    });
}

#[test]
fn protobuf_becomes_the_same_json() {
    check_all(|fixture, failures| differences("", &fixture.json, &fixture.decode(&fixture.protobuf), failures));
}

#[test]
fn json_becomes_the_same_protobuf_bytes() {
    check_all(|fixture, failures| {
        let bytes = encode_object(schema(), fixture.type_(), &fixture.json).unwrap();
        if bytes != fixture.protobuf {
            let at = bytes.iter().zip(&fixture.protobuf).take_while(|(ours, theirs)| ours == theirs).count();
            let (ours, theirs) = (bytes.len(), fixture.protobuf.len());
            failures.push(format!(": {ours} bytes instead of {theirs}, the first difference is at {at}"));
        }
    });
}

#[test]
fn json_to_protobuf_and_back_loses_nothing() {
    check_all(|fixture, failures| {
        let bytes = encode_object(schema(), fixture.type_(), &fixture.json).unwrap();
        differences("", &fixture.json, &fixture.decode(&bytes), failures);
    });
}
