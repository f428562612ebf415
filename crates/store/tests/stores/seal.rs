//! What sealing promises besides being a store like any other.

use std::path::Path;
use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use sampan_meta::SeededEntropy;
use sampan_store::cache::Options;
use sampan_store::{
    Cipher, Decode, Durability, Error, Key, MemoryStore, Provider, Record, Resources, Revision, Rule, SealKey,
    SealedStore, Sealing, SqliteStore, Store, WatchCache, Write,
};

use crate::kit::{self, Kind, Place, changes_to, create, durably, sealing, soon, update};

const CANARY: &str = "the canary sings in the mine";

fn secret(name: &str) -> Key {
    Key::new("/secrets", "default", name)
}

fn secrets(keys: &[u8]) -> Sealing {
    sealing(Resources::One("/secrets".into()), keys)
}

fn over(below: &Arc<dyn Store>, sealing: Sealing) -> Arc<SealedStore> {
    Arc::new(SealedStore::new(below.clone(), sealing, Arc::new(SeededEntropy::new(2))))
}

async fn load(store: &dyn Store) -> Result<Vec<Record>, Error> {
    let mut load = store.load().await?;
    let mut records = Vec::new();
    while let Some(part) = load.records.next().await {
        records.extend(part?);
    }
    Ok(records)
}

/// The files of a database: the main one, the log, whatever else.
fn bytes_of(directory: &Path) -> Vec<u8> {
    let files = std::fs::read_dir(directory).unwrap();
    // One of them may go while the last thread closes the database.
    files.filter_map(|file| std::fs::read(file.unwrap().path()).ok()).flatten().collect()
}

fn holds(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

#[tokio::test]
async fn a_secret_is_nowhere_in_the_files_and_everything_else_is() {
    let place = Place::new(Kind::Sqlite);
    let below: Arc<dyn Store> = Arc::new(SqliteStore::open(&place.file(), place.sqlite_options()).unwrap());
    let store = over(&below, secrets(&[1]));
    let mut changes = store.changes(Revision(0));
    let first = durably(&*store, secret("a"), create(CANARY)).await.unwrap();
    let second = durably(&*store, secret("a"), update(first, &format!("{CANARY}, again"))).await.unwrap();
    let third = durably(&*store, secret("a"), kit::delete(second)).await.unwrap();
    let fourth = durably(&*store, secret("b"), create(CANARY)).await.unwrap();
    let last = durably(&*store, Key::new("/configmaps", "default", "a"), create("no secret")).await.unwrap();
    let seen = changes_to(&mut changes, last).await.unwrap();
    let seen: Vec<_> = seen.iter().map(|change| std::str::from_utf8(&change.data).unwrap()).collect();
    assert_eq!(seen, [CANARY, &format!("{CANARY}, again"), &format!("{CANARY}, again"), CANARY, "no secret"]);
    assert_eq!(store.get(&secret("b")).await.unwrap().unwrap().data, CANARY);
    let written = bytes_of(place.directory.path());
    store.close().await;
    drop((store, below, changes));
    for bytes in [written, bytes_of(place.directory.path())] {
        assert!(!holds(&bytes, CANARY) && !holds(&bytes, "canary"), "it lies about in the files");
        assert!(holds(&bytes, "no secret") && holds(&bytes, "sampan:sealed:v1:"));
    }
    assert!(third < fourth);
}

/// The bytes of an object.
struct Text(Bytes);

impl Decode for Text {
    fn decode(record: &Record) -> Result<Self, String> {
        match record.data.starts_with(b"sampan:") {
            true => Err("it is no text".into()),
            false => Ok(Self(record.data.clone())),
        }
    }
}

#[tokio::test]
async fn the_cache_holds_what_was_written() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::<sampan_meta::ManualClock>::default()));
    let cache = WatchCache::<Text>::start(over(&below, secrets(&[1])), Options::default()).await.unwrap();
    cache.write(secret("a"), create(CANARY), Durability::Durable).await.unwrap();
    assert_eq!(cache.get(&secret("a")).unwrap().0, CANARY);
    let again = WatchCache::<Text>::start(over(&below, secrets(&[1])), Options::default()).await.unwrap();
    assert_eq!(again.get(&secret("a")).unwrap().0, CANARY);
    assert!(below.get(&secret("a")).await.unwrap().unwrap().data.starts_with(b"sampan:sealed:v1:"));
}

