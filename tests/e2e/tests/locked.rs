//! Another program has locked the SQLite file: a backup, or somebody with a shell.

use std::process::Command;

use sampan_e2e::{Cluster, run, sampan};
use sampan_store::testing::sqlite::ExclusiveLock;

const WORDS: &str = "locked by another program, which has to let go";

#[test]
fn a_locked_file_refuses_writes_while_reads_go_on_until_the_lock_is_gone() {
    let cluster = Cluster::start();
    let api = cluster.api();
    assert_eq!(api.write("before", "1").code, 201);
    let lock = ExclusiveLock::take(&cluster.data().join("state.db")).expect("the server lets go between writes");
    api.write("during", "1").unavailable(&["state.db", WORDS]);
    assert_eq!(api.get("/api/v1/namespaces/default/configmaps/before").code, 200);
    drop(lock);
    cluster.until("writes work again", || (api.write("after", "1").code == 201).then_some(()));
    cluster.until("the server is ready again", || (api.get("/readyz").body == "ok").then_some(()));
}

#[test]
fn a_start_on_a_locked_file_says_who_has_to_let_go() {
    let mut cluster = Cluster::start();
    assert!(cluster.process().end_by("INT").success());
    let file = cluster.data().join("state.db");
    let lock = ExclusiveLock::take(&file).expect("nobody uses it");
    let error = run(Command::new(sampan()).args(["up", "--api-port=0", "--data-dir"]).arg(cluster.data())).err();
    assert!(
        error.contains(&format!("failed to open the store {}", file.display())) && error.contains(WORDS),
        "{error}"
    );
    drop(lock);
    cluster.restart();
}
