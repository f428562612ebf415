//! Copies of whole stores: taken beside a server at work, and made into a store of either kind.

use std::sync::Arc;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use sampan_store::{
    Dump, Durability, Error, Kept, Key, PostgresOptions, PostgresStore, Revision, SqliteStore, Store, Write,
};

use crate::kit::{self, Dice, Kind, Place, durably, key};
use crate::watch;

async fn dump(place: &Place) -> Result<Dump, Error> {
    match place.kind {
        Kind::Postgres => PostgresStore::dump(&place.url, PostgresOptions::new(place.clock.clone())).await,
        _ => SqliteStore::dump(&place.file(), &place.sqlite_options()).await,
    }
}

async fn restore(place: &Place, dump: Dump) -> Result<(), Error> {
    match place.kind {
        Kind::Postgres => PostgresStore::restore(&place.url, dump, PostgresOptions::new(place.clock.clone())).await,
        _ => SqliteStore::restore(&place.file(), dump, &place.sqlite_options()).await,
    }
}

async fn taken(dump: Dump) -> (Revision, Vec<Kept>) {
    (dump.revision, dump.objects.try_concat().await.unwrap())
}

fn of(revision: u64, epoch: u64, objects: Vec<Kept>) -> Dump {
    let parts = objects.chunks(3).map(|part| Ok(part.to_vec())).collect::<Vec<_>>();
    Dump { revision: Revision(revision), epoch, objects: futures::stream::iter(parts).boxed() }
}

/// Objects of two resources, one of them with an end, one of bytes that are no text.
async fn fill(store: &dyn Store) {
    for n in 0..300 {
        durably(store, key(&format!("n{n}")), kit::create(&format!("of {n}"))).await.unwrap();
    }
    let ending = Write::Create { data: Bytes::from_static(b"ends"), expires: Some(kit::START + 1) };
    store.write(Key::new("/events", "default", "e"), ending, Durability::Relaxed).await.unwrap();
    let bytes = Write::Create { data: Bytes::from_static(&[0, 159, 255]), expires: None };
    let at = durably(store, Key::new("/secrets", "", "bytes"), bytes).await.unwrap();
    durably(store, Key::new("/secrets", "", "bytes"), kit::update(at, "changed")).await.unwrap();
}

async fn a_copy_holds_all_and_goes_on_from_its_revision(from: Kind, to: Kind) {
    let (source, target) = (Place::new(from), Place::new(to));
    let store = source.open().await;
    fill(&*store).await;
    // The source stays open: a server uses it.
    let (revision, objects) = taken(dump(&source).await.unwrap()).await;
    assert_eq!((revision, objects.len()), (store.current().await.unwrap(), 302));
    let raised = revision.0 + 5_000;
    restore(&target, of(raised, 7, objects.clone())).await.unwrap();

    let copy = target.open().await;
    assert_eq!(copy.epoch().await, Ok(7));
    let (_, again) = taken(dump(&target).await.unwrap()).await;
    assert_eq!(again, objects);
    let kept = |name: &str| objects.iter().find(|kept| &*kept.record.key.name == name).unwrap().clone();
    assert_eq!(copy.get(&key("n7")).await.unwrap(), Some(kept("n7").record), "with the revisions it had");
    assert_eq!(kept("e").expires, Some(kit::START + 1));
    let told = copy.changes(revision).next().await.unwrap();
    assert!(matches!(told, Err(Error::Compacted { .. })), "whoever followed the source lists anew: {told:?}");
    let changed = durably(&*copy, key("n7"), kit::update(kept("n7").record.revision, "on")).await.unwrap();
    assert!(changed.0 > raised, "{changed}");
    target.clock.advance(std::time::Duration::from_secs(2));
    kit::soon("the end of what ends", async {
        while copy.get(&Key::new("/events", "default", "e")).await.unwrap().is_some() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn what_a_store_holds_moves_to_any_other() {
    for from in [Kind::Sqlite, Kind::Postgres] {
        for to in [Kind::Sqlite, Kind::Postgres] {
            a_copy_holds_all_and_goes_on_from_its_revision(from, to).await;
        }
    }
}

/// A copy is a state that was: of all objects, the newest write up to its revision, and none after.
async fn a_copy_taken_amid_writes_is_one_state_of_the_store(kind: Kind) {
    let place = Place::new(kind);
    let store = place.open().await;
    let writers: Vec<_> = (0..4).map(|n| tokio::spawn(watch::writer(store.clone(), Dice::new(n + 3), 100))).collect();
    let mut copies = Vec::new();
    while copies.len() < 5 || writers.iter().any(|writer| !writer.is_finished()) {
        copies.push(taken(dump(&place).await.unwrap()).await);
    }
    futures::future::try_join_all(writers).await.unwrap();
    let current = store.current().await.unwrap();
    let log = kit::changes_to(&mut store.changes(Revision(0)), current).await.unwrap();
    for (revision, objects) in copies {
        let until = log.partition_point(|change| change.revision <= revision);
        let state = watch::check_log(Default::default(), &log[..until]);
        assert!(objects.iter().map(|kept| &kept.record).eq(state.values()), "the copy at {revision}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_taken_amid_writes_are_states_of_sqlite() {
    a_copy_taken_amid_writes_is_one_state_of_the_store(Kind::Sqlite).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn copies_taken_amid_writes_are_states_of_postgres() {
    a_copy_taken_amid_writes_is_one_state_of_the_store(Kind::Postgres).await;
}

fn object(name: &str, revision: u64) -> Kept {
    let record = sampan_store::Record {
        key: key(name),
        revision: Revision(revision),
        create_revision: Revision(1),
        data: Bytes::from_static(b"x"),
    };
    Kept { record, expires: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_that_fails_leaves_nothing_and_what_is_there_is_not_overwritten() {
    for kind in [Kind::Sqlite, Kind::Postgres] {
        let place = Place::new(kind);
        let beyond = restore(&place, of(10, 1, vec![object("a", 5), object("b", 11)])).await.unwrap_err();
        assert!(beyond.to_string().contains("/configmaps default/b was made at 1 and is at 11"), "{beyond}");
        let broken = vec![Ok(vec![object("a", 5)]), Err(Error::Corrupt("torn".into()))];
        let torn = Dump { revision: Revision(10), epoch: 1, objects: futures::stream::iter(broken).boxed() };
        assert_eq!(restore(&place, torn).await, Err(Error::Corrupt("torn".into())));
        restore(&place, of(10, 1, vec![object("a", 5)])).await.unwrap();
        let there = restore(&place, of(10, 1, vec![object("c", 5)])).await.unwrap_err();
        assert!(matches!(&there, Error::Unusable(why) if why.contains("already")), "{there}");
        let store: Arc<dyn Store> = place.open().await;
        assert_eq!(store.get(&key("a")).await.unwrap(), Some(object("a", 5).record));
        assert_eq!(store.get(&key("c")).await.unwrap(), None);
    }
    let nowhere = Place::new(Kind::Sqlite);
    assert!(dump(&nowhere).await.err().unwrap().to_string().contains("cannot be opened"));
}