#[tokio::test]
async fn without_the_key_the_start_fails_and_names_the_file() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::<sampan_meta::ManualClock>::default()));
    durably(&*over(&below, secrets(&[1])), secret("a"), create(CANARY)).await.unwrap();
    for keys in [&[][..], &[2]] {
        let started = WatchCache::<Text>::start(over(&below, secrets(keys)), Options::default()).await;
        let error = started.map(drop).unwrap_err();
        assert!(!error.retryable());
        let text = error.to_string();
        assert!(
            text.contains("/secrets default/a is encrypted with key ")
                && text.contains("which DIR/encryption.yaml does not hold"),
            "{text}"
        );
    }
    let follower = over(&below, secrets(&[2])).changes(Revision(0)).next().await.unwrap();
    assert!(matches!(follower, Err(Error::Unusable(_))));
    assert_eq!(load(&*over(&below, secrets(&[2, 1]))).await.unwrap()[0].data, CANARY);
}

#[tokio::test]
async fn plain_objects_of_before_are_read_and_sealed_objects_open_once_sealing_is_off() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::<sampan_meta::ManualClock>::default()));
    durably(&*below, secret("old"), create("plain")).await.unwrap();
    let store = over(&below, secrets(&[1]));
    assert_eq!(store.get(&secret("old")).await.unwrap().unwrap().data, "plain");
    durably(&*store, secret("new"), create(CANARY)).await.unwrap();
    let key = Arc::new(SealKey::new("key1", Cipher::Aes256Gcm, &[1; 32]).unwrap());
    let providers = vec![Provider::Identity, Provider::Key(key)];
    let rule = Rule { resources: vec![Resources::Group(String::new())], providers };
    let off = over(&below, Sealing::new(vec![rule], vec![], "file"));
    let page = off.list("/secrets", None, None, 10).await.unwrap();
    assert_eq!(page.records.iter().map(|record| &record.data[..]).collect::<Vec<_>>(), [CANARY.as_bytes(), b"plain"]);
    load(&*off).await.unwrap();
    assert_eq!(off.reseal().await, Ok(1));
    assert_eq!(below.get(&secret("new")).await.unwrap().unwrap().data, CANARY);
}

#[tokio::test]
async fn sealed_bytes_that_were_altered_or_moved_do_not_open_and_harm_no_other_object() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::<sampan_meta::ManualClock>::default()));
    let store = over(&below, secrets(&[1]));
    for name in ["a", "b", "c"] {
        durably(&*store, secret(name), create(CANARY)).await.unwrap();
    }
    let b = below.get(&secret("b")).await.unwrap().unwrap();
    let moved = Write::Create { data: b.data.clone(), expires: None };
    durably(&*below, secret("thief"), moved).await.unwrap();
    for byte in [30, 40, 80, b.data.len() - 1] {
        let now = below.get(&secret("b")).await.unwrap().unwrap();
        let mut altered = b.data.to_vec();
        altered[byte] ^= 1;
        let write = Write::Update { expect: now.revision, data: altered.into(), expires: None };
        durably(&*below, secret("b"), write).await.unwrap();
        assert!(store.get(&secret("b")).await.is_err(), "byte {byte}");
    }
    assert!(matches!(store.get(&secret("thief")).await, Err(Error::Corrupt(_))));
    let cache = WatchCache::<Text>::start(store, Options::default()).await.unwrap();
    let names: Vec<_> =
        ["a", "b", "c", "thief"].into_iter().filter(|name| cache.get(&secret(name)).is_some()).collect();
    assert_eq!(names, ["a", "c"]);
}

