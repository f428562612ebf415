//! What was acknowledged survives `kill -9` at any moment.

use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;

use sampan_store::{Durability, Revision, Store};

use crate::kit::{self, Dice, Kind, Place, changes_to, key};
use crate::watch::check_log;

/// The child: writes until it is killed, and says on its output what was acknowledged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the other tests of this file"]
async fn child() {
    let place = kit::told("SAMPAN_STORE_PLACE");
    let run = kit::told("SAMPAN_STORE_RUN");
    let (kind, url) = if place.starts_with("postgres") { (Kind::Postgres, place.as_str()) } else { (Kind::Sqlite, "") };
    let mut store = Place { url: url.to_owned(), ..Place::new(Kind::Memory) };
    store.kind = kind;
    let store: Arc<dyn Store> = match kind {
        Kind::Sqlite => Arc::new(
            sampan_store::SqliteStore::open(Path::new(&place), store.sqlite_options()).expect("the store opens"),
        ),
        _ => store.open().await,
    };
    let writers = (0..8).map(|writer| tokio::spawn(write_for_ever(store.clone(), format!("{run}-{writer}"))));
    futures::future::join_all(writers.collect::<Vec<_>>()).await;
}

async fn write_for_ever(store: Arc<dyn Store>, prefix: String) {
    for n in 0.. {
        let name = format!("{prefix}-{n}");
        let durability = if n % 5 == 0 { Durability::Relaxed } else { Durability::Durable };
        let revision = store.write(key(&name), kit::create(&name), durability).await.unwrap();
        writeln!(std::io::stdout().lock(), "ack {name} {revision}").unwrap();
    }
}

/// Runs a child until it acknowledged so many writes, kills it, and returns all it acknowledged.
fn kill_a_writer(place: &str, run: u64, count: usize) -> Vec<(String, Revision)> {
    let mut child = Command::new(std::env::current_exe().unwrap())
        .args(["crash::child", "--exact", "--ignored", "--nocapture"])
        .env("SAMPAN_STORE_PLACE", place)
        .env("SAMPAN_STORE_RUN", run.to_string())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut acknowledged = Vec::new();
    for line in BufReader::new(child.stdout.take().unwrap()).lines() {
        let line = line.unwrap();
        if let Some(("ack", rest)) = line.split_once(' ')
            && let Some((name, revision)) = rest.split_once(' ')
        {
            acknowledged.push((name.to_owned(), Revision(revision.parse().unwrap())));
        }
        if acknowledged.len() == count {
            // SIGKILL. What the child said before it is still in the pipe, and counts.
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    assert!(acknowledged.len() >= count, "the child ended early");
    acknowledged
}

async fn nothing_acknowledged_is_lost(place: Place, target: &str) {
    let mut dice = Dice::new(17);
    let mut acknowledged = Vec::new();
    for run in 0..6 {
        let count = 20 + usize::try_from(dice.roll(300)).unwrap();
        acknowledged.extend(kill_a_writer(target, run, count));
        let store = place.open().await;
        let current = store.current().await.unwrap();
        let log = changes_to(&mut store.changes(Revision(0)), current).await.unwrap();
        let objects = check_log(Default::default(), &log);
        for (name, revision) in &acknowledged {
            let record = store.get(&key(name)).await.unwrap().unwrap_or_else(|| panic!("{name} was lost"));
            assert_eq!((record.revision, &record.data[..]), (*revision, name.as_bytes()));
            assert_eq!(objects[&key(name)], record, "object and log agree");
        }
        let listed = store.list("/configmaps", None, None, usize::MAX >> 1).await.unwrap();
        assert_eq!(listed.records.len(), objects.len(), "nothing half written");
        store.close().await;
    }
}

#[tokio::test]
async fn a_killed_writer_on_sqlite_loses_nothing_acknowledged() {
    let place = Place::new(Kind::Sqlite);
    let target = place.file().to_str().unwrap().to_owned();
    nothing_acknowledged_is_lost(place, &target).await;
}

#[tokio::test]
async fn a_killed_writer_on_postgres_loses_nothing_acknowledged() {
    let place = Place::new(Kind::Postgres);
    let target = place.url.clone();
    nothing_acknowledged_is_lost(place, &target).await;
}
