//! Durable writes each second, many in one transaction against one in each, on the same disk in the same run.
//!
//! `cargo bench -p sampan-store` prints a table: rounds of both ways alternate, medians are shown.

#![allow(clippy::unwrap_used, clippy::print_stdout, reason = "a program that measures and prints")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use rusqlite::{Connection, TransactionBehavior, params};
use sampan_meta::ManualClock;
use sampan_store::testing::postgres::PostgresServer;
use sampan_store::{Durability, Key, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store, Write};
use sqlx::postgres::{PgPool, PgPoolOptions};

const SIZE: usize = 1500;
const ROUND: Duration = Duration::from_millis(1500);
const ROUNDS: usize = 5;

/// One way to create an object.
trait Target: Send + Sync {
    fn create(&self, name: String, data: Bytes) -> BoxFuture<'_, ()>;
}

struct Batched(Arc<dyn Store>, Durability);

impl Target for Batched {
    fn create(&self, name: String, data: Bytes) -> BoxFuture<'_, ()> {
        let write = Write::Create { data, expires: None };
        self.0
            .write(Key::new("/configmaps", "default", name), write, self.1)
            .map(|result| assert!(result.is_ok(), "{result:?}"))
            .boxed()
    }
}

/// The same tables, one transaction for each write.
struct SingleSqlite(Arc<parking_lot::Mutex<Connection>>);

impl Target for SingleSqlite {
    fn create(&self, name: String, data: Bytes) -> BoxFuture<'_, ()> {
        let connection = self.0.clone();
        let write = move || {
            let mut connection = connection.lock();
            let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate).unwrap();
            let sql = "UPDATE revision SET rev = rev + 1 RETURNING rev";
            let rev: i64 = transaction.prepare_cached(sql).unwrap().query_row([], |row| row.get(0)).unwrap();
            let sql = "INSERT INTO object VALUES ('/configmaps', 'default', ?1, ?2, ?2, NULL, ?3)";
            transaction.prepare_cached(sql).unwrap().execute(params![name, rev, &*data]).unwrap();
            let sql = "INSERT INTO event VALUES (?2, '/configmaps', 'default', ?1, 1, ?2, ?3)";
            transaction.prepare_cached(sql).unwrap().execute(params![name, rev, &*data]).unwrap();
            transaction.commit().unwrap();
        };
        tokio::task::spawn_blocking(write).map(Result::unwrap).boxed()
    }
}

struct SinglePostgres(PgPool);

impl Target for SinglePostgres {
    fn create(&self, name: String, data: Bytes) -> BoxFuture<'_, ()> {
        async move {
            let mut transaction = self.0.begin().await.unwrap();
            let sql = "UPDATE revision SET rev = rev + 1 RETURNING rev";
            let rev: i64 = sqlx::query_scalar(sql).fetch_one(&mut *transaction).await.unwrap();
            let sql = "INSERT INTO object VALUES ('/configmaps', 'default', $1, $2, $2, NULL, $3)";
            sqlx::query(sql).bind(&name).bind(rev).bind(&*data).execute(&mut *transaction).await.unwrap();
            let sql = "INSERT INTO event VALUES ($2, '/configmaps', 'default', $1, 1, $2, 0, $3)";
            sqlx::query(sql).bind(&name).bind(rev).bind(&*data).execute(&mut *transaction).await.unwrap();
            transaction.commit().await.unwrap();
        }
        .boxed()
    }
}

#[derive(Clone, Copy)]
struct Measure {
    per_second: f64,
    middle: Duration,
    slowest_percent: Duration,
}

