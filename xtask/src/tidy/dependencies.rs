//! Which crate may use which.

use anyhow::Result;

use super::Workspace;

/// Our own crates and what they may use, lowest level first. `sampan`, the binary, is the only one that may use everything.
const MAY_USE: &[(&str, &[&str])] = &[
    ("sampan-meta", &[]),
    ("sampan-store", &["sampan-meta"]),
    ("sampan-api", &["sampan-meta"]),
    ("sampan-cel", &["sampan-meta"]),
    ("sampan-kms", &["sampan-store", "sampan-meta"]),
    ("sampan-runtime", &[]),
    ("sampan-otlp", &[]),
    ("sampan-oci", &[]),
    ("sampan-registry", &["sampan-store", "sampan-api", "sampan-cel", "sampan-meta"]),
    ("sampan-access", &["sampan-api", "sampan-cel", "sampan-meta"]),
    ("sampan-client", &["sampan-api", "sampan-meta"]),
    ("sampan-apiserver", &["sampan-registry", "sampan-access", "sampan-api", "sampan-cel", "sampan-meta"]),
    ("sampan-scheduler", &["sampan-client", "sampan-api", "sampan-meta"]),
    ("sampan-controllers", &["sampan-client", "sampan-api", "sampan-meta"]),
    ("sampan-network", &["sampan-client", "sampan-runtime", "sampan-api", "sampan-meta"]),
    ("sampan-node", &["sampan-client", "sampan-runtime", "sampan-api", "sampan-meta"]),
    ("sampan-wasm", &["sampan-runtime"]),
    ("sampan-containers", &["sampan-runtime"]),
];

/// Heavy dependencies and the crates that may name them.
const HOMES: &[(&str, &[&str])] = &[
    ("k8s-openapi", &["sampan-api"]),
    ("kube", &["sampan-client", "sampan-e2e"]),
    ("sqlx", &["sampan-store"]),
    ("rusqlite", &["sampan-store"]),
    ("ring", &["sampan-access", "sampan-store"]),
    ("wasmtime", &["sampan-wasm"]),
    ("wasmtime-wasi", &["sampan-wasm"]),
    ("wasmtime-wasi-http", &["sampan-wasm"]),
    ("oci-client", &["sampan-wasm"]),
    ("tonic", &["sampan-containers", "sampan-kms", "sampan-otlp"]),
    ("tonic-prost", &["sampan-containers", "sampan-kms", "sampan-otlp"]),
    ("prost", &["sampan-containers", "sampan-kms", "sampan-otlp"]),
    ("axum", &["sampan-apiserver", "sampan-node", "sampan-oci", "sampan"]),
    ("clap", &["sampan"]),
    ("anyhow", &["sampan", "xtask", "sampan-e2e"]),
    ("jsonwebtoken", &["sampan-access"]),
    ("rcgen", &["sampan-access"]),
];

const EVERYTHING: &[&str] = &["sampan", "sampan-sim", "sampan-e2e", "sampan-fuzz", "sampan-benches", "xtask"];

pub(super) fn direction(workspace: &Workspace) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for package in workspace.packages.iter().filter(|package| !EVERYTHING.contains(&package.name.as_str())) {
        let Some((_, allowed)) = MAY_USE.iter().find(|(name, _)| *name == package.name) else {
            complaints.push(format!("{} has no place in the house: give it a line in {}", package.name, file!()));
            continue;
        };
        let ours = package.dependencies.iter().filter(|name| name.starts_with("sampan"));
        let wrong = ours.filter(|name| !allowed.contains(&name.as_str()));
        complaints.extend(wrong.map(|name| format!("{} must not use {name}", package.name)));
    }
    Ok(complaints)
}

pub(super) fn homes(workspace: &Workspace) -> Result<Vec<String>> {
    let mut complaints = Vec::new();
    for package in &workspace.packages {
        for (dependency, homes) in HOMES {
            let named = package.dependencies.iter().any(|name| name == dependency);
            if named && !homes.contains(&package.name.as_str()) {
                complaints.push(format!("{} names {dependency}, which belongs to {}", package.name, homes.join(", ")));
            }
        }
    }
    Ok(complaints)
}
