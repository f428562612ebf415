//! Whatever many callers do at once, there is one order that explains every answer.

use std::sync::Arc;

use parking_lot::Mutex;
use sampan_store::{Durability, Error, Key, Record, Revision, Store, Write};
use stateright::semantics::{ConsistencyTester, LinearizabilityTester, SequentialSpec};

use crate::kit::{self, Dice, Place};
use crate::model::Model;

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Call {
    Write(Key, Write),
    Get(Key),
    Current,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Answer {
    Write(Result<Revision, Error>),
    Get(Option<Record>),
    Current(Revision),
}

impl SequentialSpec for Model {
    type Op = Call;
    type Ret = Answer;

    fn invoke(&mut self, call: &Call) -> Answer {
        match call {
            Call::Write(key, write) => Answer::Write(self.write(key, write, Revision(self.revision.0 + 1))),
            Call::Get(key) => Answer::Get(self.objects.get(key).cloned()),
            Call::Current => Answer::Current(self.revision),
        }
    }

    /// Numbers may be skipped: a store says which one a write got, and any greater than the last is right.
    fn is_valid_step(&mut self, call: &Call, answer: &Answer) -> bool {
        match (call, answer) {
            (Call::Write(key, write), Answer::Write(Ok(revision))) => {
                *revision > self.revision && self.write(key, write, *revision).is_ok()
            }
            _ => self.invoke(call) == *answer,
        }
    }
}

async fn ask(store: &dyn Store, call: Call) -> Answer {
    match call {
        Call::Write(key, write) => Answer::Write(store.write(key, write, Durability::Durable).await),
        Call::Get(key) => Answer::Get(store.get(&key).await.unwrap()),
        Call::Current => Answer::Current(store.current().await.unwrap()),
    }
}

type Tester = Arc<Mutex<LinearizabilityTester<u64, Model>>>;

/// Few objects, so that callers meet; each expects what it saw last, as real ones do.
async fn caller(number: u64, store: Arc<dyn Store>, tester: Tester, mut dice: Dice) {
    let mut seen = [Revision(0); 2];
    for _ in 0..6 {
        let object = usize::try_from(dice.roll(2)).unwrap();
        let key = kit::key(["x", "y"][object]);
        let call = match dice.roll(7) {
            0 | 1 => Call::Write(key, kit::create(&number.to_string())),
            2 | 3 => Call::Write(key, kit::update(seen[object], &number.to_string())),
            4 => Call::Write(key, kit::delete(seen[object])),
            5 => Call::Get(key),
            _ => Call::Current,
        };
        tester.lock().on_invoke(number, call.clone()).unwrap();
        let answer = ask(&*store, call).await;
        match &answer {
            Answer::Write(Ok(revision) | Err(Error::Conflict { current: Some(revision), .. })) => {
                seen[object] = *revision
            }
            Answer::Get(Some(record)) => seen[object] = record.revision,
            _ => {}
        }
        tester.lock().on_return(number, answer).unwrap();
    }
}

async fn check(stores: &[Arc<dyn Store>], seed: u64) {
    let start = stores[0].current().await.unwrap();
    let tester: Tester =
        Arc::new(Mutex::new(LinearizabilityTester::new(Model { revision: start, ..Model::default() })));
    let callers = (0..4).map(|number| {
        let store = stores[usize::try_from(number).unwrap() % stores.len()].clone();
        tokio::spawn(caller(number, store, tester.clone(), Dice::new(seed * 100 + number)))
    });
    for result in futures::future::join_all(callers).await {
        result.unwrap();
    }
    for name in ["x", "y"] {
        if let Some(record) = stores[0].get(&kit::key(name)).await.unwrap() {
            kit::durably(&*stores[0], record.key, kit::delete(record.revision)).await.unwrap();
        }
    }
    assert!(tester.lock().is_consistent(), "no order explains this history, SEED={seed}: {:?}", tester.lock());
}

async fn concurrent_histories_are_linearizable(place: Place) {
    let store = [place.open().await];
    for seed in 1..=40 {
        check(&store, seed).await;
    }
}

on_every_store!(concurrent_histories_are_linearizable);

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn histories_of_two_servers_on_one_database_are_linearizable() {
    let place = Place::new(kit::Kind::Postgres);
    let stores = [place.open().await, place.open().await];
    for seed in 1..=40 {
        check(&stores, seed).await;
    }
}

#[test]
fn the_checker_finds_a_lost_write() {
    let mut tester = LinearizabilityTester::new(Model::default());
    let key = kit::key("x");
    tester.on_invret(0, Call::Write(key.clone(), kit::create("a")), Answer::Write(Ok(Revision(1)))).unwrap();
    tester.on_invret(1, Call::Get(key), Answer::Get(None)).unwrap();
    assert!(!tester.is_consistent());
}
