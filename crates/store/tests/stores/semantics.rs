//! Single promises of every store, as rows.

use std::time::Duration;

use bytes::Bytes;
use sampan_store::{Durability, Error, Key, MAX_OBJECT_SIZE, Op, Revision, Write};

use crate::kit::{self, Place, START, changes_to, durably, key};

async fn too_large_an_object_is_refused_and_the_largest_is_kept(place: Place) {
    let store = place.open().await;
    let write = |size| Write::Create { data: Bytes::from(vec![7; size]), expires: None };
    let refused = durably(&*store, key("a"), write(MAX_OBJECT_SIZE + 1)).await;
    let (size, limit) = (MAX_OBJECT_SIZE + 1, MAX_OBJECT_SIZE);
    assert_eq!(refused, Err(Error::TooLarge { key: key("a"), size, limit }));
    durably(&*store, key("a"), write(MAX_OBJECT_SIZE)).await.unwrap();
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().data.len(), MAX_OBJECT_SIZE);
}

async fn a_key_no_store_could_keep_is_refused_and_harms_no_other_write(place: Place) {
    let store = place.open().await;
    for bad in [key("a\0b"), key(&"x".repeat(2000))] {
        let (refused, fine) = tokio::join!(
            durably(&*store, bad.clone(), kit::create("1")),
            durably(&*store, key(&format!("fine{}", bad.name.len())), kit::create("1")),
        );
        assert_eq!(refused, Err(Error::BadKey(bad)));
        fine.unwrap();
    }
}

async fn of_many_creates_of_one_object_one_wins(place: Place) {
    let store = place.open().await;
    let creates = (0..50).map(|n| durably(&*store, key("one"), kit::create(&n.to_string())));
    let results = futures::future::join_all(creates).await;
    let won: Vec<_> = results.iter().enumerate().filter_map(|(n, result)| result.as_ref().ok().map(|_| n)).collect();
    assert_eq!(won.len(), 1);
    assert!(results.iter().all(|result| matches!(result, Ok(_) | Err(Error::Exists(_)))));
    let kept = store.get(&key("one")).await.unwrap().unwrap();
    assert_eq!(kept.data, won[0].to_string());
}

async fn of_many_updates_from_one_revision_one_wins_and_the_others_learn_where_it_is(place: Place) {
    let store = place.open().await;
    let first = durably(&*store, key("one"), kit::create("0")).await.unwrap();
    let updates = (0..50).map(|n| durably(&*store, key("one"), kit::update(first, &n.to_string())));
    let results = futures::future::join_all(updates).await;
    let won: Vec<Revision> = results.iter().filter_map(|result| result.as_ref().ok().copied()).collect();
    assert_eq!(won.len(), 1);
    let conflict = Err(Error::Conflict { key: key("one"), current: Some(won[0]) });
    assert_eq!(results.iter().filter(|result| **result == conflict).count(), 49);
}

async fn an_expired_object_is_deleted_as_by_anybody(place: Place) {
    let store = place.open().await;
    let write = |expires| Write::Create { data: Bytes::from_static(b"e"), expires: Some(expires) };
    let relaxed = |name: &str, write| store.write(key(name), write, Durability::Relaxed);
    let soon = relaxed("soon", write(START + 1)).await.unwrap();
    relaxed("later", write(START + 1000)).await.unwrap();
    let kept = relaxed("kept", write(START + 1)).await.unwrap();
    let kept = durably(&*store, key("kept"), kit::update(kept, "an update without expiry")).await.unwrap();
    let mut changes = store.changes(kept);
    place.clock.advance(Duration::from_secs(2));
    let seen = changes_to(&mut changes, Revision(kept.0 + 1)).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|change| (change.op, &*change.key.name, change.create_revision)).collect();
    assert_eq!(seen, [(Op::Delete, "soon", soon)]);
    let names: Vec<_> = store.list("/configmaps", None, None, 9).await.unwrap().records;
    assert_eq!(names.iter().map(|record| &*record.key.name).collect::<Vec<_>>(), ["kept", "later"]);
}

async fn lists_are_ordered_by_bytes_and_page_through_namespaces(place: Place) {
    let store = place.open().await;
    for (namespace, name) in [("b", "1"), ("a", "z"), ("a", "B"), ("a-b", "1"), ("a", "a")] {
        durably(&*store, Key::new("/pods", namespace, name), kit::create("")).await.unwrap();
    }
    durably(&*store, Key::new("/pods2", "a", "other"), kit::create("")).await.unwrap();
    let mut found = Vec::new();
    let mut after: Option<(String, String)> = None;
    loop {
        let start = after.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
        let page = store.list("/pods", None, start, 2).await.unwrap();
        found.extend(page.records.iter().map(|record| format!("{}/{}", record.key.namespace, record.key.name)));
        let last = page.records.last().unwrap();
        after = Some((last.key.namespace.to_string(), last.key.name.to_string()));
        if !page.more {
            break;
        }
    }
    assert_eq!(found, ["a/B", "a/a", "a/z", "a-b/1", "b/1"]);
}

async fn a_closed_store_says_so(place: Place) {
    let store = place.open().await;
    durably(&*store, key("a"), kit::create("1")).await.unwrap();
    store.close().await;
    let refused = durably(&*store, key("b"), kit::create("1")).await.unwrap_err();
    assert!(refused.retryable(), "{refused}");
    store.close().await;
}

on_every_store!(
    too_large_an_object_is_refused_and_the_largest_is_kept,
    a_key_no_store_could_keep_is_refused_and_harms_no_other_write,
    of_many_creates_of_one_object_one_wins,
    of_many_updates_from_one_revision_one_wins_and_the_others_learn_where_it_is,
    an_expired_object_is_deleted_as_by_anybody,
    lists_are_ordered_by_bytes_and_page_through_namespaces,
    a_closed_store_says_so,
);
