use expect_test::{Expect, expect};
use sampan_meta::NamespacedName;
use serde_json::{Value, json};

use super::*;
use crate::selector::Labels;
use crate::testing::{cluster, labelled, merge, node, pod, whole};
use crate::{Cursor, Profile, place};

/// On which nodes the pod would go, or why on none.
fn check(pod: &PodRequest, cluster: &mut Snapshot, expected: Expect) {
    let profile = Profile::new("default-scheduler");
    cluster.prepare(pod);
    let fitting = fitting(pod, cluster, &profile);
    let answer = if fitting.is_empty() {
        place(pod, cluster, &profile, &mut Cursor::default()).unwrap_err().message()
    } else {
        fitting.join(" ")
    };
    expected.assert_eq(&answer);
}

fn fitting(pod: &PodRequest, cluster: &Snapshot, profile: &Profile) -> Vec<String> {
    let filters = crate::place::Filters::new(pod, cluster, profile);
    let fits = |node: &&NodeState| filters.check(&Candidate { node, gone: &[], come: &[] }).1 == Verdict::Fits;
    cluster.nodes().filter(fits).map(|node| node.name.clone()).collect()
}

/// What one plugin says of all nodes, in the order of their names.
fn check_scores(plugin: &str, pod: &PodRequest, cluster: &mut Snapshot, expected: Expect) {
    cluster.prepare(pod);
    let cluster = &*cluster;
    let (plugin, _) = all().into_iter().find(|(candidate, _)| candidate.name() == plugin).unwrap();
    let nodes: Vec<_> = cluster.nodes().collect();
    let said = match plugin.pre_score(pod, cluster) {
        None => "no opinion".to_owned(),
        Some(score) => {
            let scores = score(&nodes).unwrap();
            nodes.iter().zip(scores).map(|(node, score)| format!("{}={score}", node.name)).collect::<Vec<_>>().join(" ")
        }
    };
    expected.assert_eq(&said);
}

fn zoned(name: &str, zone: &str) -> Value {
    let zone = if zone.is_empty() { json!({}) } else { json!({"topology.kubernetes.io/zone": zone}) };
    let mut labels = json!({"kubernetes.io/hostname": name});
    merge(&mut labels, zone);
    let mut node = node(name, json!({"status": {"allocatable": {"pods": "20"}}}));
    node["metadata"]["labels"] = labels;
    node
}

/// Nodes `a1` and `a2` in zone `a`, `b1` in zone `b`.
fn zones() -> Snapshot {
    cluster(&[zoned("a1", "a"), zoned("a2", "a"), zoned("b1", "b")])
}

fn term(app: &str, key: &str) -> Value {
    json!({"labelSelector": {"matchLabels": {"app": app}}, "topologyKey": key})
}

const ZONE: &str = "topology.kubernetes.io/zone";
const HOST: &str = "kubernetes.io/hostname";

