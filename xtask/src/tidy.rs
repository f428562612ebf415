//! Checks over the whole workspace. Each check is a function from the workspace to complaints; one file each, one line in [`all`].

mod conformance;
mod dependencies;
mod documents;
mod sources;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::Value;

/// The workspace as the checks see it.
pub(crate) struct Workspace {
    pub(crate) root: PathBuf,
    pub(crate) packages: Vec<Package>,
}

/// One package of the workspace.
pub(crate) struct Package {
    pub(crate) name: String,
    pub(crate) directory: PathBuf,
    /// Names of what it depends on for its own build, tests not counted.
    pub(crate) dependencies: Vec<String>,
}

type Check = fn(&Workspace) -> Result<Vec<String>>;

fn all() -> Vec<(&'static str, Check)> {
    vec![
        ("crates use only the levels below them", dependencies::direction),
        ("a heavy dependency has one home", dependencies::homes),
        ("time, chance and environment come in from outside", sources::ambient),
        ("files stay short", sources::length),
        ("unsafe code stays where it is allowed", sources::unsafe_code),
        ("nothing is left unfinished", sources::unfinished),
        ("ARCHITECTURE.md names every crate", documents::architecture),
        ("every sample explains itself", documents::samples),
        ("docs/conformance.md is current", conformance::page),
        ("tests that hold conformance tests exist", conformance::held_by),
    ]
}

pub(crate) fn run() -> Result<()> {
    let workspace = Workspace::load()?;
    let mut complaints = 0;
    for (name, check) in all() {
        let found = check(&workspace)?;
        println!("{} {name}", if found.is_empty() { "ok  " } else { "FAIL" });
        found.iter().for_each(|complaint| println!("       {complaint}"));
        complaints += found.len();
    }
    if complaints > 0 {
        println!("{complaints} complaints");
        std::process::exit(1);
    }
    Ok(())
}

impl Workspace {
    fn load() -> Result<Self> {
        let output = Command::new(env!("CARGO")).args(["metadata", "--format-version=1", "--no-deps"]).output()?;
        let metadata: Value = serde_json::from_slice(&output.stdout).context("cargo metadata gave no JSON")?;
        let root = metadata["workspace_root"].as_str().context("cargo metadata names no workspace root")?.into();
        let packages = metadata["packages"].as_array().into_iter().flatten().map(Package::read).collect();
        Ok(Self { root, packages })
    }

    /// Every Rust file below the sources of a package, with its text.
    pub(crate) fn sources(&self) -> Result<Vec<(&Package, PathBuf, String)>> {
        let mut sources = Vec::new();
        for package in &self.packages {
            for path in rust_files(&package.directory.join("src"))? {
                let text = std::fs::read_to_string(&path)?;
                sources.push((package, path, text));
            }
        }
        Ok(sources)
    }

    /// A path as people write it: from the root of the workspace.
    pub(crate) fn shown(&self, path: &Path) -> String {
        path.strip_prefix(&self.root).unwrap_or(path).display().to_string()
    }
}

impl Package {
    fn read(value: &Value) -> Self {
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let own =
            value["dependencies"].as_array().into_iter().flatten().filter(|dependency| dependency["kind"].is_null());
        let manifest = PathBuf::from(text(&value["manifest_path"]));
        Self {
            name: text(&value["name"]),
            directory: manifest.parent().map(Path::to_path_buf).unwrap_or_default(),
            dependencies: own.map(|dependency| text(&dependency["name"])).collect(),
        }
    }
}

fn rust_files(directory: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let Ok(entries) = std::fs::read_dir(directory) else { return Ok(files) };
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() {
            files.extend(rust_files(&path)?);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}
