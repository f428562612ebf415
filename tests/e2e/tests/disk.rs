//! The disk under a running cluster is full, and has room again.

use std::sync::Arc;

use sampan_e2e::{Api, Cluster, Disk, Options};

/// Half a megabyte, so that the room that SQLite has set aside is soon used.
const TEXT_BYTES: usize = 500_000;

/// Writes until one is refused; returns the names of all that were acknowledged.
fn write_until_refused(api: &Api) -> Vec<String> {
    let text = "x".repeat(TEXT_BYTES);
    let mut acknowledged = Vec::new();
    loop {
        let name = format!("made-{}", acknowledged.len());
        let answer = api.write(&name, &text);
        if answer.code != 201 {
            answer.unavailable(&["no space left, free some on this file system"]);
            return acknowledged;
        }
        acknowledged.push(name);
        assert!(acknowledged.len() < 200, "the disk is never full");
    }
}

fn all_there(cluster: &Cluster, names: &[String]) {
    let there = cluster.field("configmaps", "{.items[*].metadata.name}");
    let there: Vec<&str> = there.split_whitespace().collect();
    for name in names {
        assert!(there.contains(&name.as_str()), "{name} was acknowledged and is lost");
    }
}

#[test]
fn a_full_disk_refuses_writes_and_loses_none_until_there_is_room_again() {
    let Some(disk) = Disk::of_mebibytes(96) else { return };
    let disk = Arc::new(disk);
    let mut cluster = Cluster::start_with(Options { disk: Some(disk.clone()), ..Options::default() });
    let api = cluster.api();
    let mut acknowledged: Vec<String> = (0..3).map(|number| format!("before-{number}")).collect();
    for name in &acknowledged {
        assert_eq!(api.write(name, &"x".repeat(TEXT_BYTES)).code, 201);
    }
    disk.fill();
    acknowledged.extend(write_until_refused(&api));
    all_there(&cluster, &acknowledged);
    assert!(!cluster.process().has_ended(), "{}", cluster.process().output());

    disk.make_room();
    cluster.until("writes work again", || (api.write("after", "1").code == 201).then_some(()));
    acknowledged.push("after".to_owned());
    cluster.until("the server is ready again", || (api.get("/readyz").body == "ok").then_some(()));
    all_there(&cluster, &acknowledged);
    cluster.crash_and_restart();
    all_there(&cluster, &acknowledged);
}
