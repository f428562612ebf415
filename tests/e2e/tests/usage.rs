//! What nodes and pods use, as `kubectl top` shows it.

use sampan_e2e::{Cluster, guests};

/// The rows of `kubectl top`, once there are any: words by row.
fn top(cluster: &Cluster, what: &str) -> Option<Vec<Vec<String>>> {
    let output = cluster.kubectl(&format!("top {what} --no-headers"));
    let rows = output.stdout.lines().map(|line| line.split_whitespace().map(str::to_owned).collect());
    Some(rows.collect::<Vec<_>>()).filter(|rows| output.success && !rows.is_empty())
}

fn number(word: &str, unit: &str) -> u64 {
    word.strip_suffix(unit).and_then(|number| number.parse().ok()).unwrap_or_else(|| panic!("{word} is not in {unit}"))
}

#[test]
fn top_shows_a_hog_at_about_its_limit_and_who_is_idle() {
    let cluster = Cluster::start();
    cluster.pod("hog", &cluster.guest("spins", &guests::spins()), "resources: {limits: {cpu: 200m}}");
    cluster.pod("idle", &cluster.guest("stays", &guests::stays("")), "");
    cluster.kubectl("wait pod/hog pod/idle --for=condition=Ready --timeout=60s").ok();
    let hog = cluster.until("the hog at about its limit", || {
        let rows = top(&cluster, "pods --containers")?;
        let hog = rows.iter().find(|row| row[0] == "hog")?.clone();
        (150..=220).contains(&number(&hog[2], "m")).then_some(hog)
    });
    assert_eq!((&*hog[1], &*hog[3]), ("main", "1Mi"));
    let idle = cluster.until("the idle pod", || top(&cluster, "pods idle"))[0].clone();
    assert!(number(&idle[1], "m") < 20 && idle[2] == "1Mi", "{idle:?}");
    let node = cluster.until("the node", || top(&cluster, "nodes"))[0].clone();
    assert!(number(&node[1], "m") >= 100 && number(&node[3], "Mi") > 10, "{node:?}");

    let windows = cluster.field("pods.metrics.k8s.io hog", "{.window} {.containers[0].name}");
    assert!(windows.ends_with("s main"), "{windows}");
    assert!(cluster.kubectl("get pods.metrics.k8s.io").ok().starts_with("NAME"));
    assert!(
        cluster.kubectl("explain podmetrics.containers --api-version=metrics.k8s.io/v1beta1").ok().contains("usage")
    );
    let cadvisor = "get --raw /api/v1/nodes/NODE/proxy/metrics/cadvisor".replace("NODE", &node[0]);
    assert!(
        cluster.kubectl(&cadvisor).ok().contains("container_cpu_usage_seconds_total{container=\"main\",cpu=\"total\"")
    );
    cluster.kubectl("delete pod hog --grace-period=1").ok();
}
