use std::cell::RefCell;

use jiff::Timestamp;
use sampan_meta::Clock;
use tokio::time::Instant;

use super::super::validity::Validity;
use super::*;

/// Wall time that passes as tokio's (paused) time does, and can be set.
struct VirtualClock {
    since: Instant,
    set_forward: parking_lot::Mutex<Duration>,
}

impl VirtualClock {
    fn start() -> Arc<Self> {
        Arc::new(Self { since: Instant::now(), set_forward: parking_lot::Mutex::default() })
    }
}

impl Clock for VirtualClock {
    fn now(&self) -> Timestamp {
        let passed = self.since.elapsed() + *self.set_forward.lock();
        Timestamp::constant(1_767_323_045, 0).checked_add(passed).unwrap()
    }
}

/// Runs for `days` with `obtain` and tells on which day of its own life each certificate was replaced.
async fn renewals(days: u32, seed: u64, fails: impl Fn(u32) -> bool) -> Vec<(i64, bool)> {
    let directory = tempfile::tempdir().unwrap();
    let clock = VirtualClock::start();
    let entropy = Arc::new(SeededEntropy::new(seed));
    let authority = Authority::open(directory.path(), clock.clone(), entropy.clone()).unwrap();
    let first = authority.keep("node", &Subject::node("edge-1")).unwrap();
    let began = RefCell::new(clock.now());
    let seen = RefCell::new(Vec::new());
    let attempts = RefCell::new(0);
    let obtain = || async {
        *attempts.borrow_mut() += 1;
        if fails(*attempts.borrow()) {
            seen.borrow_mut().push((day_of_life(*began.borrow(), clock.now()), false));
            return Err("the server does not answer");
        }
        seen.borrow_mut().push((day_of_life(*began.borrow(), clock.now()), true));
        *began.borrow_mut() = clock.now();
        authority.keep("node", &Subject::node("edge-1")).map_err(|_| "not issued")
    };
    let running = keep_renewed("test", first, clock.clone(), entropy, obtain);
    assert!(tokio::time::timeout(DAY * days, running).await.is_err(), "it goes on for ever");
    seen.into_inner()
}

fn day_of_life(began: Timestamp, now: Timestamp) -> i64 {
    now.duration_since(began).as_hours() / 24
}

#[tokio::test(start_paused = true)]
async fn every_certificate_of_five_years_is_replaced_between_70_and_90_percent_of_its_life() {
    let seen = renewals(5 * 365, 1, |_| false).await;
    assert!((5..=7).contains(&seen.len()), "{seen:?}");
    for (day, _) in &seen {
        // 70 % of 365 days are 255, 90 % are 328; the moment may be seen up to a day late, never early.
        assert!((255..=329).contains(day), "{seen:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn nodes_that_joined_together_do_not_come_back_together() {
    let days: std::collections::BTreeSet<i64> =
        futures::future::join_all((1..20).map(|seed| async move { renewals(330, seed, |_| false).await[0].0 }))
            .await
            .into_iter()
            .collect();
    assert!(days.len() > 10, "{days:?}");
}

#[tokio::test(start_paused = true)]
async fn a_renewal_that_fails_is_tried_again_until_it_succeeds() {
    let seen = renewals(360, 3, |attempt| attempt < 40).await;
    assert_eq!(seen.len(), 40);
    assert!(seen[..39].iter().all(|(_, done)| !done) && seen[39].1);
    // 39 failures wait 17 min at first and 10 min each from then on.
    assert!(seen[39].0 - seen[0].0 <= 1, "{seen:?}");
}

#[tokio::test(start_paused = true)]
async fn a_clock_that_is_set_forward_is_noticed_within_a_day() {
    let directory = tempfile::tempdir().unwrap();
    let clock = VirtualClock::start();
    let entropy = Arc::new(SeededEntropy::new(1));
    let authority = Authority::open(directory.path(), clock.clone(), entropy.clone()).unwrap();
    let first = authority.issue(&Subject::admin()).unwrap();
    let (told, heard) = tokio::sync::oneshot::channel();
    let (told, keeper) = (RefCell::new(Some(told)), &authority);
    let obtain = || async {
        told.borrow_mut().take().map(|told| told.send(()));
        keeper.issue(&Subject::admin())
    };
    let running = keep_renewed("test", first, clock.clone(), entropy, obtain);
    let set = async {
        tokio::time::sleep(DAY * 3).await;
        *clock.set_forward.lock() = DAY * 340;
        tokio::time::timeout(DAY, heard).await
    };
    tokio::select! {
        biased;
        _ = running => unreachable!("it never ends"),
        noticed = set => noticed.expect("within a day").unwrap(),
    }
}

#[test]
fn the_moment_is_picked_by_chance_within_its_bounds() {
    let now = Timestamp::constant(1_767_323_045, 0);
    let validity = Validity { not_before: now, not_after: now.checked_add(Duration::from_secs(1000)).unwrap() };
    let after = |chance: u32| validity.renewal_moment(chance).duration_since(now).as_secs();
    assert_eq!(
        [after(0), after(100), after(200), after(201), after(u32::MAX)].map(|s| (700..=900).contains(&s)),
        [true; 5]
    );
    assert_eq!((after(0), after(200), after(201)), (700, 900, 700));
    let dead = Validity { not_before: now, not_after: now };
    assert_eq!(dead.renewal_moment(7), now);
}
