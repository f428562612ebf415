//! Several servers on one Postgres while everything breaks: servers are killed and come back, connections are cut or fall silent, the
//! database is restarted and crashes. Each server is a process with a store, a watch cache, writers, readers and watchers, which says
//! what it did and saw; `history` says whether that can be.

use std::io::{BufRead, BufReader, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;

use futures::StreamExt;
use sampan_store::cache::Options;
use sampan_store::testing::Link;
use sampan_store::testing::postgres::PostgresServer;
use sampan_store::{Error, PostgresOptions, PostgresStore, Revision, Scope, Store};

use crate::cache::{Cache, start};
use crate::history::{self, During, Said};
use crate::kit::{self, Dice, Place, changes_to, durably, key};

const NAMES: u64 = 6;
const WRITERS: u64 = 3;
const WATCHERS: u64 = 2;

/// Nanoseconds of the clock that all processes of the machine share.
fn now() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Monotonic);
    u64::try_from(time.tv_sec).unwrap() * 1_000_000_000 + u64::try_from(time.tv_nsec).unwrap()
}

async fn timed<T>(future: impl Future<Output = T>) -> (T, During) {
    let begin = now();
    let answer = future.await;
    (answer, During { begin, end: now() })
}

fn say(said: &Said) {
    // A whole line at once: the process may be killed between any two.
    std::io::stdout().write_all(format!("{}\n", said.line()).as_bytes()).unwrap();
}

/// The server: works until it is killed.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "started by the other tests of this file"]
async fn child() {
    let (url, name) = (kit::told("SAMPAN_STORE_PLACE"), kit::told("SAMPAN_STORE_RUN"));
    let seed: u64 = name.bytes().fold(7, |seed, byte| seed * 31 + u64::from(byte));
    let options = PostgresOptions {
        patience: Duration::from_secs(2),
        ..PostgresOptions::new(Arc::<sampan_meta::ManualClock>::default())
    };
    let store: Arc<dyn Store> = loop {
        match PostgresStore::connect(&url, options.clone()).await {
            Ok(store) => break Arc::new(store),
            Err(error) => assert!(error.retryable(), "{error}"),
        }
    };
    let cache = loop {
        match sampan_store::WatchCache::start(store.clone(), Options::default()).await {
            Ok(cache) => break cache,
            Err(error) => assert!(error.retryable(), "{error}"),
        }
    };
    let watchers = (0..WATCHERS).map(|n| tokio::spawn(watch(cache.clone(), format!("{name}.{n}"))));
    let writers = (0..WRITERS).map(|n| tokio::spawn(write(cache.clone(), format!("{name}.{n}"), Dice::new(seed + n))));
    let reader = tokio::spawn(read(cache.clone(), Dice::new(seed + 99)));
    futures::future::try_join_all(watchers.chain(writers).chain([reader]).collect::<Vec<_>>()).await.unwrap();
}

/// Tells every change; one whose place is lost says so and begins anew.
async fn watch(cache: Cache, watcher: String) {
    loop {
        let after = cache.current();
        let Ok(mut changes) = cache.watch("/configmaps", Scope::default(), after) else { continue };
        say(&Said::Begins { watcher: watcher.clone(), after });
        while let Some(change) = changes.next().await {
            match change {
                Ok(change) => say(&Said::Saw {
                    watcher: watcher.clone(),
                    revision: change.revision,
                    name: change.key.name.to_string(),
                }),
                Err(_) => say(&Said::Expired { watcher: watcher.clone() }),
            }
        }
    }
}

async fn write(cache: Cache, writer: String, mut dice: Dice) {
    for n in 0_u64.. {
        let name = format!("n{}", dice.roll(NAMES));
        let seen = cache.get(&key(&name)).map_or(Revision(0), |note| note.revision);
        let data = format!("{writer}-{n} {seen}");
        let write = match seen {
            Revision(0) => kit::create(&data),
            _ if dice.roll(4) == 0 => kit::delete(seen),
            _ => kit::update(seen, &data),
        };
        let (answer, during) = timed(durably(&**cache.store(), key(&name), write)).await;
        match answer {
            Ok(revision) => {
                say(&Said::Wrote { during, name, expect: seen, revision });
                // As the registry does, so that the next one is made from what is there.
                let _ = cache.at_least(revision).await;
            }
            // A refusal is a read, if of a moment that it does not name.
            Err(Error::Conflict { current: Some(revision), .. }) => say(&Said::Read { during, name, revision }),
            Err(Error::NotFound(_)) => say(&Said::Read { during, name, revision: Revision(0) }),
            Err(Error::Exists(_)) => {}
            Err(error) => assert!(error.retryable(), "{error}"),
        }
    }
}