fn near(terms: Value) -> Value {
    json!({"affinity": {"podAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
}

fn away(terms: Value) -> Value {
    json!({"affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": terms}}})
}

fn app(uid: &str, app: &str) -> Arc<PodRequest> {
    labelled(uid, json!({"app": app}), json!({}))
}

#[test]
fn taints_that_only_discourage_make_nodes_worse() {
    let tainted = |name: &str, keys: &[&str]| {
        let taints: Vec<_> = keys.iter().map(|key| json!({"key": key, "effect": "PreferNoSchedule"})).collect();
        node(name, json!({"spec": {"taints": taints}}))
    };
    let mut cluster = cluster(&[tainted("n1", &["x", "y"]), tainted("n2", &["x"]), node("n3", json!({}))]);
    check_scores("TaintToleration", &pod("a", json!({})), &mut cluster, expect!["n1=0 n2=50 n3=100"]);
    let tolerant = pod("a", json!({"tolerations": [{"key": "y", "operator": "Exists", "effect": "PreferNoSchedule"}]}));
    check_scores("TaintToleration", &tolerant, &mut cluster, expect!["n1=0 n2=0 n3=100"]);
    check(&pod("a", json!({})), &mut cluster, expect!["n1 n2 n3"]);
}

#[test]
fn the_more_is_left_and_the_more_evenly_the_better() {
    let sized =
        |name: &str| node(name, json!({"status": {"allocatable": {"cpu": "4", "memory": "10000", "pods": "9"}}}));
    let asking = |uid: &str, cpu: &str, memory: &str| {
        pod(uid, json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": cpu, "memory": memory}}}]}))
    };
    let mut cluster = cluster(&[sized("n1"), sized("n2")]);
    let request = asking("a", "3", "5000");
    check_scores("NodeResourcesFit", &request, &mut cluster, expect!["n1=37 n2=37"]);
    check_scores("NodeResourcesBalancedAllocation", &request, &mut cluster, expect!["n1=87 n2=87"]);
    cluster.place(asking("other", "1", "5000"), "n2");
    check_scores("NodeResourcesFit", &request, &mut cluster, expect!["n1=37 n2=0"]);
    check_scores("NodeResourcesBalancedAllocation", &request, &mut cluster, expect!["n1=87 n2=100"]);
    check_scores("NodeResourcesBalancedAllocation", &pod("b", json!({})), &mut cluster, expect!["no opinion"]);
}

#[test]
fn what_exceeds_a_node_altogether_no_preemption_can_help() {
    let mut cluster =
        cluster(&[node("n1", json!({})), node("n2", json!({"status": {"allocatable": {"example.com/gpu": "2"}}}))]);
    let gpus = |count: &str| {
        pod("a", json!({"containers": [{"name": "c", "resources": {"requests": {"example.com/gpu": count}}}]}))
    };
    check(&gpus("2"), &mut cluster, expect!["n2"]);
    cluster.place(gpus("1"), "n2");
    check(&gpus("2"), &mut cluster, expect!["0/2 nodes are available: 2 Insufficient example.com/gpu."]);
    let failure = place(&gpus("2"), &mut cluster, &Profile::new("x"), &mut Cursor::default()).unwrap_err();
    assert_eq!(failure.resolvable.len(), 1);
}

#[test]
fn nodes_that_have_the_images_are_preferred_unless_few_have() {
    let with = |name: &str, images: Value| node(name, json!({"status": {"images": images}}));
    let image = |name: &str, mib: i64| json!({"names": [name], "sizeBytes": mib << 20});
    let mut cluster = cluster(&[
        with("n1", json!([image("web:latest", 500)])),
        with("n2", json!([image("web:latest", 500), image("db:1", 900)])),
        node("n3", json!({})),
    ]);
    let running = |image: &str| pod("a", json!({"containers": [{"name": "c", "image": image}]}));
    check_scores("ImageLocality", &running("web"), &mut cluster, expect!["n1=31 n2=31 n3=0"]);
    check_scores("ImageLocality", &running("db:1"), &mut cluster, expect!["n1=0 n2=28 n3=0"]);
    check_scores("ImageLocality", &running("registry:5000/web"), &mut cluster, expect!["no opinion"]);
}

#[test]
fn a_daemons_pod_is_held_against_its_node_alone() {
    let mut cluster = zones();
    let on = |node: &str| {
        let fields = json!([{"key": "metadata.name", "operator": "In", "values": [node]}]);
        pod(
            "a",
            json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "9"}}}], "affinity": {"nodeAffinity": {
            "requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [{"matchFields": fields}]}}}}),
        )
    };
    let message = |cluster: &mut Snapshot, pod: &PodRequest| {
        place(pod, cluster, &Profile::new("x"), &mut Cursor::default()).unwrap_err().message()
    };
    expect!["0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't satisfy plugin(s) [NodeAffinity]."]
        .assert_eq(&message(&mut cluster, &on("b1")));
    expect!["0/3 nodes are available: 3 node(s) didn't satisfy plugin(s) [NodeAffinity]."]
        .assert_eq(&message(&mut cluster, &on("gone")));
}

#[test]
fn a_pod_goes_near_those_it_must_be_near_and_may_be_the_first_of_its_kind() {
    let mut cluster = zones();
    let wants = |own: &str| labelled("a", json!({"app": own}), near(json!([term("web", ZONE)])));
    check(&wants("api"), &mut cluster, expect!["0/3 nodes are available: 3 node(s) didn't match pod affinity rules."]);
    check(&wants("web"), &mut cluster, expect!["a1 a2 b1"]);
    cluster.place(app("w", "web"), "a1");
    check(&wants("api"), &mut cluster, expect!["a1 a2"]);
    check(&wants("web"), &mut cluster, expect!["a1 a2"]);
}

