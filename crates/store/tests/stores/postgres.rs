//! What can happen to a database server, and what several servers of ours do to one another.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use sampan_store::testing::postgres::PostgresServer;
use sampan_store::{Durability, Error, PostgresOptions, PostgresStore, Revision, Store};

use crate::kit::{self, Dice, Kind, Place, changes_to, durably, key, soon};
use crate::watch;

fn shared() -> &'static PostgresServer {
    PostgresServer::shared().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn many_servers_may_start_on_an_empty_database_at_once() {
    let place = Place::new(Kind::Postgres);
    let stores = futures::future::join_all((0..5).map(|_| place.open())).await;
    for (n, store) in stores.iter().enumerate() {
        durably(&**store, key(&format!("n{n}")), kit::create("1")).await.unwrap();
    }
    assert_eq!(stores[0].list("/configmaps", None, None, 9).await.unwrap().records.len(), 5);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_follower_hears_of_another_servers_write_at_once() {
    let place = Place::new(Kind::Postgres);
    let (one, two) = (place.open().await, place.open().await);
    let mut changes = one.changes(Revision(0));
    soon("the start", changes.next()).await.unwrap().unwrap();
    for n in 0..20 {
        let revision = durably(&*two, key(&format!("n{n}")), kit::create("1")).await.unwrap();
        let seen = changes_to(&mut changes, revision).await.unwrap();
        assert_eq!(seen.last().unwrap().revision, revision);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_refused_write_hides_no_change_of_another_server() {
    let place = Place::new(Kind::Postgres);
    let (one, two) = (place.open().await, place.open().await);
    let mut changes = two.changes(Revision(0));
    for n in 0..100 {
        let name = format!("n{n}");
        let revision = durably(&*one, key(&name), kit::create("1")).await.unwrap();
        let refused = durably(&*two, key(&name), kit::create("2")).await;
        assert!(matches!(refused, Err(Error::Exists(_))), "{refused:?}");
        changes_to(&mut changes, revision).await.unwrap();
    }
}

/// Ends all sessions of ours on a database each time some more writes got through; returns how many it ended.
async fn kill_sessions(store: Arc<dyn Store>, database: String, until: Revision) -> usize {
    let sql = format!(
        "SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity WHERE application_name = 'sampan' AND datname = '{database}'"
    );
    let (mut killed, mut at) = (0, Revision(0));
    loop {
        let mut changes = store.changes(at);
        while let Ok(batch) = soon("a change", changes.next()).await.unwrap() {
            if batch.revision >= until {
                return killed;
            }
            if batch.revision.0 < at.0 + 10 {
                continue;
            }
            at = batch.revision;
            let sql = sql.clone();
            let count = tokio::task::spawn_blocking(move || shared().sql("postgres", &sql).unwrap()).await.unwrap();
            killed += count.parse::<usize>().unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn killed_sessions_cost_no_write_and_no_change() {
    let place = Place::new(Kind::Postgres);
    let stores = [place.open().await, place.open().await];
    let database = place.url.rsplit('/').next().unwrap().to_owned();
    let killer = tokio::spawn(kill_sessions(stores[1].clone(), database, Revision(220)));
    let writers: Vec<_> = (0..6)
        .map(|n| tokio::spawn(watch::writer(stores[usize::try_from(n % 2).unwrap()].clone(), Dice::new(n + 50), 40)))
        .collect();
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    let killed = soon("the killer's end", killer).await.unwrap();
    assert!(killed > 20, "{killed} sessions were killed");
    written.sort();
    let last = *written.last().unwrap();
    let log = changes_to(&mut stores[0].changes(Revision(0)), last).await.unwrap();
    assert_eq!(log.iter().map(|change| change.revision).collect::<Vec<_>>(), written);
    watch::check_log(Default::default(), &log);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_restart_of_the_server_loses_nothing_durable_and_numbers_are_not_used_again() {
    let server = PostgresServer::start().unwrap();
    let place = Place::on(&server.create_database().unwrap());
    let store = place.open().await;
    for round in 0..3 {
        let durable = durably(&*store, key(&format!("d{round}")), kit::create("1")).await.unwrap();
        let mut relaxed = durable;
        for n in 0..50 {
            let name = format!("r{round}-{n}");
            relaxed = store.write(key(&name), kit::create("1"), Durability::Relaxed).await.unwrap();
        }
        let mut changes = store.changes(durable);
        changes_to(&mut changes, relaxed).await.unwrap();
        server.crash().unwrap();
        let refused = durably(&*store, key("while it is down"), kit::create("1")).await.unwrap_err();
        assert!(refused.retryable(), "{refused}");
        server.start_again().unwrap();
        let after = soon("a write", async {
            loop {
                match durably(&*store, key(&format!("after{round}")), kit::create("1")).await {
                    Ok(revision) => return revision,
                    Err(error) => assert!(error.retryable(), "{error}"),
                }
            }
        })
        .await;
        assert!(after > relaxed, "{after} after {relaxed}");
        assert_eq!(store.get(&key(&format!("d{round}"))).await.unwrap().unwrap().revision, durable);
        // A follower goes on, or is sent to load anew if relaxed writes it saw were lost; it never sees a number twice.
        let mut at = relaxed;
        soon("the write", async {
            loop {
                match store.changes(at).next().await.unwrap() {
                    Ok(batch) => {
                        assert!(batch.changes.iter().all(|change| change.revision > relaxed));
                        at = batch.revision;
                    }
                    Err(Error::Compacted { .. }) => at = store.load().await.unwrap().revision,
                    Err(error) => assert!(error.retryable(), "{error}"),
                }
                if at >= after {
                    return;
                }
            }
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn a_database_that_went_back_begins_a_new_history() {
    let place = Place::new(Kind::Postgres);
    let stores = [place.open().await, place.open().await];
    for n in 0..10 {
        durably(&*stores[0], key(&format!("n{n}")), kit::create("1")).await.unwrap();
    }
    let last = stores[1].current().await.unwrap();
    let mut followers: Vec<_> = stores.iter().map(|store| store.changes(last)).collect();
    for follower in &mut followers {
        soon("the start", follower.next()).await.unwrap().unwrap();
    }
    let database = place.url.rsplit('/').next().unwrap();
    // As a restore from a backup does it.
    let back = "DELETE FROM object WHERE rev > 5; DELETE FROM event WHERE rev > 5; UPDATE revision SET rev = 5";
    shared().sql(database, back).unwrap();
    let new = soon("a write", async {
        loop {
            if let Ok(revision) = durably(&*stores[0], key("new"), kit::create("1")).await {
                return revision;
            }
        }
    })
    .await;
    assert!(new > last);
    for follower in &mut followers {
        let told = soon("the reset", follower.next()).await.unwrap();
        assert!(matches!(told, Err(Error::Compacted { .. })), "{told:?}");
    }
    assert_eq!(stores[0].epoch().await, stores[1].epoch().await);
    assert_eq!(stores[1].get(&key("n9")).await, Ok(None));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_an_error_in_time() {
    let options = PostgresOptions {
        patience: Duration::from_millis(300),
        ..PostgresOptions::new(Arc::<sampan_meta::ManualClock>::default())
    };
    let refused = PostgresStore::connect("postgres://nobody@127.0.0.1:1/none", options.clone()).await.unwrap_err();
    assert!(refused.retryable(), "{refused}");
    let refused = PostgresStore::connect("mysql:nonsense", options).await.unwrap_err();
    assert!(!refused.retryable(), "{refused}");
}

#[tokio::test]
async fn a_schema_of_a_newer_program_is_refused() {
    let place = Place::new(Kind::Postgres);
    place.open().await.close().await;
    let database = place.url.rsplit('/').next().unwrap();
    shared().sql(database, "UPDATE schema_version SET version = 99").unwrap();
    let refused = PostgresStore::connect(&place.url, PostgresOptions::new(place.clock.clone())).await.unwrap_err();
    assert!(matches!(&refused, Error::Unusable(why) if why.contains("schema version 99")), "{refused}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn the_expired_objects_of_a_server_that_is_gone_are_deleted_by_another() {
    let place = Place::new(Kind::Postgres);
    let gone = place.open().await;
    let data = bytes::Bytes::from_static(b"e");
    let write = sampan_store::Write::Create { data, expires: Some(kit::START + 1) };
    let created = gone.write(key("e"), write, Durability::Relaxed).await.unwrap();
    gone.close().await;
    let store = place.open().await;
    place.clock.advance(Duration::from_secs(2));
    let seen = changes_to(&mut store.changes(created), Revision(created.0 + 10_001)).await.unwrap();
    assert_eq!(seen.iter().map(|change| &*change.key.name).collect::<Vec<_>>(), ["e"]);
}