/// Reads from the store and, once it is fresh, from the cache.
async fn read(cache: Cache, mut dice: Dice) {
    loop {
        let name = format!("n{}", dice.roll(NAMES));
        let (found, during) = timed(cache.store().get(&key(&name))).await;
        if let Ok(found) = found {
            let revision = found.map_or(Revision(0), |record| record.revision);
            say(&Said::Read { during, name: name.clone(), revision });
        }
        let fresh = || async { (cache.fresh().await, cache.get(&key(&name))) };
        let ((revision, found), during) = timed(fresh()).await;
        if let Ok(revision) = revision {
            say(&Said::At { during, revision });
            say(&Said::Read { during, name, revision: found.map_or(Revision(0), |note| note.revision) });
        }
    }
}

/// One server, whatever process it is at the moment.
struct Server {
    link: Link,
    number: usize,
    lives: usize,
    process: Option<Child>,
}

/// All of them, on one database.
struct Servers {
    database: PostgresServer,
    url: String,
    servers: Vec<Server>,
    lines: (Sender<Said>, Receiver<Said>),
    said: Vec<Said>,
    written: usize,
}

impl Servers {
    async fn start(count: usize) -> Self {
        let database = PostgresServer::start().unwrap();
        let url = database.create_database().unwrap();
        let mut servers = Vec::new();
        for number in 0..count {
            let link = Link::to(database.address()).await.unwrap();
            servers.push(Server { link, number, lives: 0, process: None });
        }
        let mut all = Servers { database, url, servers, lines: channel(), said: Vec::new(), written: 0 };
        (0..count).for_each(|number| all.launch(number));
        all
    }

    fn launch(&mut self, number: usize) {
        let server = &mut self.servers[number];
        server.lives += 1;
        let database = self.url.rsplit('/').next().unwrap();
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["servers::child", "--exact", "--ignored", "--nocapture"])
            .env("SAMPAN_STORE_PLACE", format!("postgres://postgres@{}/{database}", server.link.address()))
            .env("SAMPAN_STORE_RUN", format!("s{}.{}", server.number, server.lives))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let lines = self.lines.0.clone();
        std::thread::spawn(move || {
            for line in output.lines() {
                // The test harness has its own words, too.
                if let Some(said) = Said::parse(&line.unwrap()) {
                    let _ = lines.send(said);
                }
            }
        });
        server.process = Some(child);
    }

    fn kill(&mut self, number: usize) {
        let mut child = self.servers[number].process.take().unwrap();
        // SIGKILL. An error would mean that it had ended by itself: its test failed.
        assert!(child.try_wait().unwrap().is_none(), "server {number} ended by itself");
        child.kill().unwrap();
        child.wait().unwrap();
    }

    /// Goes on until so many more writes were acknowledged.
    fn more(&mut self, count: usize) {
        let until = self.written + count;
        while self.written < until {
            self.take("a write");
        }
    }

    fn take(&mut self, what: &str) {
        let said = self.lines.1.recv_timeout(Duration::from_secs(60));
        let said = said.unwrap_or_else(|_| panic!("{what} did not come"));
        self.written += usize::from(matches!(said, Said::Wrote { .. }));
        self.said.push(said);
    }

    fn fault(&mut self, dice: &mut Dice) {
        let number = usize::try_from(dice.roll(self.servers.len() as u64)).unwrap();
        match dice.roll(8) {
            0..3 => {
                self.kill(number);
                self.launch(number);
            }
            3 => self.servers[number].link.cut(),
            4 => self.servers[number].link.stall(),
            5 => {
                let all = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'sampan'";
                self.database.sql("postgres", all).unwrap();
            }
            6 => {
                self.database.stop().unwrap();
                self.database.start_again().unwrap();
            }
            _ => {
                self.database.crash().unwrap();
                self.database.start_again().unwrap();
            }
        }
    }

    /// The watchers of each server that lives now.
    fn watchers(&self) -> Vec<String> {
        let of = |server: &Server| {
            let (number, lives) = (server.number, server.lives);
            (0..WATCHERS).map(move |n| format!("s{number}.{lives}.{n}"))
        };
        self.servers.iter().flat_map(of).collect()
    }

    /// Waits until every watcher that lives has seen the change at this revision, or began after it.
    fn until_all_saw(&mut self, mark: Revision) {
        let mut missing = self.watchers();
        let mut looked = 0;
        while !missing.is_empty() {
            for said in &self.said[looked..] {
                match said {
                    Said::Saw { watcher, revision, .. } if *revision == mark => missing.retain(|one| one != watcher),
                    Said::Begins { watcher, after } if *after >= mark => missing.retain(|one| one != watcher),
                    _ => {}
                }
            }
            looked = self.said.len();
            if !missing.is_empty() {
                self.take("the last change at every watcher");
            }
        }
    }

    async fn end(mut self, store: &dyn Store) {
        (0..self.servers.len()).for_each(|number| self.kill(number));
        // What is still on its way ends with the pipes, of which this is the last holder but the readers.
        let Servers { lines: (sender, receiver), mut said, .. } = self;
        drop(sender);
        said.extend(receiver);
        let current = store.current().await.unwrap();
        let log = changes_to(&mut store.changes(Revision(0)), current).await.unwrap();
        history::check(&log, &said).unwrap();
        let reads = said.iter().filter(|said| matches!(said, Said::Read { .. })).count();
        assert!(reads > 100, "{reads} reads were checked");
    }
}

