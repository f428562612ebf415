//! What the watch cache promises, over every store.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::StreamExt;
use sampan_store::cache::{self, Options};
use sampan_store::{
    At, Decode, Durability, Expired, Key, Op, Record, Revision, Scope, Store, TooLarge, WatchCache, WatchError,
    Watcher, Write,
};

use crate::kit::{self, Dice, Kind, Place, durably, key, soon};

/// An object whose bytes are its node, if any; what starts with `!` is unreadable.
#[derive(Debug, PartialEq)]
pub(crate) struct Note {
    pub(crate) key: Key,
    pub(crate) revision: Revision,
    node: Option<Arc<str>>,
}

impl Decode for Note {
    fn decode(record: &Record) -> Result<Self, String> {
        let text = std::str::from_utf8(&record.data).map_err(|error| error.to_string())?;
        if text.starts_with('!') {
            return Err("it says so itself".into());
        }
        let node = (!text.is_empty()).then(|| text.into());
        Ok(Note { key: record.key.clone(), revision: record.revision, node })
    }

    fn index(&self) -> Option<Arc<str>> {
        self.node.clone()
    }
}

pub(crate) type Cache = Arc<WatchCache<Note>>;
pub(crate) type State = BTreeMap<(String, String), Revision>;

pub(crate) async fn start(store: &Arc<dyn Store>, options: Options) -> Cache {
    WatchCache::start(store.clone(), options).await.unwrap()
}

pub(crate) async fn put(cache: &Cache, name: &str, node: &str) -> Revision {
    let current = cache.get(&key(name));
    let write = current.map_or_else(|| kit::create(node), |note| kit::update(note.revision, node));
    cache.write(key(name), write, Durability::Durable).await.unwrap()
}

pub(crate) fn watch(cache: &Cache, scope: Scope, after: Revision) -> Watcher<Note> {
    cache.watch("/configmaps", scope, after).unwrap()
}

pub(crate) fn state(cache: &Cache, at: At) -> Result<State, Expired> {
    let snapshot = cache.snapshot("/configmaps", &at)?;
    let name = |note: &Note| (note.key.namespace.to_string(), note.key.name.to_string());
    let state: State = snapshot.iter().map(|note| (name(note), note.revision)).collect();
    assert_eq!(snapshot.len(), state.len());
    for node in ["a", "b", "c"] {
        let indexed: Vec<_> = snapshot.indexed(node).map(|note| name(note)).collect();
        let all = snapshot.iter().filter(|note| note.node.as_deref() == Some(node));
        assert_eq!(indexed, all.map(|note| name(note)).collect::<Vec<_>>(), "the index is as the objects are");
    }
    Ok(state)
}

/// Writes by chance through the cache, each of which the cache shows before its answer.
async fn writer(cache: Cache, mut dice: Dice, count: usize) {
    let mut done = 0;
    while done < count {
        let namespace = ["x", "y"][usize::try_from(dice.roll(2)).unwrap()];
        let key = Key::new("/configmaps", namespace, format!("n{}", dice.roll(5)));
        let node = ["", "a", "b", "c"][usize::try_from(dice.roll(4)).unwrap()];
        let write = match cache.get(&key) {
            None => kit::create(node),
            Some(note) if dice.roll(4) == 0 => kit::delete(note.revision),
            Some(note) => kit::update(note.revision, node),
        };
        let Ok(revision) = cache.write(key.clone(), write.clone(), Durability::Durable).await else { continue };
        done += 1;
        assert!(cache.current() >= revision, "a writer reads its own write");
        let shown = cache.get(&key);
        assert!(shown.is_none_or(|note| note.revision >= revision || matches!(write, Write::Delete { .. })));
        assert!(cache.resource_version("/configmaps") >= revision.0);
    }
}

