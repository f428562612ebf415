//! `sampan up --demo DIR`: a sample, deployed as a user would, and what to try with it.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::cluster::apply;
use crate::push::{Target, push_file};
use crate::server::Server;

/// Pushes every component of the directory as `NAME:1`, applies its manifest, and says what to try.
pub(crate) async fn deploy(server: &Server, directory: &Path) -> Result<()> {
    for component in components(directory)? {
        let name = component.file_stem().and_then(|stem| stem.to_str()).unwrap_or("component").to_owned();
        push_file(&component, &Target::embedded(&format!("{name}:1"), server.oci.push_credentials())?).await?;
    }
    let client = server.admin();
    for object in manifest(&directory.join("manifest.yaml"))? {
        apply(&client, &object).await?;
    }
    say_what_to_try(server, directory);
    Ok(())
}

fn components(directory: &Path) -> Result<Vec<std::path::PathBuf>> {
    let entries =
        std::fs::read_dir(directory).with_context(|| format!("failed to read the demo {}", directory.display()))?;
    let mut components: Vec<_> = entries.filter_map(|entry| Some(entry.ok()?.path())).collect();
    components.retain(|path| path.extension().is_some_and(|extension| extension == "wasm"));
    components.sort();
    Ok(components)
}

/// The documents of a YAML file.
pub(crate) fn manifest(path: &Path) -> Result<Vec<Value>> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    documents(&text).with_context(|| format!("{} is no valid YAML", path.display()))
}

fn documents(text: &str) -> Result<Vec<Value>> {
    let documents = text.split("\n---").map(|document| document.trim_start_matches("---"));
    let values = documents
        .map(|document| serde_saphyr::from_str::<Option<Value>>(document).context("a document does not parse"));
    values.filter_map(Result::transpose).collect()
}

#[expect(clippy::print_stdout, reason = "this is what the user asked for")]
fn say_what_to_try(server: &Server, directory: &Path) {
    println!("The demo {} is applied. In another terminal, try:", directory.display());
    println!("  export KUBECONFIG={}", server.layout.kubeconfig().display());
    for line in [
        "kubectl get nodes -o wide",
        "kubectl -n hello get pods -o wide -w",
        "kubectl -n hello get service hello        # curl http://CLUSTER-IP/  and  http://NODE:NODEPORT/",
        "curl http://$(kubectl -n hello get service hello -o jsonpath={.spec.clusterIP})/",
        "kubectl -n hello logs -f deploy/hello",
        "kubectl -n hello scale deploy/hello --replicas=1000",
        "kubectl delete namespace hello",
    ] {
        println!("  {line}");
    }
    println!("Ctrl-C stops everything.");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_manifest_is_several_documents_and_empty_ones_do_not_count() {
        let found = documents("---\na: 1\n---\n# only a comment\n---\nb: [x]\n").unwrap();
        assert_eq!(found, [serde_json::json!({"a": 1}), serde_json::json!({"b": ["x"]})]);
        assert!(documents("a: [").is_err());
    }
}