#[tokio::test]
async fn the_same_object_sealed_twice_gives_different_bytes() {
    let below: Arc<dyn Store> = Arc::new(MemoryStore::new(Arc::<sampan_meta::ManualClock>::default()));
    let store = over(&below, secrets(&[1]));
    let first = durably(&*store, secret("a"), create(CANARY)).await.unwrap();
    let before = below.get(&secret("a")).await.unwrap().unwrap().data;
    durably(&*store, secret("a"), update(first, CANARY)).await.unwrap();
    assert_ne!(before, below.get(&secret("a")).await.unwrap().unwrap().data);
}

#[test]
fn keys_are_told_apart_by_their_secret_and_never_shown() {
    let key = |cipher, byte: u8| SealKey::new("same", cipher, &[byte; 32]).unwrap();
    let ids = [key(Cipher::Aes256Gcm, 1), key(Cipher::Aes256Gcm, 2), key(Cipher::ChaCha20Poly1305, 1)]
        .map(|key| key.id().to_owned());
    assert_eq!(std::collections::BTreeSet::from(ids.clone()).len(), 3, "{ids:?}");
    assert_eq!(
        format!("{:?}", key(Cipher::Aes256Gcm, 1)),
        format!("SealKey {{ name: \"same\", id: {:?}, .. }}", ids[0])
    );
    let error = SealKey::new("short", Cipher::Aes256Gcm, &[1; 8]).unwrap_err();
    assert_eq!(error.to_string(), "a secret of 8 bytes is too short, 16 are the least and 32 the usual");
}

/// 40 counters, counted up by 4 writers while all of them are sealed anew.
async fn every_object_gets_the_new_key_and_no_writer_loses_a_count(place: Place) {
    const COUNTERS: usize = 40;
    const ROUNDS: usize = 10;
    let below = place.open().await;
    let old = over(&below, secrets(&[1]));
    for n in 0..COUNTERS {
        durably(&*old, secret(&n.to_string()), create("0")).await.unwrap();
    }
    durably(&*below, secret("plain"), create("0")).await.unwrap();
    let events = Key::new("/events", "default", "e");
    let write = Write::Create { data: "e".into(), expires: Some(kit::START + 1000) };
    below.write(events.clone(), write, Durability::Relaxed).await.unwrap();
    let new = over(&below, sealing(Resources::All, &[2, 1]));
    load(&*new).await.unwrap();
    let writers = (0..4).map(|_| {
        let store = new.clone();
        tokio::spawn(async move {
            for n in (0..COUNTERS).flat_map(|n| [n; ROUNDS]) {
                while !count_up(&*store, &secret(&n.to_string())).await {}
            }
        })
    });
    let writers: Vec<_> = writers.collect();
    let resealed = soon("resealing", new.reseal()).await.unwrap();
    for writer in writers {
        soon("a writer", writer).await.unwrap();
    }
    assert!(resealed >= 1, "the plain one at least");
    for n in 0..COUNTERS {
        let record = new.get(&secret(&n.to_string())).await.unwrap().unwrap();
        assert_eq!(record.data, (4 * ROUNDS).to_string());
    }
    // The old key is not needed any more, and what expires was left alone.
    let without = over(&below, secrets(&[2]));
    assert_eq!(load(&*without).await.unwrap().len(), COUNTERS + 2);
    assert_eq!(below.get(&events).await.unwrap().unwrap().data, "e");
    load(&*new).await.unwrap();
    assert_eq!(new.reseal().await, Ok(0), "a second run writes nothing");
}

async fn count_up(store: &dyn Store, key: &Key) -> bool {
    let record = store.get(key).await.unwrap().unwrap();
    let count: u32 = std::str::from_utf8(&record.data).unwrap().parse().unwrap();
    durably(store, key.clone(), update(record.revision, &(count + 1).to_string())).await.is_ok()
}

mod rotation {
    use super::{Kind, Place};

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn in_memory() {
        super::every_object_gets_the_new_key_and_no_writer_loses_a_count(Place::new(Kind::Memory)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn on_sqlite() {
        super::every_object_gets_the_new_key_and_no_writer_loses_a_count(Place::new(Kind::Sqlite)).await;
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
    async fn on_postgres() {
        super::every_object_gets_the_new_key_and_no_writer_loses_a_count(Place::new(Kind::Postgres)).await;
    }
}
