//! `sampan run`: a file on disk becomes a Deployment and a Service (or a Job) on the running cluster.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, pin_mut};
use indicatif::{ProgressBar, ProgressStyle};
use sampan_api::k8s::api::apps::v1::Deployment;
use sampan_client::{Api, Client, WatchEvent, WatchParams};
use serde_json::{Value, json};

use crate::arguments::Run;
use crate::cluster::{Stored, apply, connect, fetch};
use crate::oci;
use crate::parts::Hint;
use crate::push::{Target, push_file};

/// How long pods may take to become ready before the command gives up waiting; they go on trying.
const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) async fn run(options: Run) -> Result<()> {
    let name = name(&options)?;
    let client = connect(&options.cluster).await?;
    let progress = progress();
    progress.set_message(format!("pushing {}", options.file.display()));
    let target = Target::embedded(&name, oci::push_to(&client).await?)?;
    let digest = push_file(&options.file, &target).await?;
    // By digest, so that running a changed file again rolls the pods over although the name is the same.
    let image = format!("{}@{digest}", target.image.trim_end_matches(":latest"));
    progress.set_message(format!("starting {name}"));
    for object in objects(&options, &name, &image)? {
        apply(&client, &object).await?;
    }
    match options.port {
        None => finish(
            &progress,
            &format!("job {name} started; see its output with: kubectl -n {0} logs -f job/{name}", options.namespace),
        ),
        Some(_) => {
            ready(&client, &options.namespace, &name, &progress).await?;
            let url = url(&client, &options.namespace, &name).await?;
            finish(&progress, &format!("{name} is ready"));
            say(&url);
        }
    }
    Ok(())
}

fn progress() -> ProgressBar {
    let style = ProgressStyle::with_template("{spinner} {msg}").expect("the template is a constant");
    let progress = ProgressBar::new_spinner().with_style(style);
    progress.enable_steady_tick(Duration::from_millis(100));
    progress
}

#[expect(clippy::print_stderr, reason = "progress is for people, the URL for programs")]
fn finish(progress: &ProgressBar, words: &str) {
    progress.finish_and_clear();
    eprintln!("{words}");
}

#[expect(clippy::print_stdout, reason = "the URL is the output")]
fn say(url: &str) {
    println!("{url}");
}

fn name(options: &Run) -> Result<String> {
    let name = options.name.clone().unwrap_or_else(|| from_file(&options.file));
    if name.is_empty() {
        bail!("{} gives no name for the deployment; give one with --name", options.file.display());
    }
    Ok(name)
}

/// The file's name as a DNS label.
fn from_file(file: &Path) -> String {
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default().to_lowercase();
    let label: String =
        stem.chars().map(|letter| if letter.is_ascii_alphanumeric() { letter } else { '-' }).take(50).collect();
    label.trim_matches('-').to_owned()
}

fn objects(options: &Run, name: &str, image: &str) -> Result<Vec<Value>> {
    let environment = options.environment.iter().map(|pair| {
        let (name, value) =
            pair.split_once('=').with_context(|| format!("--env {pair:?} must have the form NAME=VALUE"))?;
        Ok(json!({"name": name, "value": value}))
    });
    let environment = environment.collect::<Result<Vec<_>>>()?;
    let mut container = json!({"name": name, "image": image, "env": environment, "args": options.arguments});
    let labels = json!({"app.kubernetes.io/name": name});
    let metadata = json!({"namespace": options.namespace, "name": name, "labels": labels});
    let Some(port) = options.port else {
        let pod = json!({"spec": {"restartPolicy": "Never", "containers": [container]}});
        return Ok(vec![
            json!({"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": pod}}),
        ]);
    };
    container["ports"] = json!([{"name": "http", "containerPort": port}]);
    container["readinessProbe"] = json!({"tcpSocket": {"port": "http"}, "periodSeconds": 1});
    let template = json!({"metadata": {"labels": labels}, "spec": {"containers": [container]}});
    Ok(vec![
        json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata,
            "spec": {"replicas": options.replicas, "selector": {"matchLabels": labels}, "template": template}}),
        json!({"apiVersion": "v1", "kind": "Service", "metadata": metadata,
            "spec": {"type": "NodePort", "selector": labels, "ports": [{"name": "http", "port": port, "targetPort": "http"}]}}),
    ])
}

async fn ready(client: &Client, namespace: &str, name: &str, progress: &ProgressBar) -> Result<()> {
    let done = tokio::time::timeout(PATIENCE, follow(client, namespace, name, progress)).await;
    done.with_context(|| {
        Hint(format!("see why with: kubectl -n {namespace} describe pods -l app.kubernetes.io/name={name}"))
    })
    .with_context(|| format!("deployment {namespace}/{name} was not ready in {} s", PATIENCE.as_secs()))?
}

async fn follow(client: &Client, namespace: &str, name: &str, progress: &ProgressBar) -> Result<()> {
    let api: Api<Deployment> = Api::namespaced(client.clone(), namespace);
    let events = api.watch(&WatchParams::default().fields(&format!("metadata.name={name}")), "0").await?;
    pin_mut!(events);
    while let Some(event) = events.next().await {
        let (WatchEvent::Added(deployment) | WatchEvent::Modified(deployment)) = event? else { continue };
        let wanted = deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        let status = deployment.status.clone().unwrap_or_default();
        let current = status.observed_generation == deployment.metadata.generation;
        let updated = status.updated_replicas.unwrap_or(0).min(status.available_replicas.unwrap_or(0));
        progress.set_message(format!("{updated} of {wanted} pods ready"));
        if current && updated >= wanted && status.replicas.unwrap_or(0) == wanted {
            return Ok(());
        }
    }
    bail!("the server ended the watch of deployment {namespace}/{name}")
}

async fn url(client: &Client, namespace: &str, name: &str) -> Result<String> {
    let service = fetch(client, &Stored::named("v1", "Service", namespace, name)?).await?;
    let service = service.with_context(|| format!("service {namespace}/{name} is gone"))?;
    let (address, port) =
        (service["spec"]["clusterIP"].as_str().unwrap_or_default(), &service["spec"]["ports"][0]["port"]);
    Ok(format!("http://{address}:{port}/"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_names_its_deployment() {
        assert_eq!(from_file(Path::new("target/Hello_World.wasm")), "hello-world");
        assert_eq!(from_file(Path::new("-.wasm")), "");
    }
}
