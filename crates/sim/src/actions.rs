//! What a user and the weather do, from the seed.

use http::{Method, Request};
use sampan_client::{Client, Error};
use serde_json::{Value, json};

use crate::{Cluster, Dice};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const PODS: &str = "/api/v1/namespaces/default/pods";
const NODES: &str = "/api/v1/nodes";

/// Does one thing, chosen among all. Requests may fail, as a user's may; what became of them is seen in the store.
pub async fn any(cluster: &mut Cluster, dice: &Dice) {
    let user = cluster.user();
    match dice.below(20) {
        0..3 => create(cluster, &user, DEPLOYMENTS, deployment(dice)).await,
        3..6 => change(cluster, &user, dice, DEPLOYMENTS, json!({ "spec": { "replicas": dice.below(7) } })).await,
        6..8 => change(cluster, &user, dice, DEPLOYMENTS, roll(dice)).await,
        8 => delete(cluster, &user, dice, DEPLOYMENTS).await,
        9..11 => create(cluster, &user, JOBS, job(dice)).await,
        11 => delete(cluster, &user, dice, JOBS).await,
        12..15 => delete(cluster, &user, dice, PODS).await,
        15 => change(cluster, &user, dice, NODES, json!({ "spec": { "unschedulable": true } })).await,
        16 => change(cluster, &user, dice, NODES, json!({ "spec": { "unschedulable": null } })).await,
        weather => turn(cluster, dice, weather),
    }
}

/// Makes all nodes take pods again.
///
/// # Errors
/// What the API answered: this is for when nothing fails any more.
pub async fn uncordon_all(cluster: &Cluster) -> Result<(), Error> {
    let user = cluster.user();
    let nodes = cluster.observed().lock().world.names("nodes");
    for node in nodes {
        let patch = json!({ "spec": { "unschedulable": null } });
        ask(&user, Method::PATCH, &format!("{NODES}/{node}"), Some(&patch)).await?;
    }
    Ok(())
}

fn turn(cluster: &mut Cluster, dice: &Dice, what: u64) {
    let Some(node) = dice.pick(&cluster.node_names()).cloned() else { return };
    match what {
        17 => cluster.crash(&node),
        18 => cluster.cut_off(&node),
        _ => cluster.return_all(),
    }
}

async fn create(cluster: &Cluster, user: &Client, path: &str, object: Value) {
    report(cluster, Method::POST, path, ask(user, Method::POST, path, Some(&object)).await);
}

async fn change(cluster: &Cluster, user: &Client, dice: &Dice, resource: &str, patch: Value) {
    let Some(path) = choose(cluster, dice, resource) else { return };
    report(cluster, Method::PATCH, &path, ask(user, Method::PATCH, &path, Some(&patch)).await);
}

async fn delete(cluster: &Cluster, user: &Client, dice: &Dice, resource: &str) {
    let Some(path) = choose(cluster, dice, resource) else { return };
    let policy = dice.pick(&["Background", "Foreground"]).copied().unwrap_or_default();
    let options = json!({ "kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": policy });
    report(cluster, Method::DELETE, &path, ask(user, Method::DELETE, &path, Some(&options)).await);
}

/// The path of one of the objects there are.
fn choose(cluster: &Cluster, dice: &Dice, resource: &str) -> Option<String> {
    let key = match resource {
        DEPLOYMENTS => "apps/deployments",
        JOBS => "batch/jobs",
        NODES => "nodes",
        _ => "pods",
    };
    let names = cluster.observed().lock().world.names(key);
    dice.pick(&names).map(|name| format!("{resource}/{name}"))
}

async fn ask(user: &Client, method: Method, path: &str, body: Option<&Value>) -> Result<Value, Error> {
    let kind = if method == Method::PATCH { "application/merge-patch+json" } else { "application/json" };
    let body = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
    let request = Request::builder().method(method).uri(path).header("content-type", kind).body(body);
    user.request(request.expect("paths are made of names")).await
}

fn report(cluster: &Cluster, method: Method, path: &str, result: Result<Value, Error>) {
    let outcome = result.map_or_else(|error| format!("{error}"), |_| "done".to_owned());
    cluster.note(&format!("{method} {path}: {outcome}"));
}

fn pod(image: &str, cpu_millis: u64, labels: Value, restart: &str) -> Value {
    let resources = json!({ "requests": { "cpu": format!("{cpu_millis}m") } });
    json!({
        "metadata": { "labels": labels },
        "spec": {
            "restartPolicy": restart, "terminationGracePeriodSeconds": 5,
            "containers": [{ "name": "main", "image": image, "resources": resources }],
        },
    })
}

fn deployment(dice: &Dice) -> Value {
    let name = format!("web-{}", dice.below(3));
    let labels = json!({ "app": name });
    let template = pod("sim.test/serve:1", 50 * dice.between(1, 5), labels.clone(), "Always");
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": { "name": name },
        "spec": { "replicas": dice.below(6), "selector": { "matchLabels": labels }, "template": template },
    })
}

fn roll(dice: &Dice) -> Value {
    let image = format!("sim.test/serve:{}", dice.between(1, 2));
    let cpu = format!("{}m", 50 * dice.between(1, 5));
    let container = json!({ "name": "main", "image": image, "resources": { "requests": { "cpu": cpu } } });
    json!({ "spec": { "template": { "spec": { "containers": [container] } } } })
}

fn job(dice: &Dice) -> Value {
    let image = if dice.percent(20) { "sim.test/fail:1" } else { "sim.test/work:1" };
    let name = format!("work-{}", dice.below(4));
    let template = pod(image, 100, json!({ "work": name }), "Never");
    json!({
        "apiVersion": "batch/v1", "kind": "Job", "metadata": { "name": name },
        "spec": {
            "completions": dice.between(1, 5), "parallelism": dice.between(1, 3), "backoffLimit": 2, "template": template,
        },
    })
}
