//! A cache whose store comes and goes.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use futures::stream::{BoxStream, StreamExt};
use sampan_store::cache::Options;
use sampan_store::{At, Batch, Durability, Error, Key, Load, Page, Record, Revision, Scope, Store, WatchError, Write};

use crate::cache::{Cache, put, start, state, take, watch};
use crate::kit::{self, Kind, Place, durably, key, soon};

/// A store that can be lost, and counts how often it is asked.
struct Flaky {
    inner: Arc<dyn Store>,
    lost: tokio::sync::watch::Sender<bool>,
    asked: AtomicUsize,
}

impl Flaky {
    fn ask(&self) -> Result<(), Error> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        if *self.lost.borrow() { Err(Error::Unavailable("it is lost".into())) } else { Ok(()) }
    }

    async fn on(kind: Kind) -> Arc<Self> {
        Arc::new(Flaky { inner: Place::new(kind).open().await, lost: Default::default(), asked: Default::default() })
    }
}

struct Shared(Arc<Flaky>);

impl Store for Shared {
    fn write(&self, key: Key, write: Write, durability: Durability) -> BoxFuture<'_, Result<Revision, Error>> {
        self.0.inner.write(key, write, durability)
    }

    fn get<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Option<Record>, Error>> {
        self.0.inner.get(key)
    }

    fn list<'a>(
        &'a self,
        resource: &'a str,
        namespace: Option<&'a str>,
        after: Option<(&'a str, &'a str)>,
        limit: usize,
    ) -> BoxFuture<'a, Result<Page, Error>> {
        self.0.inner.list(resource, namespace, after, limit)
    }

    fn load(&self) -> BoxFuture<'_, Result<Load, Error>> {
        async {
            self.0.ask()?;
            self.0.inner.load().await
        }
        .boxed()
    }

    fn current(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        async {
            self.0.ask()?;
            self.0.inner.current().await
        }
        .boxed()
    }

    fn changes(&self, after: Revision) -> BoxStream<'static, Result<Batch, Error>> {
        if let Err(error) = self.0.ask() {
            return futures::stream::iter([Err(error)]).boxed();
        }
        let mut lost = self.0.lost.subscribe();
        let cut = futures::stream::once(async move {
            lost.wait_for(|lost| *lost).await.unwrap();
            Err(Error::Unavailable("it was cut".into()))
        });
        futures::stream::select(self.0.inner.changes(after), cut).boxed()
    }

    fn compacted(&self) -> BoxFuture<'_, Result<Revision, Error>> {
        self.0.inner.compacted()
    }

    fn compact(&self, to: Revision) -> BoxFuture<'_, Result<Revision, Error>> {
        self.0.inner.compact(to)
    }

    fn epoch(&self) -> BoxFuture<'_, Result<u64, Error>> {
        self.0.inner.epoch()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.0.inner.close()
    }
}

/// Loses the store, lets something happen to it, and gives it back.
async fn lose(cache: &Cache, flaky: &Flaky, meanwhile: impl Future<Output = Revision>) -> Revision {
    flaky.lost.send_replace(true);
    soon("bad health", async {
        while cache.healthy().is_ok() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(state(cache, At::Latest).is_ok(), "what is known is served");
    assert!(cache.fresh().await.unwrap_err().retryable());
    let revision = meanwhile.await;
    flaky.lost.send_replace(false);
    soon("the revision", async { while cache.at_least(revision).await.is_err() {} }).await;
    cache.healthy().unwrap();
    revision
}

#[tokio::test]
async fn a_cache_that_lost_the_store_goes_on_where_it_was() {
    let flaky = Flaky::on(Kind::Memory).await;
    let store: Arc<dyn Store> = Arc::new(Shared(flaky.clone()));
    let cache = start(&store, Options::default()).await;
    let mut watcher = watch(&cache, Scope::default(), Revision(0));
    let meanwhile = async { durably(&*flaky.inner, key("a"), kit::create("")).await.unwrap() };
    let revision = lose(&cache, &flaky, meanwhile).await;
    assert_eq!(soon("the change", watcher.next()).await.unwrap().unwrap().revision, revision);
}

#[tokio::test]
async fn a_cache_that_lost_history_loads_anew_and_its_watchers_are_told() {
    let flaky = Flaky::on(Kind::Memory).await;
    let store: Arc<dyn Store> = Arc::new(Shared(flaky.clone()));
    let cache = start(&store, Options::default()).await;
    put(&cache, "gone", "").await;
    let mut watcher = watch(&cache, Scope::default(), Revision(0));
    assert!(watcher.next().await.unwrap().is_ok());
    let meanwhile = async {
        let gone = cache.get(&key("gone")).unwrap().revision;
        durably(&*flaky.inner, key("gone"), kit::delete(gone)).await.unwrap();
        let revision = durably(&*flaky.inner, key("new"), kit::create("a")).await.unwrap();
        flaky.inner.compact(revision).await.unwrap()
    };
    let revision = lose(&cache, &flaky, meanwhile).await;
    let told = soon("the end", watcher.next()).await.unwrap().err();
    assert!(matches!(told, Some(WatchError::Expired(_))), "{told:?}");
    assert_eq!(state(&cache, At::Latest).unwrap().into_values().collect::<Vec<_>>(), [revision]);
    let next = put(&cache, "new", "b").await;
    assert_eq!(take(watch(&cache, Scope::default(), revision), next).await.len(), 1);
}

#[tokio::test(start_paused = true)]
async fn an_idle_cache_asks_nothing() {
    let flaky = Flaky::on(Kind::Memory).await;
    let store: Arc<dyn Store> = Arc::new(Shared(flaky.clone()));
    let cache = start(&store, Options::default()).await;
    let _watcher = watch(&cache, Scope::default(), Revision(0));
    put(&cache, "a", "").await;
    let asked = flaky.asked.load(Ordering::SeqCst);
    tokio::time::sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(flaky.asked.load(Ordering::SeqCst), asked);
}
