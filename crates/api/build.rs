//! Gathers the descriptions of types and fields: upstream's prose, which is no part of this repository. It lies in the sources of the
//! k8s-openapi crate, beside the types, and is read from there into a compressed table in `OUT_DIR` (see `src/openapi/descriptions.rs`).
//!
//! Cargo knows where those sources are, in its registry or vendored, and needs no network to say it.

use std::fmt::Write as _;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs, io};

use flate2::Compression;
use flate2::write::DeflateEncoder;
use serde_json::Value;

/// The crate that carries the descriptions, and the directory in it that belongs to the version the workspace enables.
const PACKAGE: &str = "k8s-openapi";
const VERSION: &str = "src/v1_36";
/// Descriptions of what that crate does not have.
const OWN: &str = "src/openapi/own.txt";

fn main() {
    let sources = package().join(VERSION);
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={}", sources.display());
    println!("cargo::rerun-if-changed={OWN}");
    let mut files = Vec::new();
    rust_files(&sources, &mut files).unwrap_or_else(|error| panic!("failed to list {}: {error}", sources.display()));
    files.sort();
    let mut table = String::new();
    for file in files {
        let text =
            fs::read_to_string(&file).unwrap_or_else(|error| panic!("failed to read {}: {error}", file.display()));
        describe(&text, &mut table);
    }
    let own = fs::read_to_string(OWN).unwrap_or_else(|error| panic!("failed to read {OWN}: {error}"));
    table.extend(own.lines().filter(|line| !line.starts_with('#')).flat_map(|line| [line, "\n"]));
    let path = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it")).join("descriptions.deflate");
    let mut encoder = DeflateEncoder::new(Vec::new(), Compression::best());
    let compressed = encoder.write_all(table.as_bytes()).and_then(|()| encoder.finish());
    fs::write(&path, compressed.expect("writing to memory cannot fail"))
        .unwrap_or_else(|error| panic!("failed to write {}: {error}", path.display()));
}

/// Where the sources of the package are. What was fetched is enough; only if the lock file names packages of other parts that were not, cargo
/// may fetch them.
fn package() -> PathBuf {
    let metadata = metadata(&["--offline"]).or_else(|_| metadata(&[])).unwrap_or_else(|error| {
        panic!("cargo cannot say where {PACKAGE} is: {error}\nhint: run `cargo fetch --locked` once with a network")
    });
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let manifest =
        packages.filter(|package| package["name"] == PACKAGE).find_map(|package| package["manifest_path"].as_str());
    let manifest = manifest.unwrap_or_else(|| panic!("{PACKAGE} is no dependency of the workspace"));
    Path::new(manifest).parent().expect("a manifest lies in a directory").to_owned()
}

fn metadata(more: &[&str]) -> Result<Value, String> {
    let cargo = env::var_os("CARGO").expect("cargo sets it");
    let target = env::var_os("TARGET").expect("cargo sets it");
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version=1", "--locked", "--filter-platform"]).arg(target).args(more);
    let output = command.output().map_err(|error| error.to_string())?;
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    serde_json::from_slice(&output.stdout).map_err(|error| error.to_string())
}

fn rust_files(directory: &Path, files: &mut Vec<PathBuf>) -> io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            rust_files(&path, files)?;
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}

/// Adds a line for a type, `NAME TAB TEXT`, and one for each of its fields, ` NAME TAB TEXT`; the texts are escaped as Rust escapes them.
///
/// The crate is generated, so the place of a line says what it is: a type's JSON schema names it, describes it at twelve blanks, names
/// its fields at sixteen and describes them at twenty.
fn describe(source: &str, table: &mut String) {
    let (mut named, mut field) = (false, "");
    for line in source.lines() {
        let text = line.trim_start();
        let add = |table: &mut String, name: &str, description: &str| {
            writeln!(table, "{name}\t{description}").expect("writing to a String cannot fail");
        };
        match line.len() - text.len() {
            8 if let Some(name) = between(text, "\"io.k8s.", "\".into()") => {
                add(table, &format!("io.k8s.{name}"), "");
                named = true;
            }
            12 if named && let Some(description) = between(text, "\"description\": \"", "\",") => {
                table.truncate(table.len() - 1);
                writeln!(table, "{description}").expect("writing to a String cannot fail");
            }
            16 if named && let Some((name, _)) = text.strip_prefix('"').and_then(|rest| rest.split_once("\": ")) => {
                field = name;
            }
            20 if named && !field.is_empty() => {
                let description = between(text, "\"description\": \"", "\",").or_else(|| {
                    between(text, "schema_obj.ensure_object().insert(\"description\".into(), \"", "\".into());")
                });
                if let Some(description) = description {
                    add(table, &format!(" {field}"), description);
                    field = "";
                }
            }
            _ => {}
        }
    }
}

fn between<'a>(text: &'a str, before: &str, after: &str) -> Option<&'a str> {
    text.strip_prefix(before)?.strip_suffix(after)
}