#[test]
fn pods_must_meet_all_terms_to_be_near() {
    let mut cluster = zones();
    let both = labelled(
        "a",
        json!({}),
        near(json!([term("web", ZONE), {"topologyKey": HOST, "labelSelector": {"matchLabels": {"tier": "front"}}}])),
    );
    cluster.place(labelled("w", json!({"app": "web"}), json!({})), "a1");
    cluster.place(labelled("f", json!({"tier": "front"}), json!({})), "a1");
    check(&both, &mut cluster, expect!["0/3 nodes are available: 3 node(s) didn't match pod affinity rules."]);
    cluster.place(labelled("wf", json!({"app": "web", "tier": "front"}), json!({})), "b1");
    check(&both, &mut cluster, expect!["b1"]);
}

#[test]
fn a_pod_keeps_away_from_others_and_others_keep_it_away() {
    let mut cluster = zones();
    cluster.place(app("w", "web"), "a1");
    check(&pod("a", away(json!([term("web", HOST)]))), &mut cluster, expect!["a2 b1"]);
    check(&pod("a", away(json!([term("web", ZONE)]))), &mut cluster, expect!["b1"]);
    cluster.place(labelled("shy", json!({}), away(json!([term("api", ZONE)]))), "b1");
    check(&app("a", "api"), &mut cluster, expect!["a1 a2"]);
    check(&app("a", "db"), &mut cluster, expect!["a1 a2 b1"]);
    cluster.remove("shy");
    check(&app("a", "api"), &mut cluster, expect!["a1 a2 b1"]);
    let both = labelled("a", json!({"app": "api"}), away(json!([term("web", ZONE)])));
    cluster.place(labelled("shy", json!({}), away(json!([term("api", ZONE)]))), "b1");
    check(
        &both,
        &mut cluster,
        expect![
            "0/3 nodes are available: 1 node(s) didn't satisfy existing pods anti-affinity rules, 2 node(s) didn't match pod anti-affinity rules."
        ],
    );
}

#[test]
fn terms_reach_the_namespaces_they_say() {
    let mut cluster = zones();
    cluster.set_namespace("shop", Labels::from([("team".into(), "a".into())]));
    let there = json!({"metadata": {"name": "w", "uid": "w", "namespace": "shop", "labels": {"app": "web"}}});
    cluster.place(whole(there), "a1");
    let away_from = |extra: Value| {
        let mut term = term("web", ZONE);
        merge(&mut term, extra);
        pod("a", away(json!([term])))
    };
    check(&away_from(json!({})), &mut cluster, expect!["a1 a2 b1"]);
    check(&away_from(json!({"namespaces": ["shop"]})), &mut cluster, expect!["b1"]);
    check(&away_from(json!({"namespaceSelector": {}})), &mut cluster, expect!["b1"]);
    let team = |team: &str| away_from(json!({"namespaceSelector": {"matchLabels": {"team": team}}}));
    check(&team("a"), &mut cluster, expect!["b1"]);
    check(&team("b"), &mut cluster, expect!["a1 a2 b1"]);
    cluster.set_namespace("shop", Labels::from([("team".into(), "b".into())]));
    check(&team("a"), &mut cluster, expect!["a1 a2 b1"]);
    check(&team("b"), &mut cluster, expect!["b1"]);
}

#[test]
fn label_keys_stand_for_the_pods_own_values() {
    let mut cluster = zones();
    let version =
        |uid: &str, version: &str, spec: Value| labelled(uid, json!({"app": "web", "version": version}), spec);
    cluster.place(version("old", "1", json!({})), "a1");
    cluster.place(version("new", "2", json!({})), "b1");
    let with = |keys: &str| {
        let mut term = term("web", ZONE);
        term[keys] = json!(["version"]);
        version("a", "2", away(json!([term])))
    };
    check(&with("matchLabelKeys"), &mut cluster, expect!["a1 a2"]);
    check(&with("mismatchLabelKeys"), &mut cluster, expect!["b1"]);
}