/// Takes changes up to a revision, and checks that progress says exactly what was taken.
pub(crate) async fn take(mut watcher: Watcher<Note>, to: Revision) -> Vec<Arc<cache::Change<Note>>> {
    let mut seen: Vec<Arc<cache::Change<Note>>> = Vec::new();
    while watcher.progress() < to {
        let change = soon("a change", watcher.next()).await.unwrap().unwrap();
        if let Some(last) = seen.last() {
            assert!(change.revision > last.revision);
        }
        assert!(watcher.progress() >= change.revision);
        seen.push(change);
    }
    seen
}

async fn watchers_of_any_scope_see_exactly_their_changes(place: Place) {
    let store = place.open().await;
    let cache = start(&store, Options::default()).await;
    let zero = cache.current();
    let early = watch(&cache, Scope::default(), zero);
    let writers: Vec<_> = (0..4).map(|n| tokio::spawn(writer(cache.clone(), Dice::new(n + 5), 100))).collect();
    let some = |text: &str| Some(Arc::from(text));
    let scopes = [
        Scope::default(),
        Scope { namespace: some("x"), ..Scope::default() },
        Scope { name: some("n1"), ..Scope::default() },
        Scope { index: some("a"), ..Scope::default() },
        Scope { namespace: some("y"), name: some("n2"), ..Scope::default() },
        Scope { namespace: some("y"), index: some("b"), ..Scope::default() },
    ];
    let mut watchers = Vec::new();
    let mut dice = Dice::new(99);
    while cache.current().0 < zero.0 + 300 {
        let after = Revision(zero.0 + dice.roll(cache.current().0 - zero.0 + 1));
        let scope = scopes[usize::try_from(dice.roll(6)).unwrap()].clone();
        watchers.push((after, scope.clone(), watch(&cache, scope, after)));
        tokio::task::yield_now().await;
        watchers.truncate(200);
    }
    for writer in writers {
        writer.await.unwrap();
    }
    let end = cache.fresh().await.unwrap();
    let log = take(early, end).await;
    check_history(&cache, &log, zero);
    for (after, scope, watcher) in watchers {
        let expected: Vec<_> =
            log.iter().filter(|change| change.revision > after && in_scope(&scope, change)).collect();
        let seen = take(watcher, end).await;
        assert!(seen.iter().zip(&expected).all(|(seen, expected)| Arc::ptr_eq(seen, expected)), "changes are shared");
        assert_eq!(seen.len(), expected.len(), "{scope:?} after {after}");
    }
}

fn in_scope(scope: &Scope, change: &cache::Change<Note>) -> bool {
    let Scope { namespace, name, index } = scope;
    let nodes = [change.previous.as_ref().and_then(|note| note.node.clone()), change.object.node.clone()];
    namespace.as_ref().is_none_or(|namespace| *namespace == change.key.namespace)
        && name.as_ref().is_none_or(|name| *name == change.key.name)
        && (index.is_none() || nodes.contains(index))
}

/// The state before each change is told rightly, and the state after each can be read exactly.
fn check_history(cache: &Cache, log: &[Arc<cache::Change<Note>>], start: Revision) {
    let mut now = State::new();
    assert_eq!(state(cache, At::Exact(start)).unwrap(), now);
    for change in log {
        let name = (change.key.namespace.to_string(), change.key.name.to_string());
        assert_eq!(change.previous.as_ref().map(|note| note.revision), now.get(&name).copied());
        assert_eq!(change.previous.is_none(), change.op == Op::Create);
        assert_eq!(change.object.revision, change.revision);
        if change.op == Op::Delete {
            now.remove(&name)
        } else {
            now.insert(name, change.revision)
        };
        assert_eq!(state(cache, At::Exact(change.revision)).unwrap(), now, "at {}", change.revision);
    }
    assert_eq!(state(cache, At::Latest).unwrap(), now);
}

