//! The database goes away under a running cluster, and comes back.

use std::time::{Duration, Instant};

use sampan_e2e::{Api, Cluster, Frozen, Requests, sample};
use sampan_store::testing::postgres::PostgresServer;

const CONFIG_MAPS: &str = "/api/v1/namespaces/default/configmaps";

fn served(cluster: &Cluster) -> Requests {
    cluster.push("hello-http", &sample("hello-http").join("hello-http.wasm"));
    let manifest = sample("hello-http").join("manifest.yaml").display().to_string();
    cluster.kubectl_with(&["apply", "-f", &manifest]).ok();
    cluster.kubectl("-n hello rollout status deploy/hello --timeout=60s").ok();
    Requests::start(&format!("http://{}/", cluster.field("-n hello service hello", "{.spec.clusterIP}")))
}

/// What holds while the database does not answer, and once it does again.
fn outlives(server: &PostgresServer, lose: impl FnOnce(), bring_back: impl FnOnce()) {
    let cluster = Cluster::start_on(server);
    let (requests, api) = (served(&cluster), cluster.api());
    assert_eq!(api.write("before", "1").code, 201);
    lose();
    requests.more(3);
    says_so(&api);
    // kubectl does as it is told and comes again ten times, each a second later; then it prints the server's own words.
    let start = Instant::now();
    let error = cluster.kubectl("create configmap during").err();
    assert!(error.contains("the store is unavailable: "), "{error}");
    assert!(start.elapsed() < Duration::from_secs(30), "{:?}", start.elapsed());
    requests.more(3);

    bring_back();
    cluster.until("writes work again", || (api.write("after", "1").code == 201).then_some(()));
    cluster.until("the server is ready again", || (api.get("/readyz").body == "ok").then_some(()));
    assert_eq!(api.get(&format!("{CONFIG_MAPS}/before")).code, 200);
    cluster.kubectl("wait node/node-1 --for=condition=Ready --timeout=60s").ok();
    cluster.kubectl("-n hello scale deploy/hello --replicas=4").ok();
    cluster.kubectl("-n hello rollout status deploy/hello --timeout=60s").ok();
    assert_eq!(requests.end(), [""; 0], "pods never noticed");
}

/// Single requests, reads as well as writes, are told so in a few seconds; once one has been told, the others are at once.
fn says_so(api: &Api) {
    api.write("during", "1").unavailable(&["the database"]);
    let read = api.get(CONFIG_MAPS);
    read.unavailable(&["the database"]);
    assert!(read.took < Duration::from_secs(3), "{read:?}");
    let ready = api.get("/readyz");
    // Whoever may reach the port may ask this, so it names the check and not the reason, as upstream.
    assert!(ready.code == 500 && ready.body.contains("[-]store failed: reason withheld"), "{ready:?}");
    assert_eq!(api.get("/livez").code, 200, "a restart of the server would help nobody");
}

#[test]
fn a_postgres_that_is_stopped_is_told_and_waited_for() {
    let server = PostgresServer::start().expect("a Postgres server can be started");
    outlives(&server, || server.crash().expect("it stops"), || server.start_again().expect("it starts"));
}

#[test]
fn a_postgres_that_hangs_is_told_and_waited_for() {
    let server = PostgresServer::start().expect("a Postgres server can be started");
    let frozen = std::cell::Cell::new(None);
    outlives(&server, || frozen.set(Some(Frozen::all_of(&server))), || drop(frozen.take()));
}