#[test]
fn preferences_of_the_pod_and_of_those_that_run_add_up() {
    let mut cluster = zones();
    let wishes = |near: i64, away: i64| {
        let weighted = |weight: i64, app: &str| json!([{"weight": weight, "podAffinityTerm": term(app, ZONE)}]);
        json!({"affinity": {
            "podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted(near, "web")},
            "podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": weighted(away, "noisy")}}})
    };
    check_scores("InterPodAffinity", &app("a", "api"), &mut cluster, expect!["no opinion"]);
    cluster.place(app("w", "web"), "a1");
    cluster.place(app("n", "noisy"), "b1");
    check_scores("InterPodAffinity", &pod("a", wishes(10, 10)), &mut cluster, expect!["a1=100 a2=100 b1=0"]);
    check_scores("InterPodAffinity", &pod("a", wishes(10, 1)), &mut cluster, expect!["a1=100 a2=100 b1=0"]);
    // One that runs on b1 would have api pods near.
    cluster.place(
        pod(
            "fan",
            json!({"affinity": {"podAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [
        {"weight": 5, "podAffinityTerm": term("api", HOST)}]}}}),
        ),
        "b1",
    );
    check_scores("InterPodAffinity", &app("a", "api"), &mut cluster, expect!["a1=0 a2=0 b1=100"]);
    // And one on a2 must be near them, which counts as a wish of weight 1.
    cluster.place(pod("needy", near(json!([term("api", HOST)]))), "a2");
    check_scores("InterPodAffinity", &app("a", "api"), &mut cluster, expect!["a1=0 a2=20 b1=100"]);
}

fn even(extra: Value) -> Arc<PodRequest> {
    let mut constraint = json!({"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}}});
    merge(&mut constraint, extra);
    labelled("new", json!({"app": "web"}), json!({"topologySpreadConstraints": [constraint]}))
}

#[test]
fn pods_are_spread_no_more_unevenly_than_allowed() {
    let mut cluster = zones();
    cluster.place(app("w1", "web"), "a1");
    check(&even(json!({})), &mut cluster, expect!["b1"]);
    check(&even(json!({"maxSkew": 2})), &mut cluster, expect!["a1 a2 b1"]);
    check(&even(json!({"topologyKey": HOST})), &mut cluster, expect!["a2 b1"]);
    cluster.place(app("w2", "web"), "b1");
    check(&even(json!({})), &mut cluster, expect!["a1 a2 b1"]);
    check(
        &even(json!({"minDomains": 3})),
        &mut cluster,
        expect!["0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints."],
    );
    check(
        &even(json!({"topologyKey": "rack"})),
        &mut cluster,
        expect![
            "0/3 nodes are available: 3 node(s) didn't match pod topology spread constraints (missing required label)."
        ],
    );
}

#[test]
fn pods_that_are_going_do_not_count_for_spreading() {
    let mut cluster = zones();
    let going = json!({"metadata": {"name": "w", "uid": "w", "namespace": "default", "labels": {"app": "web"},
        "deletionTimestamp": "2026-01-01T00:00:00Z"}});
    cluster.place(whole(going), "a1");
    check(&even(json!({})), &mut cluster, expect!["a1 a2 b1"]);
}

#[test]
fn nodes_the_pod_cannot_have_are_no_places_unless_it_says_so() {
    let mut nodes = [zoned("a1", "a"), zoned("b1", "b"), zoned("c1", "c")];
    nodes[2]["spec"] = json!({"taints": [{"key": "gpu", "effect": "NoSchedule"}]});
    nodes[1]["metadata"]["labels"]["os"] = "other".into();
    let mut cluster = cluster(&nodes);
    cluster.place(app("w1", "web"), "a1");
    // Zone c is empty, so that zone a may have no second, unless c is no place.
    let chosen = |affinity: &str, taints: &str| {
        let mut pod = json!({"metadata": {"name": "new", "uid": "new", "namespace": "default", "labels": {"app": "web"}}, "spec": {
            "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [
                {"matchExpressions": [{"key": "os", "operator": "DoesNotExist"}]}]}}}}});
        pod["spec"]["topologySpreadConstraints"] = json!([{"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
            "labelSelector": {"matchLabels": {"app": "web"}}, "nodeAffinityPolicy": affinity, "nodeTaintsPolicy": taints}]);
        whole(pod)
    };
    let refused = "0/3 nodes are available: 1 node(s) didn't match Pod's node affinity/selector, 1 node(s) didn't match pod topology spread constraints, 1 node(s) had untolerated taint(s).";
    for (affinity, taints, fits) in
        [("Honor", "Honor", true), ("Honor", "Ignore", false), ("Ignore", "Honor", false), ("Ignore", "Ignore", false)]
    {
        let profile = Profile::new("x");
        let answer = place(&chosen(affinity, taints), &mut cluster, &profile, &mut Cursor::default());
        match answer {
            Ok(placement) => assert!(fits && placement.node == "a1", "{affinity} {taints}"),
            Err(failure) => {
                assert!(!fits && failure.message() == refused, "{affinity} {taints}: {}", failure.message())
            }
        }
    }
}