async fn a_cache_started_late_shows_the_same_as_one_that_saw_it_all(place: Place) {
    let store = place.open().await;
    let first = start(&store, Options::default()).await;
    writer(first.clone(), Dice::new(3), 150).await;
    let second = start(&store, Options::default()).await;
    assert_eq!(state(&second, At::Latest).unwrap(), state(&first, At::Latest).unwrap());
    let oldest = second.current();
    let too_old = Expired { requested: Revision(oldest.0 - 1), oldest };
    assert_eq!(second.watch("/configmaps", Scope::default(), too_old.requested).err(), Some(too_old));
    assert_eq!(state(&second, At::Exact(too_old.requested)), Err(too_old));
}

async fn a_consistent_read_sees_what_was_written_beside_the_cache(place: Place) {
    let store = place.open().await;
    let cache = start(&store, Options::default()).await;
    for n in 0..50 {
        let revision = durably(&*store, key(&format!("n{n}")), kit::create("")).await.unwrap();
        let reads = futures::future::join_all((0..10).map(|_| cache.fresh())).await;
        assert!(reads.into_iter().all(|read| read.unwrap() >= revision));
        assert_eq!(cache.get(&key(&format!("n{n}"))).unwrap().revision, revision);
    }
}

async fn the_log_is_compacted_as_it_grows(place: Place) {
    let store = place.open().await;
    let options = Options { log_revisions: 50, log_age: Duration::ZERO, ..Options::default() };
    let cache = start(&store, options).await;
    let compacted = async {
        while store.compacted().await.unwrap().0 < 100 {
            put(&cache, "a", "").await;
        }
    };
    soon("a compaction", compacted).await;
    assert!(store.compacted().await.unwrap().0 <= store.current().await.unwrap().0 - 50);
}

on_every_store!(
    watchers_of_any_scope_see_exactly_their_changes,
    a_cache_started_late_shows_the_same_as_one_that_saw_it_all,
    a_consistent_read_sees_what_was_written_beside_the_cache,
    the_log_is_compacted_as_it_grows,
);

#[tokio::test]
async fn a_watcher_that_does_not_read_is_ended_and_the_others_go_on() {
    let store = Place::new(Kind::Memory).open().await;
    let cache = start(&store, Options { watcher_changes: 10, ..Options::default() }).await;
    let mut slow = watch(&cache, Scope::default(), Revision(0));
    let mut quick = watch(&cache, Scope::default(), Revision(0));
    for n in 0..12 {
        put(&cache, &format!("n{n}"), "").await;
        soon("a change", quick.next()).await.unwrap().unwrap();
    }
    assert_eq!(slow.next().await.unwrap().err(), Some(WatchError::TooSlow));
    assert!(slow.next().await.is_none());
    put(&cache, "more", "").await;
    assert!(soon("a change", quick.next()).await.unwrap().is_ok());
}

#[tokio::test]
async fn history_is_bounded_in_number_and_bytes() {
    let store = Place::new(Kind::Memory).open().await;
    for options in [
        Options { history_maximum: 100, ..Options::default() },
        Options { history_bytes: 100 * 260, ..Options::default() },
    ] {
        let cache = start(&store, options).await;
        let start = cache.current();
        for n in 0..300 {
            put(&cache, &format!("n{}", n % 7), "a").await;
        }
        let after =
            |back: u64| cache.watch("/configmaps", Scope::default(), Revision(cache.current().0 - back)).is_ok();
        assert!(after(99));
        assert!(!after(102));
        assert!(state(&cache, At::Exact(start)).is_err());
        assert!(state(&cache, At::Exact(Revision(cache.current().0 - 90))).is_ok());
    }
}