async fn one_history(count: usize, faults: usize, seed: u64) {
    println!("SEED={seed}");
    let mut dice = Dice::new(seed);
    let mut servers = Servers::start(count).await;
    for _ in 0..faults {
        servers.more(usize::try_from(20 + dice.roll(80)).unwrap());
        servers.fault(&mut dice);
    }
    servers.more(100);
    let place = Place::on(&servers.url);
    let store = place.open().await;
    let mark = durably(&*store, key("mark"), kit::create("mark 0")).await.unwrap();
    servers.until_all_saw(mark);
    servers.end(&*store).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_servers_have_one_history_whatever_breaks() {
    one_history(2, 16, 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn four_servers_have_one_history_whatever_breaks() {
    one_history(4, 16, 2).await;
}

/// What lies idle when the network forgets it is neither waited for nor in the way of what comes after.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_that_fell_silent_are_given_up() {
    let server = PostgresServer::shared().unwrap();
    let url = server.create_database().unwrap();
    let link = Link::to(server.address()).await.unwrap();
    let database = url.rsplit('/').next().unwrap();
    let place = Place::on(&format!("postgres://postgres@{}/{database}", link.address()));
    // Long enough for a machine that is busy, and far below what TCP would wait.
    let patience = Duration::from_secs(2);
    let options = PostgresOptions { patience, ..PostgresOptions::new(place.clock.clone()) };
    let store: Arc<dyn Store> = Arc::new(PostgresStore::connect(&place.url, options).await.unwrap());
    let cache = start(&store, Options::default()).await;
    for round in 0..3 {
        // Several connections are made and lie idle.
        let names: Vec<_> = (0..8).map(|n| key(&n.to_string())).collect();
        while futures::future::try_join_all(names.iter().map(|name| store.get(name))).await.is_err() {}
        link.stall();
        let outage = std::time::Instant::now();
        let mut failures = 0;
        while store.current().await.is_err() {
            failures += 1;
        }
        let name = format!("after{round}");
        while let Err(error) = durably(&*store, key(&name), kit::create("x")).await {
            // A write whose answer was lost may have been made all the same.
            if failures > 0 && matches!(error, Error::Exists(_)) {
                break;
            }
            assert!(error.retryable(), "{error}");
            failures += 1;
        }
        assert!(outage.elapsed() < Duration::from_secs(60), "{:?}, {failures} failures", outage.elapsed());
        kit::soon("a fresh cache", async { while cache.fresh().await.is_err() {} }).await;
        assert!(cache.get(&key(&name)).is_some());
    }
}
