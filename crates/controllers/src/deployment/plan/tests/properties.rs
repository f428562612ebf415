//! What holds of every rollout.

use proptest::prelude::*;

use super::*;

#[derive(Debug, Clone)]
enum User {
    Image(u8),
    Replicas(i32),
    Pods(i32),
}

fn user() -> impl Strategy<Value = User> {
    prop_oneof![(0_u8..3).prop_map(User::Image), (0_i32..12).prop_map(User::Replicas), (0_i32..5).prop_map(User::Pods)]
}

proptest! {
    #[test]
    fn any_rollout_ends_with_all_of_the_newest_and_then_nothing_is_written(
        replicas in 0_i32..10, surge in 0_i32..4, unavailable in 0_i32..4,
        story in proptest::collection::vec(user(), 0..12),
    ) {
        let mut world = World::new(deployment(replicas, surge, unavailable));
        for act in story {
            match act {
                User::Image(image) => world.set_image(&format!("web:{image}")),
                User::Replicas(replicas) => world.set_replicas(replicas),
                User::Pods(pods) => world.run_pods(pods),
            }
            world.step();
        }
        world.settle();
        prop_assert!(!world.step());
        let wanted = world.deployment.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1);
        prop_assert_eq!(world.sets.values().map(size).sum::<i32>(), wanted);
        let newest = world.sets.values().filter(|set| revision::has_template_of(set, &world.deployment)).map(size).sum::<i32>();
        prop_assert_eq!(newest, wanted);
    }

    #[test]
    fn a_rollout_never_leaves_its_bounds(
        replicas in 1_i32..10, surge in 0_i32..4, unavailable in 0_i32..4, pace in 1_i32..4,
    ) {
        let mut world = World::new(deployment(replicas, surge, unavailable));
        world.settle();
        world.set_image("web:1");
        let bounds = bounds::bounds(world.deployment.spec.as_ref().expect("it has one"));
        for _ in 0..100 {
            world.step();
            let (total, up) = (world.sets.values().map(size).sum::<i32>(), world.sets.values().map(|set| size(set).min(available(set))).sum::<i32>());
            prop_assert!(total <= replicas + bounds.surge, "{}", world.picture());
            prop_assert!(up >= replicas - bounds.unavailable, "{}", world.picture());
            world.run_pods(pace);
        }
        prop_assert!(!world.step(), "{}", world.picture());
    }
}