#[tokio::test(start_paused = true)]
async fn an_old_state_is_not_shown_exactly_however_quiet_its_resource() {
    let store = Place::new(Kind::Memory).open().await;
    let cache = start(&store, Options::default()).await;
    let first = put(&cache, "a", "").await;
    let other = async || {
        let key = Key::new("/leases", "default", "of-a-node");
        let note = cache.get(&key).map(|note| note.revision);
        let write = note.map_or_else(|| kit::create(""), |revision| kit::update(revision, ""));
        cache.write(key, write, Durability::Durable).await.unwrap()
    };
    tokio::time::advance(Duration::from_secs(31)).await;
    let second = other().await;
    for _ in 0..8 {
        tokio::time::advance(Duration::from_secs(31)).await;
        other().await;
    }
    assert!(state(&cache, At::Exact(first)).is_ok(), "five minutes are not over");
    for _ in 0..2 {
        tokio::time::advance(Duration::from_secs(31)).await;
        other().await;
    }
    // Its place in the log is known when the next change comes.
    other().await;
    assert_eq!(state(&cache, At::Exact(first)).unwrap_err(), Expired { requested: first, oldest: second });
    assert!(state(&cache, At::Exact(second)).is_ok());
    assert!(cache.watch("/configmaps", Scope::default(), first).is_ok(), "the history reaches further");
}

#[tokio::test]
async fn what_cannot_be_read_is_left_out_until_it_can() {
    let store = Place::new(Kind::Memory).open().await;
    let bad = durably(&*store, key("bad"), kit::create("!")).await.unwrap();
    let cache = start(&store, Options::default()).await;
    assert_eq!(cache.get(&key("bad")), None);
    let mut watcher = watch(&cache, Scope::default(), bad);
    let good = durably(&*store, key("bad"), kit::update(bad, "a")).await.unwrap();
    let bad = durably(&*store, key("bad"), kit::update(good, "!again")).await.unwrap();
    let gone = durably(&*store, key("bad"), kit::delete(bad)).await.unwrap();
    cache.at_least(gone).await.unwrap();
    let mut seen = Vec::new();
    while watcher.progress() < gone {
        seen.push(watcher.next().await.unwrap().unwrap());
    }
    let seen: Vec<_> = seen.iter().map(|change| (change.op, change.revision)).collect();
    assert_eq!(seen, [(Op::Create, good), (Op::Delete, bad)]);
}

#[tokio::test(start_paused = true)]
async fn a_revision_that_does_not_come_is_too_large() {
    let store = Place::new(Kind::Memory).open().await;
    let cache = start(&store, Options::default()).await;
    let before = tokio::time::Instant::now();
    let refused = cache.at_least(Revision(9)).await;
    assert_eq!(refused, Err(TooLarge { requested: Revision(9), current: Revision(0) }));
    assert_eq!(before.elapsed().as_secs(), 3);
}

#[tokio::test]
async fn a_closed_cache_ends_its_watchers_quietly() {
    let store = Place::new(Kind::Memory).open().await;
    let cache = start(&store, Options::default()).await;
    let mut watcher = watch(&cache, Scope::default(), Revision(0));
    let revision = put(&cache, "a", "").await;
    cache.close();
    assert_eq!(watcher.next().await.unwrap().unwrap().revision, revision);
    assert!(watcher.next().await.is_none());
}

#[tokio::test]
async fn ranges_begin_after_a_key_and_stay_in_their_namespace() {
    let store = Place::new(Kind::Memory).open().await;
    for (namespace, name) in [("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2"), ("", "0")] {
        durably(&*store, Key::new("/pods", namespace, name), kit::create("")).await.unwrap();
    }
    let cache = start(&store, Options::default()).await;
    let snapshot = cache.snapshot("/pods", &At::Latest).unwrap();
    let range = |namespace, after| {
        let notes = snapshot.range(namespace, after);
        notes.map(|note| format!("{}{}", note.key.namespace, note.key.name)).collect::<Vec<_>>().join(" ")
    };
    assert_eq!(range(None, None), "0 a1 a2 a3 b1 b2");
    assert_eq!(range(None, Some(("a", "2"))), "a3 b1 b2");
    assert_eq!(range(Some("a"), Some(("a", "1"))), "a2 a3");
    assert_eq!(range(Some("b"), Some(("a", "1"))), "b1 b2");
    assert_eq!(range(Some("a"), Some(("b", "1"))), "");
    assert_eq!(snapshot.get("b", "2").unwrap().key.name, "2".into());
}
