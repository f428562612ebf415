//! What followers of the change log are promised: every change once, in order, from wherever they resume.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::StreamExt;
use sampan_store::{Change, Durability, Error, Key, Op, Record, Revision, Store};

use crate::kit::{self, Dice, Kind, Place, changes_to, durably, soon};

/// Strictly increasing, creates where nothing is, updates and deletes where something is.
pub(crate) fn check_log(mut objects: BTreeMap<Key, Record>, log: &[Change]) -> BTreeMap<Key, Record> {
    let mut last = Revision(0);
    for Change { revision, create_revision, key, op, data } in log.iter().cloned() {
        assert!(revision > last, "{revision} after {last}");
        last = revision;
        let before = objects.get(&key);
        assert_eq!(before.is_none(), op == Op::Create, "{op:?} of {key} at {revision} after {before:?}");
        if let Some(before) = before {
            assert_eq!(before.create_revision, create_revision);
        }
        match op {
            Op::Delete => assert_eq!(objects.remove(&key).unwrap().data, data, "a deletion tells the last state"),
            Op::Create | Op::Update => {
                drop(objects.insert(key.clone(), Record { key, revision, create_revision, data }))
            }
        }
    }
    objects
}

/// Writes by chance until `count` succeeded; returns their revisions.
pub(crate) async fn writer(store: Arc<dyn Store>, mut dice: Dice, count: usize) -> Vec<Revision> {
    let mut done = Vec::new();
    while done.len() < count {
        let key = kit::key(&format!("n{}", dice.roll(8)));
        let current = store.get(&key).await.unwrap();
        let write = match current {
            None => kit::create("new"),
            Some(record) if dice.roll(3) == 0 => kit::delete(record.revision),
            Some(record) => kit::update(record.revision, &format!("after {}", record.revision)),
        };
        let durability = if dice.roll(4) == 0 { Durability::Relaxed } else { Durability::Durable };
        match store.write(key, write, durability).await {
            Ok(revision) => done.push(revision),
            Err(Error::Conflict { .. } | Error::Exists(_) | Error::NotFound(_)) => {}
            Err(error) => panic!("{error}"),
        }
    }
    done
}

/// Follows to a revision, resuming now and then from where it was.
async fn follower(
    store: Arc<dyn Store>,
    mut dice: Dice,
    mut at: Revision,
    mut to: tokio::sync::watch::Receiver<Option<Revision>>,
) -> Vec<Change> {
    let mut seen = Vec::new();
    loop {
        let mut changes = store.changes(at);
        for _ in 0..=dice.roll(20) {
            if to.borrow().is_some_and(|to| at >= to) {
                return seen;
            }
            let batch = tokio::select! {
                batch = soon("a change", changes.next()) => batch.unwrap().unwrap(),
                // Once: whoever went round and round here would give up each read before it had an answer.
                _ = to.changed() => continue,
            };
            assert!(batch.revision >= at);
            assert!(batch.changes.iter().all(|change| change.revision > at && change.revision <= batch.revision));
            at = batch.revision;
            seen.extend(batch.changes);
        }
    }
}

/// Writers and followers, spread over the processes' stores, all at once.
pub(crate) async fn check(stores: &[Arc<dyn Store>], seed: u64) {
    let before = stores[0].list("/configmaps", None, None, 100).await.unwrap();
    let (start, before) = (before.revision, before.records.into_iter().map(|record| (record.key.clone(), record)));
    let (announce, end) = tokio::sync::watch::channel(None);
    let of = |number: u64| stores[usize::try_from(number).unwrap() % stores.len()].clone();
    let followers: Vec<_> =
        (0..4).map(|n| tokio::spawn(follower(of(n), Dice::new(seed + n), start, end.clone()))).collect();
    let writers: Vec<_> = (0..8).map(|n| tokio::spawn(writer(of(n), Dice::new(seed * 31 + n), 60))).collect();
    let mut written = Vec::new();
    for writer in writers {
        written.extend(writer.await.unwrap());
    }
    written.sort();
    announce.send(Some(*written.last().unwrap())).unwrap();
    let log = changes_to(&mut stores[0].changes(start), *written.last().unwrap()).await.unwrap();
    assert_eq!(log.iter().map(|change| change.revision).collect::<Vec<_>>(), written, "SEED={seed}");
    let objects = check_log(before.collect(), &log);
    let page = stores[0].list("/configmaps", None, None, 100).await.unwrap();
    assert_eq!(page.records, objects.into_values().collect::<Vec<_>>(), "SEED={seed}");
    for follower in followers {
        assert_eq!(soon("the end", follower).await.unwrap(), log, "SEED={seed}");
    }
}

async fn every_follower_sees_every_change_once_and_in_order(place: Place) {
    let store = place.open().await;
    check(&[store], 7).await;
}

async fn a_follower_below_the_compaction_is_told_so(place: Place) {
    let store = place.open().await;
    let mut revisions = Vec::new();
    for name in ["a", "b", "c"] {
        revisions.push(durably(&*store, kit::key(name), kit::create("1")).await.unwrap());
    }
    let mut late = store.changes(Revision(0));
    assert_eq!(store.compact(revisions[1]).await, Ok(revisions[1]));
    assert_eq!(store.compact(revisions[0]).await, Ok(revisions[1]), "compaction never goes back");
    let expired = Err(Error::Compacted { requested: Revision(0), oldest: revisions[1] });
    assert_eq!(soon("an error", late.next()).await.unwrap(), expired, "also one that was opened before");
    assert!(late.next().await.is_none());
    let log = changes_to(&mut store.changes(revisions[1]), revisions[2]).await.unwrap();
    assert_eq!(log.iter().map(|change| change.revision).collect::<Vec<_>>(), revisions[2..]);
    assert_eq!(store.list("/configmaps", None, None, 10).await.unwrap().records.len(), 3, "objects stay");
}

async fn a_follower_far_behind_reads_the_log(place: Place) {
    let store = place.open().await;
    let mut changes = store.changes(Revision(0));
    assert_eq!(soon("the start", changes.next()).await.unwrap().unwrap().changes, []);
    // More than one read of the log, and far more batches than wait for a follower.
    let creates = (0..2300).map(|n| store.write(kit::key(&format!("n{n}")), kit::create("1"), Durability::Relaxed));
    let results = futures::future::join_all(creates).await;
    let last = results.into_iter().map(Result::unwrap).max().unwrap();
    let log = changes_to(&mut changes, last).await.unwrap();
    assert_eq!(check_log(BTreeMap::new(), &log).len(), 2300);
}

on_every_store!(
    every_follower_sees_every_change_once_and_in_order,
    a_follower_below_the_compaction_is_told_so,
    a_follower_far_behind_reads_the_log,
);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn followers_of_two_servers_see_the_same_history() {
    let place = Place::new(Kind::Postgres);
    let stores = [place.open().await, place.open().await];
    for seed in [3, 4] {
        check(&stores, seed).await;
    }
}