async fn measure(target: Arc<dyn Target>, writers: usize) -> Measure {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let data = Bytes::from(vec![b'x'; SIZE]);
    let start = Instant::now();
    let tasks: Vec<_> = (0..writers)
        .map(|_| {
            let (target, data) = (target.clone(), data.clone());
            tokio::spawn(async move {
                let mut took = Vec::new();
                while start.elapsed() < ROUND {
                    let begin = Instant::now();
                    target.create(format!("n{}", NEXT.fetch_add(1, Ordering::Relaxed)), data.clone()).await;
                    took.push(begin.elapsed());
                }
                took
            })
        })
        .collect();
    let mut took = Vec::new();
    for task in tasks {
        took.extend(task.await.unwrap());
    }
    let seconds = start.elapsed().as_secs_f64();
    took.sort();
    let count = u32::try_from(took.len()).unwrap();
    Measure {
        per_second: f64::from(count) / seconds,
        middle: took[took.len() / 2],
        slowest_percent: took[took.len() * 99 / 100],
    }
}

fn median(mut measures: Vec<Measure>) -> Measure {
    measures.sort_by(|one, other| one.per_second.total_cmp(&other.per_second));
    measures[measures.len() / 2]
}

async fn compare(what: &str, ways: &[(&str, Arc<dyn Target>)]) {
    for writers in [1, 32, 256] {
        let mut measures = vec![Vec::new(); ways.len()];
        for _ in 0..ROUNDS {
            for ((_, target), measures) in ways.iter().zip(&mut measures) {
                measures.push(measure(target.clone(), writers).await);
            }
        }
        let medians: Vec<_> = measures.into_iter().map(median).collect();
        for ((way, _), Measure { per_second, middle, slowest_percent }) in ways.iter().zip(&medians) {
            let ratio = per_second / medians.last().unwrap().per_second;
            println!(
                "{what:9} {writers:4} writers  {way:16} {per_second:8.0}/s  p50 {middle:9.2?}  p99 {slowest_percent:9.2?}  {ratio:5.1} x"
            );
        }
    }
}

async fn sqlite(directory: &Path) {
    let clock = Arc::new(ManualClock::default());
    let store: Arc<dyn Store> =
        Arc::new(SqliteStore::open(&directory.join("batched.db"), SqliteOptions::new(clock.clone())).unwrap());
    let single = directory.join("single.db");
    SqliteStore::open(&single, SqliteOptions::new(clock)).unwrap().close().await;
    let connection = Connection::open(single).unwrap();
    connection.execute_batch("PRAGMA synchronous = FULL").unwrap();
    let ways: [(_, Arc<dyn Target>); 3] = [
        ("batched", Arc::new(Batched(store.clone(), Durability::Durable))),
        ("batched, relaxed", Arc::new(Batched(store.clone(), Durability::Relaxed))),
        ("one by one", Arc::new(SingleSqlite(Arc::new(parking_lot::Mutex::new(connection))))),
    ];
    compare("sqlite", &ways).await;
    store.close().await;
}

async fn postgres() {
    let server = PostgresServer::start().unwrap();
    let clock = Arc::new(ManualClock::default());
    let open = || async {
        let url = server.create_database().unwrap();
        let store = PostgresStore::connect(&url, PostgresOptions::new(clock.clone())).await.unwrap();
        (url, Arc::new(store) as Arc<dyn Store>)
    };
    let (_, store) = open().await;
    let (single, unused) = open().await;
    unused.close().await;
    let pool = PgPoolOptions::new()
        .max_connections(32)
        .acquire_timeout(Duration::from_secs(60))
        .connect(&single)
        .await
        .unwrap();
    let ways: [(_, Arc<dyn Target>); 3] = [
        ("batched", Arc::new(Batched(store.clone(), Durability::Durable))),
        ("batched, relaxed", Arc::new(Batched(store.clone(), Durability::Relaxed))),
        ("one by one", Arc::new(SinglePostgres(pool))),
    ];
    compare("postgres", &ways).await;
    store.close().await;
}

#[tokio::main]
async fn main() {
    let directory = tempfile::tempdir().unwrap();
    sqlite(directory.path()).await;
    postgres().await;
}
