//! How many pods a second are decided on among 5,000 nodes: the decision and the bookkeeping of it, no API.
//!
//! `cargo run --profile fast -p sampan-scheduler --example throughput [-- NODES]`
//!
//! Each row is measured twice in one run: with sums kept current, and with everything counted anew for each decision (by one look at every
//! pod, as a scheduler without indices has to; for rows where nothing is counted, by looking at every node instead of at enough of them).

#![expect(clippy::print_stdout, reason = "figures are what it is for")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use sampan_scheduler::selector::Labels;
use sampan_scheduler::{Cursor, PodRequest, Profile, Snapshot, place, preempt};
use serde_json::{Value, json};

const ZONES: [&str; 3] = ["a", "b", "c"];
const NAMESPACES: usize = 100;

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let nodes = std::env::args().nth(1).map_or(Ok(5000), |text| text.parse())?;
    println!("{nodes} nodes                                        pods   pods/s   counted anew   ratio");
    let away = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near("green", true)]}});
    let together = json!({"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [near("blue", false)]}});
    let wish = json!({"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 1, "podAffinityTerm": near("red", true)}]}});
    let rows = [
        Row { name: "basic", before: 1000, measured: 10_000, pod: pod("plain", json!({})) },
        Row { name: "of a Service (spread by default)", before: 1000, measured: 10_000, pod: pod("served", json!({})) },
        Row {
            name: "node affinity",
            before: 1000,
            measured: 10_000,
            pod: pod("picky", json!({"nodeSelector": {"topology.kubernetes.io/zone": "b"}})),
        },
        Row {
            name: "required anti-affinity, namespace selector",
            before: nodes / 2,
            measured: nodes / 4,
            pod: pod("green", json!({"affinity": away})),
        },
        Row {
            name: "required affinity (zone)",
            before: 1000,
            measured: 5000,
            pod: pod("blue", json!({"affinity": together})),
        },
        Row { name: "preferred affinity", before: 1000, measured: 5000, pod: pod("red", json!({"affinity": wish})) },
        Row {
            name: "topology spread (zone)",
            before: 1000,
            measured: 5000,
            pod: pod(
                "even",
                json!({"topologySpreadConstraints": [spread("topology.kubernetes.io/zone", "DoNotSchedule")]}),
            ),
        },
        Row {
            name: "topology spread (zone and host)",
            before: 1000,
            measured: 5000,
            pod: pod(
                "even",
                json!({"topologySpreadConstraints": [
                spread("topology.kubernetes.io/zone", "DoNotSchedule"), spread("kubernetes.io/hostname", "DoNotSchedule")]}),
            ),
        },
        Row {
            name: "topology spread, as a wish",
            before: 1000,
            measured: 5000,
            pod: pod(
                "even",
                json!({"topologySpreadConstraints": [spread("topology.kubernetes.io/zone", "ScheduleAnyway")]}),
            ),
        },
    ];
    for row in &rows {
        row.print(nodes)?;
    }
    unschedulable(nodes)?;
    preempting(nodes)
}

struct Row {
    name: &'static str,
    before: usize,
    measured: usize,
    pod: Value,
}

impl Row {
    fn print(&self, nodes: usize) -> Result<(), Box<dyn std::error::Error>> {
        let kept = self.run(nodes, self.measured, false)?;
        let anew = self.run(nodes, self.measured.min(300), true)?;
        println!("{:48} {:>6} {kept:>8.0} {anew:>14.0} {:>7.1}", self.name, self.measured, kept / anew);
        Ok(())
    }

    /// Pods a second.
    fn run(&self, nodes: usize, measured: usize, anew: bool) -> Result<f64, Box<dyn std::error::Error>> {
        let mut cluster = cluster(nodes)?;
        let profile = Profile::new("default-scheduler");
        let mut cursor = Cursor::default();
        for number in 0..self.before {
            decide(&mut cluster, numbered(&self.pod, number)?, &profile, &mut cursor);
        }
        let pods: Result<Vec<_>, _> = (0..measured).map(|number| numbered(&self.pod, self.before + number)).collect();
        let profile = if anew { profile.percentage_of_nodes_to_score(100) } else { profile };
        let begin = Instant::now();
        for pod in pods? {
            if anew {
                cluster.forget_counts();
            }
            decide(&mut cluster, pod, &profile, &mut cursor);
        }
        Ok(rate(measured, begin.elapsed()))
    }
}

/// Pods that fit nowhere: every node is asked.
fn unschedulable(nodes: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (mut cluster, profile, mut cursor) = (cluster(nodes)?, Profile::new("default-scheduler"), Cursor::default());
    let huge =
        numbered(&pod("huge", json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "3950m"}}}]})), 0)?;
    for number in 0..nodes {
        decide(&mut cluster, numbered(&pod("plain", json!({})), number)?, &profile, &mut cursor);
        cluster.place(numbered(&pod("filler", json!({})), number)?, &format!("node-{number}"));
    }
    let begin = Instant::now();
    let (tries, mut refused) = (500, 0);
    for _ in 0..tries {
        refused += usize::from(place(&huge, &mut cluster, &profile, &mut cursor).is_err());
    }
    println!("{:48} {refused:>6} {:>8.0}", "that fit nowhere", rate(tries, begin.elapsed()));
    Ok(())
}

