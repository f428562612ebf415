//! Whatever one caller does, every answer is the model's.

use std::marker::PhantomData;
use std::sync::Arc;

use futures::StreamExt;
use proptest::prelude::*;
use proptest_state_machine::{ReferenceStateMachine, StateMachineTest};
use sampan_store::{Durability, Key, Page, Revision, Store, Write};
use tokio::runtime::Runtime;

use crate::kit::{self, Place, changes_to, soon};
use crate::model::Model;

#[derive(Clone, Debug)]
pub(crate) enum Step {
    Write(Key, Write, Durability),
    Get(Key),
    List { resource: String, namespace: Option<String>, after: Option<(String, String)>, limit: usize },
    Changes(Revision),
    Compact(Revision),
    Load,
}

impl ReferenceStateMachine for Model {
    type State = Model;
    type Transition = Step;

    fn init_state() -> BoxedStrategy<Model> {
        Just(Model::default()).boxed()
    }

    fn transitions(model: &Model) -> BoxedStrategy<Step> {
        let limit = model.revision.0 + 2;
        let resource = || prop_oneof![Just("/pods"), Just("apps/deployments"), Just("apps/z")];
        let namespace = || prop_oneof![Just(""), Just("a"), Just("a-b"), Just("b")];
        let name = || prop_oneof![Just("x"), Just("x.y"), Just("x-y"), Just("é")];
        let key = move || (resource(), namespace(), name()).prop_map(|(r, ns, n)| Key::new(r, ns, n));
        let write = (key(), existing(model), 0..4u8, "[a-z]{0,8}", 0..limit, any::<bool>());
        let after = proptest::option::of((namespace(), name()).prop_map(|(ns, n)| (ns.to_owned(), n.to_owned())));
        let list = (resource(), proptest::option::of(namespace()), after, 0..6usize);
        prop_oneof![
            8 => write.prop_map(|(random, existing, what, data, guess, relaxed)| step(random, existing, what, data, guess, relaxed)),
            2 => key().prop_map(Step::Get),
            2 => list.prop_map(|(resource, namespace, after, limit)| Step::List {
                resource: resource.to_owned(), namespace: namespace.map(str::to_owned), after, limit }),
            1 => (0..limit).prop_map(|after| Step::Changes(Revision(after))),
            1 => (0..limit).prop_map(|to| Step::Compact(Revision(to / 2))),
            1 => Just(Step::Load),
        ]
        .boxed()
    }

    fn apply(mut model: Model, step: &Step) -> Model {
        match step {
            Step::Write(key, write, _) => drop(model.write(key, write, Revision(model.revision.0 + 1))),
            Step::Compact(to) => drop(model.compact(*to)),
            Step::Get(_) | Step::List { .. } | Step::Changes(_) | Step::Load => {}
        }
        model
    }
}

/// A key that exists and the revision it is at, where there is one.
fn existing(model: &Model) -> BoxedStrategy<Option<(Key, Revision)>> {
    let known: Vec<_> = model.objects.values().map(|record| Some((record.key.clone(), record.revision))).collect();
    if known.is_empty() { Just(None).boxed() } else { proptest::sample::select(known).boxed() }
}

/// Mostly writes that succeed, some that guess.
fn step(random: Key, existing: Option<(Key, Revision)>, what: u8, data: String, guess: u64, relaxed: bool) -> Step {
    let (known, right) = existing.unwrap_or_else(|| (random.clone(), Revision(guess)));
    let (key, write) = match what {
        0 => (random, kit::create(&data)),
        1 => (known, kit::update(right, &data)),
        2 => (known, kit::delete(right)),
        _ => (random, kit::update(Revision(guess), &data)),
    };
    Step::Write(key, write, if relaxed { Durability::Relaxed } else { Durability::Durable })
}

struct Machine<K> {
    runtime: Runtime,
    store: Arc<dyn Store>,
    before: Model,
    _place: Place,
    kind: PhantomData<K>,
}

trait Chosen {
    const KIND: kit::Kind;
}

impl<K: Chosen> StateMachineTest for Machine<K> {
    type SystemUnderTest = Self;
    type Reference = Model;

    fn init_test(_: &Model) -> Self {
        let runtime = Runtime::new().unwrap();
        let place = Place::new(K::KIND);
        let store = runtime.block_on(place.open());
        Machine { runtime, store, before: Model::default(), _place: place, kind: PhantomData }
    }

    fn apply(mut machine: Self, after: &Model, step: Step) -> Self {
        let before = std::mem::replace(&mut machine.before, after.clone());
        machine.runtime.block_on(check(&*machine.store, before, after, step));
        machine
    }

    fn teardown(machine: Self, _: Model) {
        machine.runtime.block_on(machine.store.close());
    }
}

/// Does a step on the store, whose answer is that of the model.
async fn check(store: &dyn Store, mut before: Model, after: &Model, step: Step) {
    match step {
        Step::Write(key, write, durability) => {
            let expected = before.write(&key, &write, Revision(before.revision.0 + 1));
            assert_eq!(store.write(key, write, durability).await, expected);
            assert_eq!(store.current().await, Ok(after.revision));
        }
        Step::Get(key) => assert_eq!(store.get(&key).await, Ok(after.objects.get(&key).cloned())),
        Step::List { resource, namespace, after: start, limit } => {
            let start = start.as_ref().map(|(namespace, name)| (namespace.as_str(), name.as_str()));
            let page = store.list(&resource, namespace.as_deref(), start, limit).await;
            let mut records = after.list(&resource, namespace.as_deref(), start);
            let more = records.len() > limit;
            records.truncate(limit);
            assert_eq!(page, Ok(Page { revision: after.revision, records, more }));
        }
        Step::Changes(from) => {
            let mut changes = store.changes(from);
            assert_eq!(changes_to(&mut changes, after.revision).await, after.changes(from));
        }
        Step::Compact(to) => {
            assert_eq!(store.compact(to).await, Ok(after.compacted));
            assert_eq!(store.compacted().await, Ok(after.compacted));
        }
        Step::Load => {
            let mut load = store.load().await.unwrap();
            let mut records = Vec::new();
            while let Some(part) = soon("a part", load.records.next()).await {
                records.extend(part.unwrap());
            }
            assert_eq!((load.revision, records), (after.revision, after.objects.values().cloned().collect()));
        }
    }
}

macro_rules! sequential {
    ($test:ident, $kind:ident, $cases:literal) => {
        struct $kind;

        impl Chosen for $kind {
            const KIND: kit::Kind = kit::Kind::$kind;
        }

        proptest_state_machine::prop_state_machine! {
            #![proptest_config(ProptestConfig { cases: $cases, failure_persistence: None, max_shrink_iters: 256, ..ProptestConfig::default() })]

            #[test]
            fn $test(sequential 1..60 => Machine<$kind>);
        }
    };
}

sequential!(the_memory_store_answers_as_the_model_does, Memory, 200);
sequential!(the_sqlite_store_answers_as_the_model_does, Sqlite, 40);
sequential!(a_sealed_store_answers_as_the_model_does, Sealed, 40);
sequential!(the_postgres_store_answers_as_the_model_does, Postgres, 15);
