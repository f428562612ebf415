//! Where tests get their stores, their keys and their chance.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use sampan_meta::{ManualClock, SeededEntropy};
use sampan_store::testing::postgres::PostgresServer;
use sampan_store::{
    Batch, Change, Cipher, Durability, Error, Key, MemoryStore, PostgresOptions, PostgresStore, Provider, Resources,
    Revision, Rule, SealKey, SealedStore, Sealing, SqliteOptions, SqliteStore, Store, Write,
};
use tempfile::TempDir;

/// The second at which the manual clock starts.
pub(crate) const START: i64 = 1_767_323_045;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Memory,
    Sqlite,
    /// Everything sealed, over SQLite.
    Sealed,
    Postgres,
}

/// A place for one store's data; gone with it.
pub(crate) struct Place {
    pub(crate) kind: Kind,
    pub(crate) clock: Arc<ManualClock>,
    pub(crate) directory: TempDir,
    pub(crate) url: String,
}

impl Place {
    pub(crate) fn new(kind: Kind) -> Self {
        let url = match kind {
            Kind::Postgres => PostgresServer::shared().and_then(|server| server.create_database()).unwrap(),
            Kind::Memory | Kind::Sqlite | Kind::Sealed => String::new(),
        };
        Place { kind, clock: Arc::default(), directory: tempfile::tempdir().unwrap(), url }
    }

    pub(crate) fn on(url: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        Place { kind: Kind::Postgres, clock: Arc::default(), directory, url: url.to_owned() }
    }

    pub(crate) fn file(&self) -> std::path::PathBuf {
        self.directory.path().join("store.db")
    }

    pub(crate) fn sqlite_options(&self) -> SqliteOptions {
        SqliteOptions::new(self.clock.clone())
    }

    pub(crate) async fn open(&self) -> Arc<dyn Store> {
        match self.kind {
            Kind::Memory => Arc::new(MemoryStore::new(self.clock.clone())),
            Kind::Sqlite => Arc::new(SqliteStore::open(&self.file(), self.sqlite_options()).unwrap()),
            Kind::Sealed => {
                let below = Arc::new(SqliteStore::open(&self.file(), self.sqlite_options()).unwrap());
                let entropy = Arc::new(SeededEntropy::new(1));
                Arc::new(SealedStore::new(below, sealing(Resources::All, &[1]), entropy))
            }
            Kind::Postgres => {
                let options = PostgresOptions::new(self.clock.clone());
                Arc::new(PostgresStore::connect(&self.url, options).await.unwrap())
            }
        }
    }
}

/// Makes of each `async fn case(place: Place)` a test on every store.
macro_rules! on_every_store {
    ($($case:ident),* $(,)?) => {
        on_every_store!(@memory, Memory, $($case),*);
        on_every_store!(@sqlite, Sqlite, $($case),*);
        on_every_store!(@sealed, Sealed, $($case),*);
        on_every_store!(@postgres, Postgres, $($case),*);
    };
    (@$module:ident, $kind:ident, $($case:ident),*) => {
        mod $module {
            $(
                #[tokio::test(flavor = "multi_thread", worker_threads = 4)]
                async fn $case() {
                    super::$case($crate::kit::Place::new($crate::kit::Kind::$kind)).await;
                }
            )*
        }
    };
}

/// Some resources sealed by the first of these keys and opened by all.
pub(crate) fn sealing(resources: Resources, keys: &[u8]) -> Sealing {
    let key = |n: &u8| Provider::Key(Arc::new(SealKey::new(format!("key{n}"), Cipher::Aes256Gcm, &[*n; 32]).unwrap()));
    let rule = Rule { resources: vec![resources], providers: keys.iter().map(key).collect() };
    Sealing::new(vec![rule], vec![Resources::One("/events".into())], "DIR/encryption.yaml")
}

pub(crate) fn key(name: &str) -> Key {
    Key::new("/configmaps", "default", name)
}

pub(crate) fn create(data: &str) -> Write {
    Write::Create { data: Bytes::copy_from_slice(data.as_bytes()), expires: None }
}

pub(crate) fn update(expect: Revision, data: &str) -> Write {
    Write::Update { expect, data: Bytes::copy_from_slice(data.as_bytes()), expires: None }
}

pub(crate) fn delete(expect: Revision) -> Write {
    Write::Delete { expect }
}

pub(crate) async fn durably(store: &dyn Store, key: Key, write: Write) -> Result<Revision, Error> {
    store.write(key, write, Durability::Durable).await
}

/// Waits for something that must come; a test that hangs says where.
pub(crate) async fn soon<T>(what: &str, future: impl Future<Output = T>) -> T {
    match tokio::time::timeout(Duration::from_secs(60), future).await {
        Ok(value) => value,
        Err(_) => panic!("{what} did not come"),
    }
}

/// All changes up to a revision that will be reached.
pub(crate) async fn changes_to(
    changes: &mut BoxStream<'static, Result<Batch, Error>>,
    to: Revision,
) -> Result<Vec<Change>, Error> {
    let mut seen = Vec::new();
    loop {
        let batch = soon("a change", changes.next()).await.unwrap()?;
        seen.extend(batch.changes);
        if batch.revision >= to {
            return Ok(seen);
        }
    }
}

/// What the test that started this process as its child told it.
#[allow(clippy::disallowed_methods, reason = "the test harness leaves no arguments of its own to a test")]
pub(crate) fn told(name: &str) -> String {
    std::env::var(name).expect("the parent sets it")
}

/// Small numbers by chance, the same for the same seed.
pub(crate) struct Dice(u64);

impl Dice {
    pub(crate) fn new(seed: u64) -> Self {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    /// From 0 up to but without `sides`.
    pub(crate) fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % sides
    }
}