/// Every node is full of four less important pods each.
fn preempting(nodes: usize) -> Result<(), Box<dyn std::error::Error>> {
    let (mut cluster, profile, mut cursor) = (cluster(nodes)?, Profile::new("default-scheduler"), Cursor::default());
    let sized = |cpu: &str, priority: i64| {
        let containers = json!([{"name": "c", "resources": {"requests": {"cpu": cpu}}}]);
        pod("sized", json!({"containers": containers, "priority": priority}))
    };
    for number in 0..nodes * 4 {
        cluster.place(numbered(&sized("900m", 0), number)?, &format!("node-{}", number % nodes));
    }
    let important = sized("3", 100);
    let (tries, mut made) = (500, 0);
    let pods: Result<Vec<_>, _> = (0..tries).map(|number| numbered(&important, 1_000_000 + number)).collect();
    let begin = Instant::now();
    for pod in pods? {
        let Err(failure) = place(&pod, &mut cluster, &profile, &mut cursor) else { continue };
        if let Ok(preemption) = preempt(&pod, &mut cluster, &profile, &failure, cursor) {
            preemption.victims.iter().for_each(|victim| drop(cluster.remove(&victim.uid)));
            cluster.place(pod, &preemption.node);
            made += 1;
        }
    }
    println!("{:48} {made:>6} {:>8.0}", "that preempt three each", rate(tries, begin.elapsed()));
    Ok(())
}

fn decide(cluster: &mut Snapshot, pod: Arc<PodRequest>, profile: &Profile, cursor: &mut Cursor) {
    match place(&pod, cluster, profile, cursor) {
        Ok(placement) => cluster.place(pod, &placement.node),
        Err(failure) => println!("{}: {}", pod.name, failure.message()),
    }
}

#[expect(clippy::cast_precision_loss, reason = "small numbers")]
fn rate(pods: usize, time: Duration) -> f64 {
    pods as f64 / time.as_secs_f64()
}

fn cluster(nodes: usize) -> Result<Snapshot, serde_json::Error> {
    let mut cluster = Snapshot::default();
    for number in 0..NAMESPACES {
        let labels = Labels::from([("team".to_owned(), "devops".to_owned())]);
        cluster.set_namespace(&format!("namespace-{number}"), labels);
        let service = sampan_meta::NamespacedName { namespace: format!("namespace-{number}"), name: "served".into() };
        cluster.workloads.set_service(&service, Some(&Labels::from([("color".to_owned(), "served".to_owned())])));
    }
    for number in 0..nodes {
        let name = format!("node-{number}");
        let labels = json!({"kubernetes.io/hostname": name, "topology.kubernetes.io/zone": ZONES[number % ZONES.len()],
            "kubernetes.io/os": "linux", "kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": "m"});
        let node = json!({"metadata": {"name": name, "labels": labels},
            "status": {"allocatable": {"cpu": "4", "memory": "32Gi", "pods": "110"}}});
        cluster.set_node(Arc::new(serde_json::from_value(node)?));
    }
    Ok(cluster)
}

fn pod(color: &str, extra: Value) -> Value {
    let mut spec = json!({"containers": [
        {"name": "c", "image": "pause", "resources": {"requests": {"cpu": "100m", "memory": "500Mi"}}}],
        "tolerations": [{"key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoExecute"},
            {"key": "node.kubernetes.io/unreachable", "operator": "Exists", "effect": "NoExecute"}]});
    for (key, value) in extra.as_object().into_iter().flatten() {
        spec[key] = value.clone();
    }
    json!({"metadata": {"labels": {"color": color}}, "spec": spec})
}

fn near(color: &str, by_namespace: bool) -> Value {
    let key = if color == "green" { "kubernetes.io/hostname" } else { "topology.kubernetes.io/zone" };
    let mut term = json!({"topologyKey": key, "labelSelector": {"matchLabels": {"color": color}}});
    if by_namespace {
        term["namespaceSelector"] = json!({"matchLabels": {"team": "devops"}});
    }
    term
}

fn spread(key: &str, otherwise: &str) -> Value {
    json!({"maxSkew": 5, "topologyKey": key, "whenUnsatisfiable": otherwise, "labelSelector": {"matchLabels": {"color": "even"}}})
}

fn numbered(pod: &Value, number: usize) -> Result<Arc<PodRequest>, serde_json::Error> {
    let mut pod = pod.clone();
    let color = pod["metadata"]["labels"]["color"].as_str().unwrap_or_default().to_owned();
    pod["metadata"]["name"] = format!("{color}-{number}").into();
    pod["metadata"]["uid"] = format!("{color}-{number}").into();
    pod["metadata"]["namespace"] = format!("namespace-{}", number % NAMESPACES).into();
    Ok(Arc::new(PodRequest::new(Arc::new(serde_json::from_value(pod)?))))
}
