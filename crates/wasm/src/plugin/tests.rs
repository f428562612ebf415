use expect_test::{Expect, expect};
use sampan_guests::scheduler as guests;

use super::*;

/// Long enough for any of these plugins on a slow machine.
const PATIENT: Duration = Duration::from_secs(5);

fn load(component: &[u8], timeout: Duration) -> Result<Plugin, LoadError> {
    let options = PluginOptions { timeout, memory_bytes: 1 << 20, config: r#"{"disk":"fast"}"#.into() };
    PluginHost::start().unwrap().load(component, options)
}

fn loaded(component: &[u8]) -> Plugin {
    load(component, PATIENT).unwrap()
}

fn pod(priority: i32) -> (Pod<'static>, PodJson) {
    let labels = vec![("app", "web")];
    let pod = Pod { namespace: "default", name: "web-0", labels, priority, ..Pod::default() };
    (pod, Arc::new(|| r#"{"kind":"Pod"}"#.to_owned()))
}

/// Makes it ready and tells it of nodes 0, 1, … of these names with so many pods each.
fn tell(plugin: &mut Plugin, nodes: &[(&'static str, u32)]) -> Result<bool, Failure> {
    let is_new = plugin.start()?;
    let number = |at: usize| u32::try_from(at).unwrap();
    let named = nodes.iter().enumerate();
    let named: Vec<_> = named.map(|(at, (name, _))| Node { number: number(at), name, ..Node::default() }).collect();
    let used = nodes.iter().enumerate();
    let used: Vec<_> =
        used.map(|(at, (_, pods))| Usage { number: number(at), pods: *pods, ..Usage::default() }).collect();
    plugin.nodes(&named, &[])?;
    plugin.usage(&used)?;
    Ok(is_new)
}

fn filter(plugin: &mut Plugin, priority: i32, nodes: &[u32]) -> Result<Refused, Failure> {
    let (pod, json) = pod(priority);
    plugin.filter(pod, json, nodes)
}

fn score(plugin: &mut Plugin, priority: i32, nodes: &[u32]) -> Result<Vec<u8>, Failure> {
    let (pod, json) = pod(priority);
    plugin.score(pod, json, nodes)
}

/// How it fails that is asked about two nodes, by `filter` and then by `score`.
fn check_failure(component: &[u8], timeout: Duration, expected: Expect) {
    let mut plugin = load(component, timeout).unwrap();
    tell(&mut plugin, &[("a", 0), ("b", 0)]).unwrap();
    let filtered = filter(&mut plugin, 0, &[0, 1]).map(drop);
    let failed = filtered.and_then(|()| score(&mut plugin, 0, &[0, 1]).map(drop)).unwrap_err();
    expected.assert_eq(&failed.0);
    assert_eq!(plugin.usage(&[]).unwrap_err(), failed, "what failed is not called again");
}

#[test]
fn it_filters_by_what_it_was_told_of_nodes() {
    let mut plugin = loaded(&guests::in_order());
    assert!(plugin.filters() && plugin.scores());
    assert!(tell(&mut plugin, &[("node-a", 0), ("node-x", 0), ("node-b", 0)]).unwrap());
    let refused = filter(&mut plugin, 0, &[2, 1, 0]).unwrap();
    assert_eq!(refused, Refused { places: vec![1], reason: "node(s) are marked x".into() });
    assert!(!tell(&mut plugin, &[("node-x", 0), ("node-y", 0)]).unwrap(), "the instance is the same");
    assert_eq!(filter(&mut plugin, 0, &[0, 1, 2]).unwrap().places, [0]);
    assert_eq!(filter(&mut plugin, 0, &[]).unwrap(), Refused::default());
}

#[test]
fn many_nodes_are_many_bits() {
    let mut plugin = loaded(&guests::in_order());
    let names: Vec<_> = (0..300).map(|at| if at % 7 == 0 { ("x", 0) } else { ("a", 0) }).collect();
    tell(&mut plugin, &names).unwrap();
    let all: Vec<u32> = (0..300).collect();
    let expected: Vec<_> = (0..300).step_by(7).collect();
    for asked in [300, 256, 65, 64, 63, 1] {
        let places = filter(&mut plugin, 0, &all[..asked]).unwrap().places;
        assert_eq!(places, expected.iter().copied().filter(|place| *place < asked).collect::<Vec<_>>());
    }
}

#[test]
fn it_scores_by_what_runs_on_nodes() {
    let mut plugin = loaded(&guests::in_order());
    tell(&mut plugin, &[("a", 3), ("b", 0), ("c", 10)]).unwrap();
    assert_eq!(score(&mut plugin, 0, &[0, 1, 2]).unwrap(), [30, 0, 100]);
    plugin.usage(&[Usage { number: 1, pods: 5, ..Usage::default() }]).unwrap();
    assert_eq!(score(&mut plugin, 0, &[2, 1]).unwrap(), [100, 50]);
}

#[test]
fn a_pod_is_read_whole_by_who_wants_to() {
    let mut plugin = loaded(&guests::that_reads_the_pod());
    tell(&mut plugin, &[("a", 0)]).unwrap();
    let refused = filter(&mut plugin, 0, &[0]).unwrap();
    assert_eq!(refused, Refused { places: vec![0], reason: r#"{"kind":"Pod"}"#.into() });
}

#[test]
fn who_traps_spins_swells_or_lies_is_told_of_with_what_to_do() {
    let rows = [
        (
            "(call $boom) (i32.const 64)",
            expect![
                "wasm trap: wasm `unreachable` instruction executed in boom, called by <wasm function 11>; mend its component"
            ],
        ),
        (
            "(loop $again (br $again)) (i32.const 64)",
            expect![
                "it took more than 20 ms of processor time; make it quicker or raise args.timeout in its pluginConfig"
            ],
        ),
        (
            "(loop $again (if (i32.eq (memory.grow (i32.const 4)) (i32.const -1)) (then (call $boom))) (br $again)) (i32.const 64)",
            expect![
                "it wanted 1048584 bytes of memory, over its limit of 1048576; raise args.memory in its pluginConfig"
            ],
        ),
        (
            "(i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (i32.const 3)) (i32.const 64)",
            expect!["it answered 3 numbers for 2 nodes, of 64 bits each; mend its component"],
        ),
        (
            "(i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (i32.const -1)) (i32.const 64)",
            expect!["list pointer/length out of bounds of memory; mend its component"],
        ),
    ];
    for (body, expected) in rows {
        check_failure(&guests::that(body), Duration::from_millis(20), expected);
    }
}

#[test]
fn scores_are_as_many_as_nodes_and_none_is_over_100() {
    let answer = |count: i32, score: i32| {
        guests::scoring(&format!(
            "(i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (i32.const {count}))
             (memory.fill (i32.const 128) (i32.const {score}) (i32.const 64)) (i32.const 64)"
        ))
    };
    check_failure(&answer(1, 5), PATIENT, expect!["it gave 1 scores for 2 nodes; mend its component"]);
    check_failure(
        &answer(2, 101),
        PATIENT,
        expect!["it gave a node the score 101; scores end at 100; mend its component"],
    );
}

#[test]
fn after_a_failure_another_instance_is_made_that_knows_nothing() {
    let mut plugin = loaded(&guests::that_minds_priority());
    tell(&mut plugin, &[("a", 0), ("x", 0)]).unwrap();
    let failed = filter(&mut plugin, -1, &[0, 1]).unwrap_err();
    // It is left alone for a while first.
    let mut waits = 0;
    let is_new = loop {
        match plugin.start() {
            Ok(is_new) => break is_new,
            Err(why) => assert_eq!(why, failed),
        }
        waits += 1;
        std::thread::yield_now();
    };
    assert!(is_new && waits > 0);
    assert_eq!(filter(&mut plugin, 0, &[0, 1]).unwrap().places, [0; 0], "it has heard of no x");
    tell(&mut plugin, &[("a", 0), ("x", 0)]).unwrap();
    assert_eq!(filter(&mut plugin, 0, &[0, 1]).unwrap().places, [1]);
}

#[test]
fn what_is_no_plugin_is_refused_when_it_is_loaded() {
    let refused = |component: &[u8]| load(component, Duration::from_millis(20)).map(drop).unwrap_err().to_string();
    expect![[r#"it refuses its args.config: {"disk":"fast"}"#]]
        .assert_eq(&refused(&guests::that_refuses_its_configuration()));
    let empty = wat::parse_str("(component)").unwrap();
    expect!["it exports neither sampan:scheduler/filter@0.1 nor sampan:scheduler/score@0.1"]
        .assert_eq(&refused(&empty));
    let other = wat::parse_str(
        r#"(component (core module $m (func (export "f")))
        (core instance $i (instantiate $m)) (func $f (canon lift (core func $i "f")))
        (instance $filter (export "filter" (func $f))) (export "sampan:scheduler/filter@0.1.0" (instance $filter)))"#,
    );
    expect!["it exports no function configure of sampan:scheduler/plugin@0.1"].assert_eq(&refused(&other.unwrap()));
    assert!(refused(b"no component").contains("magic"), "{}", refused(b"no component"));
}

#[test]
fn what_is_not_offered_traps_when_it_is_called_and_not_before() {
    let mut plugin = loaded(&guests::that_only_scores_and_wants_more());
    assert!(plugin.scores() && !plugin.filters());
    tell(&mut plugin, &[("a", 4)]).unwrap();
    assert_eq!(score(&mut plugin, 0, &[0]).unwrap(), [40]);
    let failed = score(&mut plugin, 1, &[0]).unwrap_err();
    assert!(failed.0.contains("test:more/clock"), "{failed}");
}
