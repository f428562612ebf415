//! What was acknowledged survives `kill -9` at any moment.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use sampan_store::{Durability, Error, Op, Revision, Store};

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

/// Makes objects, and now and then changes or deletes the last one.
async fn write_for_ever(store: Arc<dyn Store>, prefix: String) {
    for n in 0.. {
        let name = format!("{prefix}-{n}");
        let durability = if n % 5 == 0 { Durability::Relaxed } else { Durability::Durable };
        let mut at = store.write(key(&name), kit::create(&name), durability).await.unwrap();
        acknowledge(&name, at, &name);
        if n % 3 == 0 {
            let data = format!("{name} changed");
            at = store.write(key(&name), kit::update(at, &data), durability).await.unwrap();
            acknowledge(&name, at, &data);
        }
        if n % 7 == 0 {
            at = store.write(key(&name), kit::delete(at), durability).await.unwrap();
            acknowledge(&name, at, "");
        }
    }
}

fn acknowledge(name: &str, at: Revision, data: &str) {
    std::io::stdout().write_all(format!("ack|{name}|{at}|{data}\n").as_bytes()).unwrap();
}

/// What was acknowledged, by revision: the object's name and data; no data: it is gone.
type Acknowledged = BTreeMap<Revision, (String, String)>;

/// When a child is killed.
#[derive(Clone, Copy)]
enum Moment {
    /// So long after its start.
    After(Duration),
    /// When it has said so much.
    Lines(usize),
}

/// A child at work.
struct Writer {
    child: Child,
    lines: Receiver<String>,
}

impl Writer {
    fn start(place: &str, run: u64) -> Self {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["crash::child", "--exact", "--ignored", "--nocapture"])
            .env("SAMPAN_STORE_PLACE", place)
            .env("SAMPAN_STORE_RUN", run.to_string())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            output.lines().map_while(Result::ok).for_each(|line| drop(sender.send(line)));
        });
        Writer { child, lines }
    }

    /// Kills it at a moment, and returns all that it acknowledged. What it said before is still in the pipe, and counts.
    fn kill(mut self, moment: Moment) -> Acknowledged {
        let mut said: Vec<String> = Vec::new();
        match moment {
            Moment::After(time) => {
                let end = Instant::now() + time;
                // A writer on a fast disk is never silent: only a time that its lines do not put off ends it.
                while let Ok(line) = self.lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
                    said.push(line);
                }
            }
            Moment::Lines(lines) => {
                while said.len() < lines {
                    let line = self.lines.recv_timeout(Duration::from_secs(60));
                    said.push(line.unwrap_or_else(|_| panic!("the child fell silent after {said:?}")));
                }
            }
        }
        assert!(self.child.try_wait().unwrap().is_none(), "the child ended by itself: {said:?}");
        // SIGKILL.
        self.child.kill().unwrap();
        self.child.wait().unwrap();
        said.extend(self.lines.iter());
        let mut acknowledged = Acknowledged::new();
        for line in said {
            if let ["ack", name, revision, data] = line.split('|').collect::<Vec<_>>()[..] {
                acknowledged.insert(Revision(revision.parse().unwrap()), (name.to_owned(), data.to_owned()));
            }
        }
        acknowledged
    }
}

async fn nothing_acknowledged_is_lost(place: Place, target: &str, kills: u64) {
    let mut dice = Dice::new(17);
    let (mut objects, mut at, mut total) = (BTreeMap::new(), Revision(0), 0);
    for run in 0..kills {
        // Some die while they start, some amid their first writes, some at work.
        let moment = match dice.roll(4) {
            0 => Moment::After(Duration::from_micros(dice.roll(60_000))),
            _ => Moment::Lines(1 + usize::try_from(dice.roll(30)).unwrap()),
        };
        let acknowledged = Writer::start(target, run).kill(moment);
        total += acknowledged.len();
        let store = place.open().await;
        let current = store.current().await.unwrap();
        assert!(current >= at, "{current} after {at}");
        let log = changes_to(&mut store.changes(at), current).await.unwrap();
        objects = check_log(objects, &log);
        at = current;
        for (revision, (name, data)) in acknowledged {
            let found = log.binary_search_by_key(&revision, |change| change.revision);
            let change = &log[found.unwrap_or_else(|_| panic!("{name} at {revision} was lost by kill {run}"))];
            let is_as_said = if data.is_empty() { change.op == Op::Delete } else { change.data == data.as_bytes() };
            assert!(change.key == key(&name) && is_as_said, "{name} at {revision} is {change:?} after kill {run}");
        }
        let listed = store.list("/configmaps", None, None, usize::MAX >> 1).await.unwrap();
        assert!(listed.records.iter().eq(objects.values()), "objects and log agree after kill {run}");
        store.close().await;
    }
    assert!(total > usize::try_from(kills).unwrap() * 5, "{total} writes were acknowledged");
}

/// Each kill takes some fsyncs' time; `CRASH_KILLS=1000` asks for more of them.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how many kills is the caller's business")]
async fn killed_writers_on_sqlite_lose_nothing_acknowledged() {
    let kills = std::env::var("CRASH_KILLS").ok().and_then(|kills| kills.parse().ok()).unwrap_or(200);
    let place = Place::new(Kind::Sqlite);
    let target = place.file().to_str().unwrap().to_owned();
    nothing_acknowledged_is_lost(place, &target, kills).await;
}

#[tokio::test]
async fn thirty_killed_writers_on_postgres_lose_nothing_acknowledged() {
    let place = Place::new(Kind::Postgres);
    let target = place.url.clone();
    nothing_acknowledged_is_lost(place, &target, 30).await;
}

/// A file that its first opening was killed amid is opened by the next.
#[tokio::test]
async fn a_store_killed_while_it_is_made_is_made_by_the_next() {
    for moment in 0..30 {
        let place = Place::new(Kind::Sqlite);
        let target = place.file().to_str().unwrap().to_owned();
        drop(Writer::start(&target, 0).kill(Moment::After(Duration::from_millis(moment))));
        let store = place.open().await;
        let made = store.write(key("after"), kit::create("x"), Durability::Durable).await;
        assert!(matches!(made, Ok(_) | Err(Error::Exists(_))), "{made:?}");
        store.close().await;
    }
}
