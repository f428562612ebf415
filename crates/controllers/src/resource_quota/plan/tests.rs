use proptest::prelude::*;

use super::*;

fn pods(number: i64) -> Amounts {
    Amounts::from([("pods".to_owned(), Quantity::from_milli(number * 1000))])
}

fn quota(used: i64) -> Quota {
    Quota { hard: pods(5), status_hard: pods(5), used: pods(used) }
}

fn after(mark: &Mark, time: Duration) -> Instant {
    mark.at + time
}

#[test]
fn a_new_quota_says_at_once_what_is_there() {
    let new = Quota { hard: pods(5), status_hard: Amounts::new(), used: Amounts::new() };
    let plan = plan(&new, &pods(2), None, Instant::now());
    assert_eq!(plan, Plan { write: Some(pods(2)), mark: None });
    let raised = Quota { hard: pods(9), status_hard: pods(5), used: pods(2) };
    assert_eq!(super::plan(&raised, &pods(2), None, Instant::now()).write, Some(pods(2)));
    assert_eq!(super::plan(&quota(2), &pods(2), None, Instant::now()), Plan { write: None, mark: None });
}

#[test]
fn more_than_charged_is_said_at_once_and_less_only_when_nothing_can_be_on_its_way() {
    let now = Instant::now();
    assert_eq!(plan(&quota(2), &pods(3), None, now).write, Some(pods(3)));
    let first = plan(&quota(3), &pods(2), None, now);
    assert_eq!(first.write, None);
    let mark = first.mark.expect("it comes again");
    let early = plan(&quota(3), &pods(2), Some(&mark), after(&mark, SETTLES / 2));
    assert_eq!(early, Plan { write: None, mark: Some(mark.clone()) });
    let late = plan(&quota(3), &pods(2), Some(&mark), after(&mark, SETTLES));
    assert_eq!(late, Plan { write: Some(pods(2)), mark: None });
    let charged = plan(&quota(4), &pods(2), Some(&mark), after(&mark, SETTLES));
    assert_eq!(charged.write, Some(pods(3)), "what was charged since the mark may be on its way");
    assert!(charged.mark.is_some_and(|next| next.used == pods(3)));
}

/// What happens between two looks.
#[derive(Debug, Clone)]
enum Event {
    /// A charge, whose object comes so many ticks later, or never.
    Charge {
        delay: u32,
        fails: bool,
    },
    Delete,
    Look,
    Tick(u32),
}

fn event() -> impl Strategy<Value = Event> {
    prop_oneof![
        (0..10_u32, any::<bool>()).prop_map(|(delay, fails)| Event::Charge { delay, fails }),
        Just(Event::Delete),
        Just(Event::Look),
        (1..20_u32).prop_map(Event::Tick),
    ]
}

/// Ten ticks are the time after which a charge's object is there or never will be.
struct World {
    start: Instant,
    tick: u32,
    charged: i64,
    objects: i64,
    /// When objects come, or their charges come to nothing.
    coming: Vec<(u32, bool)>,
    mark: Option<Mark>,
}

impl World {
    fn happen(&mut self, event: &Event) {
        match event {
            Event::Charge { delay, fails } if self.charged < 5 => {
                self.charged += 1;
                self.coming.push((self.tick + delay, *fails));
            }
            Event::Charge { .. } => {}
            Event::Delete => self.objects = (self.objects - 1).max(0),
            Event::Look => self.look(),
            Event::Tick(ticks) => self.tick += ticks,
        }
        let (due, coming): (Vec<_>, Vec<_>) = self.coming.iter().copied().partition(|(at, _)| *at <= self.tick);
        self.coming = coming;
        self.objects += i64::try_from(due.iter().filter(|(_, fails)| !fails).count()).expect("few");
    }

    fn look(&mut self) {
        let now = self.start + SETTLES / 10 * self.tick;
        let plan = plan(&quota(self.charged), &pods(self.objects), self.mark.as_ref(), now);
        if let Some(used) = plan.write {
            self.charged = i64::try_from(used["pods"].milli() / 1000).expect("few");
        }
        self.mark = plan.mark;
    }
}

proptest! {
    #[test]
    fn what_is_there_and_what_is_on_its_way_stay_charged_and_nothing_else(events in prop::collection::vec(event(), 0..60)) {
        let mut world = World { start: Instant::now(), tick: 0, charged: 0, objects: 0, coming: Vec::new(), mark: None };
        for event in &events {
            world.happen(event);
            let real = i64::try_from(world.coming.iter().filter(|(_, fails)| !fails).count()).expect("few");
            prop_assert!(world.objects + real <= world.charged, "somebody else could take the place");
            prop_assert!(world.objects <= 5);
        }
        for _ in 0..4 {
            world.happen(&Event::Tick(11));
            world.happen(&Event::Look);
        }
        prop_assert_eq!(world.charged, world.objects);
    }
}
