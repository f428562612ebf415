//! What a user and the weather do, from the seed.

use http::{Method, Request};
use sampan_client::{Client, Error};
use serde_json::{Value, json};

use crate::{Cluster, Dice};

const DEPLOYMENTS: &str = "/apis/apps/v1/namespaces/default/deployments";
const STATEFUL_SETS: &str = "/apis/apps/v1/namespaces/default/statefulsets";
const DAEMON_SETS: &str = "/apis/apps/v1/namespaces/default/daemonsets";
const JOBS: &str = "/apis/batch/v1/namespaces/default/jobs";
const CRON_JOBS: &str = "/apis/batch/v1/namespaces/default/cronjobs";
const BUDGETS: &str = "/apis/policy/v1/namespaces/default/poddisruptionbudgets";
const PODS: &str = "/api/v1/namespaces/default/pods";
const NODES: &str = "/api/v1/nodes";

/// Does one thing, chosen among all. Requests may fail, as a user's may; what became of them is seen in the store.
pub async fn any(cluster: &mut Cluster, dice: &Dice) {
    let user = cluster.user();
    match dice.below(32) {
        0..3 => create(cluster, &user, DEPLOYMENTS, deployment(dice)).await,
        3..6 => change(cluster, &user, dice, DEPLOYMENTS, json!({ "spec": { "replicas": dice.below(7) } })).await,
        6..8 => change(cluster, &user, dice, DEPLOYMENTS, roll(dice)).await,
        8 => delete(cluster, &user, dice, DEPLOYMENTS).await,
        9..11 => create(cluster, &user, JOBS, job(dice)).await,
        11 => delete(cluster, &user, dice, JOBS).await,
        12..15 => delete(cluster, &user, dice, PODS).await,
        15 => change(cluster, &user, dice, NODES, json!({ "spec": { "unschedulable": true } })).await,
        16 => change(cluster, &user, dice, NODES, json!({ "spec": { "unschedulable": null } })).await,
        20..22 => create(cluster, &user, STATEFUL_SETS, stateful_set(dice)).await,
        22 => change(cluster, &user, dice, STATEFUL_SETS, json!({ "spec": { "replicas": dice.below(4) } })).await,
        23 => change(cluster, &user, dice, STATEFUL_SETS, roll_image(dice)).await,
        24 => delete(cluster, &user, dice, STATEFUL_SETS).await,
        25 => create(cluster, &user, DAEMON_SETS, daemon_set(dice)).await,
        26 => change(cluster, &user, dice, DAEMON_SETS, roll_image(dice)).await,
        27 => create(cluster, &user, CRON_JOBS, cron_job(dice)).await,
        28 => create(cluster, &user, BUDGETS, budget(dice)).await,
        29..32 => evict(cluster, &user, dice).await,
        weather => turn(cluster, dice, weather),
    }
}

/// Stops all schedules, so that a cluster can come to rest.
///
/// # Errors
/// What the API answered: this is for when nothing fails any more.
pub async fn suspend_all(cluster: &Cluster) -> Result<(), Error> {
    let user = cluster.user();
    let names = cluster.observed().lock().world.names("batch/cronjobs");
    for name in names {
        let patch = json!({ "spec": { "suspend": true } });
        ask(&user, Method::PATCH, &format!("{CRON_JOBS}/{name}"), Some(&patch)).await?;
    }
    Ok(())
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

/// As a drain does, one pod at a time.
async fn evict(cluster: &Cluster, user: &Client, dice: &Dice) {
    let names = cluster.observed().lock().world.names("pods");
    let Some(name) = dice.pick(&names) else { return };
    let path = format!("{PODS}/{name}/eviction");
    let eviction = json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": name } });
    report(cluster, Method::POST, &path, ask(user, Method::POST, &path, Some(&eviction)).await);
}

/// The path of one of the objects there are.
fn choose(cluster: &Cluster, dice: &Dice, resource: &str) -> Option<String> {
    let key = match resource {
        DEPLOYMENTS => "apps/deployments",
        STATEFUL_SETS => "apps/statefulsets",
        DAEMON_SETS => "apps/daemonsets",
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

/// A pod that needs no room, so that there is some on every node.
fn light_pod(labels: Value) -> Value {
    let mut pod = pod("sim.test/serve:1", 0, labels, "Always");
    pod["spec"]["containers"][0]["resources"] = json!({});
    pod
}

/// Without claims: nobody provisions volumes here.
fn stateful_set(dice: &Dice) -> Value {
    let name = format!("db-{}", dice.below(2));
    let labels = json!({ "app": name });
    let policy = dice.pick(&["OrderedReady", "Parallel"]).copied().unwrap_or_default();
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": name },
        "spec": {
            "replicas": dice.below(4), "serviceName": name, "podManagementPolicy": policy,
            "selector": { "matchLabels": labels }, "template": light_pod(labels.clone()),
        },
    })
}

fn daemon_set(dice: &Dice) -> Value {
    let name = format!("log-{}", dice.below(2));
    let labels = json!({ "app": name });
    let surge = dice.below(2);
    let rolling = json!({ "maxSurge": surge, "maxUnavailable": 1 - surge });
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": { "name": name },
        "spec": {
            "selector": { "matchLabels": labels }, "template": light_pod(labels.clone()),
            "updateStrategy": { "type": "RollingUpdate", "rollingUpdate": rolling },
        },
    })
}

fn roll_image(dice: &Dice) -> Value {
    let container = json!({ "name": "main", "image": format!("sim.test/serve:{}", dice.between(1, 2)) });
    json!({ "spec": { "template": { "spec": { "containers": [container] } } } })
}

fn cron_job(dice: &Dice) -> Value {
    let name = format!("tick-{}", dice.below(2));
    let image = if dice.percent(20) { "sim.test/fail:1" } else { "sim.test/work:1" };
    let policy = dice.pick(&["Allow", "Forbid", "Replace"]).copied().unwrap_or_default();
    let mut template = pod(image, 0, json!({ "tick": name }), "Never");
    template["spec"]["containers"][0]["resources"] = json!({});
    json!({
        "apiVersion": "batch/v1", "kind": "CronJob", "metadata": { "name": name },
        "spec": {
            "schedule": "*/3 * * * *", "concurrencyPolicy": policy, "successfulJobsHistoryLimit": 2, "failedJobsHistoryLimit": 1,
            "jobTemplate": { "spec": { "backoffLimit": 1, "template": template } },
        },
    })
}

fn budget(dice: &Dice) -> Value {
    let name = format!("web-{}", dice.below(3));
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": name },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": name } } },
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