#[test]
fn revisions_are_spread_each_by_itself_when_a_key_says_so() {
    let mut cluster = zones();
    cluster.place(labelled("old", json!({"app": "web", "hash": "1"}), json!({})), "a1");
    let mut constraint = json!({"maxSkew": 1, "topologyKey": ZONE, "whenUnsatisfiable": "DoNotSchedule",
        "labelSelector": {"matchLabels": {"app": "web"}}});
    let new = |constraint: &Value| {
        labelled("new", json!({"app": "web", "hash": "2"}), json!({"topologySpreadConstraints": [constraint]}))
    };
    check(&new(&constraint), &mut cluster, expect!["b1"]);
    constraint["matchLabelKeys"] = json!(["hash"]);
    check(&new(&constraint), &mut cluster, expect!["a1 a2 b1"]);
}

#[test]
fn a_wish_to_be_spread_makes_empty_places_better() {
    let mut cluster = cluster(&[zoned("a1", "a"), zoned("b1", "b"), zoned("none", "")]);
    ["w1", "w2"].into_iter().for_each(|uid| cluster.place(app(uid, "web"), "a1"));
    cluster.place(app("w3", "web"), "b1");
    let wish = even(json!({"whenUnsatisfiable": "ScheduleAnyway"}));
    check_scores("PodTopologySpread", &wish, &mut cluster, expect!["a1=33 b1=100 none=0"]);
    check(&wish, &mut cluster, expect!["a1 b1 none"]);
}

#[test]
fn pods_of_a_service_are_spread_without_being_told() {
    let mut cluster = zones();
    cluster.place(app("w1", "web"), "a1");
    let new = app("new", "web");
    check_scores("PodTopologySpread", &new, &mut cluster, expect!["no opinion"]);
    let service = NamespacedName { namespace: "default".into(), name: "web".into() };
    cluster.workloads.set_service(&service, Some(&Labels::from([("app".into(), "web".into())])));
    check_scores("PodTopologySpread", &new, &mut cluster, expect!["a1=66 a2=88 b1=100"]);
    check_scores("PodTopologySpread", &app("other", "api"), &mut cluster, expect!["no opinion"]);
}

#[test]
fn hints_say_what_can_help_and_what_cannot() {
    let mut cluster = zones();
    let full = pod("full", json!({"containers": [{"name": "c", "resources": {"requests": {"cpu": "3"}}}]}));
    let profile = Profile::new("x");
    let mut helps = |pod: &PodRequest, event: &Event<'_>| {
        let failure = place(pod, &mut cluster, &profile, &mut Cursor::default()).unwrap_err();
        profile.members(failure.plugins).any(|plugin| plugin.helps(pod, event))
    };
    let larger = crate::testing::cluster(&[node("big", json!({"status": {"allocatable": {"cpu": "8"}}}))]);
    let smaller = crate::testing::cluster(&[node("small", json!({}))]);
    let (big, small) = (larger.node("big").unwrap(), smaller.node("small").unwrap());
    assert!(helps(&full, &Event::NodeCame(big)) && !helps(&full, &Event::NodeCame(small)));
    let allocatable = crate::NodeChange { allocatable: true, ..Default::default() };
    let labels = crate::NodeChange { labels: true, ..Default::default() };
    assert!(helps(&full, &Event::NodeChanged(big, allocatable)) && !helps(&full, &Event::NodeChanged(big, labels)));
    let lonely = pod("lonely", near(json!([term("web", ZONE)])));
    assert!(helps(&lonely, &Event::PodCame(&app("w", "web"))) && !helps(&lonely, &Event::PodCame(&app("w", "api"))));
}
