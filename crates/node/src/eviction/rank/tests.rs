use super::*;
use expect_test::{Expect, expect};
use serde_json::json;

/// `name priority memory-request memory-used`, in megabytes.
fn candidate(line: &str) -> Candidate {
    let words: Vec<&str> = line.split(' ').collect();
    let (name, priority, request) = (words[0], words[1].parse::<i32>().unwrap(), words[2]);
    let mut container = json!({"name": "c", "image": "i"});
    if request != "0" {
        container["resources"] =
            json!({"requests": {"memory": format!("{request}Mi"), "ephemeral-storage": format!("{request}Mi")}});
    }
    let pod =
        json!({"metadata": {"name": name, "uid": name}, "spec": {"priority": priority, "containers": [container]}});
    let memory = words[3].parse::<u64>().unwrap() << 20;
    Candidate {
        pod: Arc::new(serde_json::from_value(pod).unwrap()),
        critical: priority >= CRITICAL,
        priority,
        containers: vec![Use { name: "c".into(), memory, disk: memory }],
        disk: Some(Used { bytes: memory, inodes: memory >> 20, ..Used::default() }),
    }
}

fn check(resource: Resource, lines: &[&str], expected: &Expect) {
    let mut candidates: Vec<_> = lines.iter().map(|line| candidate(line)).collect();
    rank(resource, &mut candidates);
    let names: Vec<&str> = candidates.iter().map(|candidate| facts::name(&candidate.pod)).collect();
    expected.assert_eq(&names.join(" "));
}

#[test]
fn who_uses_more_than_asked_for_goes_first_then_the_less_important_then_the_largest() {
    let pods = [
        "modest 0 100 90",
        "greedy-important 10 100 900",
        "greedy 0 100 200",
        "greediest 0 0 150",
        "modest-small 0 100 10",
    ];
    check(Resource::Memory, &pods, &expect!["greediest greedy greedy-important modest modest-small"]);
    check(Resource::EphemeralStorage, &pods, &expect!["greediest greedy greedy-important modest modest-small"]);
}

#[test]
fn short_of_processes_only_priority_counts() {
    check(Resource::Pids, &["b 10 0 500", "c 0 0 5", "a 0 0 500"], &expect!["a c b"]);
}

#[test]
fn the_message_names_what_ran_short_and_who_used_too_much() {
    let told =
        |line: &str, resource| message(resource, &candidate(line), "Threshold quantity: 100Mi, available: 50Mi. ");
    expect!["The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container c was using 200Mi, request is 100Mi, has larger consumption of memory. "]
        .assert_eq(&told("p 0 100 200", Resource::Memory));
    expect!["The node was low on resource: ephemeral-storage. Threshold quantity: 100Mi, available: 50Mi. Container c was using 5Mi, request is 0, has larger consumption of ephemeral-storage. "]
        .assert_eq(&told("p 0 0 5", Resource::EphemeralStorage));
    expect!["The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. "]
        .assert_eq(&told("p 0 100 20", Resource::Memory));
}
