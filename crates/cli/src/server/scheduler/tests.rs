use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Instant;

use sampan_scheduler::{Cursor, PodRequest, Snapshot, place};
use serde_json::json;

use super::*;

const HEAD: &str = "apiVersion: kubescheduler.config.k8s.io/v1\nkind: KubeSchedulerConfiguration\n";

fn read(text: &str) -> Result<Vec<Profile>> {
    let directory = tempfile::tempdir().unwrap();
    std::fs::write(directory.path().join("text.wasm"), "no component").unwrap();
    let path = directory.path().join("scheduler.yaml");
    std::fs::write(&path, text).unwrap();
    profiles(Some(&path))
}

#[test]
fn profiles_have_the_names_that_pods_ask_for() {
    let names = |text: &str| {
        let read = read(text).unwrap_or_else(|error| panic!("{error:#}"));
        read.into_iter().map(|profile| profile.name).collect::<Vec<_>>()
    };
    assert_eq!(names(HEAD), ["default-scheduler"]);
    assert_eq!(names(&format!("{HEAD}percentageOfNodesToScore: 30\nprofiles: [{{}}]\n")), ["default-scheduler"]);
    let two = "profiles:
- schedulerName: default-scheduler
- schedulerName: packed
  percentageOfNodesToScore: 100
  plugins:
    multiPoint:
      enabled: [{name: NodeAffinity, weight: 5}]
    score:
      disabled: [{name: NodeResourcesFit}, {name: PodTopologySpread}]
      enabled: [{name: ImageLocality, weight: 3}]
";
    assert_eq!(names(&format!("{HEAD}{two}")), ["default-scheduler", "packed"]);
    assert_eq!(profiles(None).unwrap().len(), 1);
}

#[test]
fn what_cannot_be_used_is_said() {
    let plugin = |args: &str| format!("profiles: [{{pluginConfig: [{{name: Mine, args: {args}}}]}}]\n");
    let rows = [
        (
            "apiVersion: v1\nkind: Pod\n".to_owned(),
            "it is a Pod of v1, not a KubeSchedulerConfiguration of kubescheduler.config.k8s.io/v1",
        ),
        (format!("{HEAD}leaderElection: {{}}\n"), "unknown field `leaderElection`"),
        (format!("{HEAD}profiles: [{{plugins: {{permit: {{}}}}}}]\n"), "unknown field `permit`"),
        (format!("{HEAD}percentageOfNodesToScore: 101\n"), "percentageOfNodesToScore is 101, not in the range [0-100]"),
        (format!("{HEAD}profiles: [{{}}, {{}}]\n"), "profiles[0].schedulerName: Required value"),
        (
            format!("{HEAD}profiles: [{{schedulerName: a}}, {{schedulerName: a}}]\n"),
            "profiles[1].schedulerName: Duplicate value: \"a\"",
        ),
        (
            format!("{HEAD}profiles: [{{plugins: {{score: {{enabled: [{{name: Best}}]}}}}}}]\n"),
            "profile \"default-scheduler\": plugin \"Best\" does not exist; one of your own needs an entry with args.file in pluginConfig",
        ),
        (format!("{HEAD}{}", plugin("{}")), "missing field `file`"),
        (format!("{HEAD}{}", plugin("{file: missing.wasm}")), "plugin \"Mine\": failed to read args.file"),
        (format!("{HEAD}{}", plugin("{file: text.wasm, timeout: soon}")), "args.timeout is no time such as 10ms"),
        (format!("{HEAD}{}", plugin("{file: text.wasm, timeout: 0s}")), "args.timeout has to be greater than 0"),
        (
            format!("{HEAD}{}", plugin("{file: text.wasm, memory: much}")),
            "args.memory \"much\" is no amount such as 64Mi",
        ),
        (format!("{HEAD}{}", plugin("{file: text.wasm}")), "text.wasm is no plugin"),
    ];
    for (text, expected) in rows {
        let said = format!("{:#}", read(&text).map(drop).unwrap_err());
        assert!(said.contains(expected), "{said}");
    }
}

/// 5,000 nodes of three tenants, and everybody's.
fn cluster() -> Snapshot {
    let mut cluster = Snapshot::default();
    for number in 0..5000 {
        let (zone, name) = (format!("zone-{}", number % 3), format!("node-{number}"));
        let mut labels = json!({"topology.kubernetes.io/zone": zone, "kubernetes.io/hostname": name});
        if number % 4 != 0 {
            labels["tenant"] = format!("tenant-{}", number % 4).into();
        }
        let node = json!({"metadata": {"name": name, "labels": labels},
            "status": {"allocatable": {"cpu": "4", "memory": "32Gi", "pods": "110"}}});
        cluster.set_node(Arc::new(serde_json::from_value(node).unwrap()));
    }
    cluster
}

/// Decisions a second, with what keeps the snapshot current.
fn rate(profile: &Profile, pods: &[Arc<PodRequest>]) -> f64 {
    let (mut cluster, mut cursor) = (cluster(), Cursor::default());
    let begin = Instant::now();
    for pod in pods {
        let placement = place(pod, &mut cluster, profile, &mut cursor).unwrap();
        cluster.place(pod.clone(), &placement.node);
    }
    pods.len() as f64 / begin.elapsed().as_secs_f64()
}

/// `cargo test --profile fast -p sampan --bin sampan -- --ignored --nocapture what_a_plugin_costs`: the sample's plugin at its points
/// against the same profile without it, turn by turn, and the ratio.
#[test]
#[ignore = "a measurement"]
fn what_a_plugin_costs() {
    let directory = std::path::PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../samples/tenants");
    let profile = |plugins: &str, config: &str| {
        let text = format!("{HEAD}profiles: [{{plugins: {plugins}, pluginConfig: {config}}}]\n");
        parse(&text).unwrap().profiles(&directory).unwrap().remove(0)
    };
    let config = "[{name: Tenants, args: {file: tenants.wasm, config: tenant}}]";
    let without = profile("{}", "[]");
    let pod = |number: usize| {
        let requests = json!({"cpu": "100m", "memory": "500Mi"});
        let pod = json!({"metadata": {"name": format!("pod-{number}"), "uid": number.to_string(), "namespace": "default",
            "labels": {"app": "load"}}, "spec": {"containers": [{"name": "c", "image": "pause", "resources": {"requests": requests}}]}});
        Arc::new(PodRequest::new(Arc::new(serde_json::from_value(pod).unwrap())))
    };
    let pods: Vec<_> = (0..10_000).map(pod).collect();
    let mut said = String::new();
    for point in ["score", "filter", "multiPoint"] {
        let with = profile(&format!("{{{point}: {{enabled: [{{name: Tenants}}]}}}}"), config);
        let mut ratios: Vec<_> = (0..5).map(|_| rate(&with, &pods) / rate(&without, &pods)).collect();
        ratios.sort_by(f64::total_cmp);
        writeln!(said, "{point:12} {:.3} ({:.3}-{:.3})", ratios[2], ratios[0], ratios[4]).unwrap();
    }
    println!("decisions a second with a plugin to those without, median of five turns\n{said}");
}
