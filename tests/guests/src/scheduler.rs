//! Scheduler plugins. Each knows a letter for every node, the last of its name, and how many pods run there.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

const RIGHT: &str = "the text of a test's plugin is right";

/// What all of them have. Letters lie at 4096, numbers of pods at 8192, answers at 64 and 128; arguments are gone when a call ends.
const PRELUDE: &str = r#"
  (import "sampan:scheduler/pods@0.1.0" "json" (func $json (param i32)))
  (memory (export "memory") 4)
  (data (i32.const 1024) "node(s) are marked x")
  (global $free (mut i32) (i32.const 65536))
  (func $reset (global.set $free (i32.const 65536)))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $length i32) (result i32) (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $length)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  (func $letter (param $node i32) (result i32) (i32.load8_u (i32.add (i32.const 4096) (local.get $node))))
  (func $pods (param $node i32) (result i32) (i32.load8_u (i32.add (i32.const 8192) (local.get $node))))
  (func $boom (unreachable))
  (func (export "sampan:scheduler/plugin@0.1.0#tell-nodes") (param $at i32) (param $count i32) (param $gone i32) (param $gone_count i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (i32.store8
        (i32.add (i32.const 4096) (i32.load (local.get $at)))
        (i32.load8_u (i32.sub (i32.add (i32.load offset=4 (local.get $at)) (i32.load offset=8 (local.get $at))) (i32.const 1))))
      (local.set $at (i32.add (local.get $at) (i32.const 64)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))
    (call $reset))
  (func (export "sampan:scheduler/plugin@0.1.0#tell-usage") (param $at i32) (param $count i32)
    (block $done (loop $next
      (br_if $done (i32.eqz (local.get $count)))
      (i32.store8 (i32.add (i32.const 8192) (i32.load (local.get $at))) (i32.load8_u offset=40 (local.get $at)))
      (local.set $at (i32.add (local.get $at) (i32.const 48)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $next)))
    (call $reset))
  (func (export "cabi_post_sampan:scheduler/filter@0.1.0#filter") (param i32) (call $reset))
  (func (export "cabi_post_sampan:scheduler/score@0.1.0#score") (param i32) (call $reset))
"#;

/// Is content with every configuration.
const CONFIGURE: &str = r#"(func (export "sampan:scheduler/plugin@0.1.0#configure") (param i32 i32) (result i32)
    (i32.store8 (i32.const 64) (i32.const 0)) (call $reset) (i32.const 64))"#;

/// Refuses the nodes whose letter is x.
const FILTER: &str = r#"
    (i32.store (i32.const 64) (i32.const 128))
    (i32.store (i32.const 68) (i32.shr_u (i32.add (local.get $count) (i32.const 63)) (i32.const 6)))
    (i32.store (i32.const 72) (i32.const 1024)) (i32.store (i32.const 76) (i32.const 20))
    (memory.fill (i32.const 128) (i32.const 0) (i32.const 64))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $place) (local.get $count)))
      (if (i32.ne (call $letter (i32.load (i32.add (local.get $nodes) (i32.shl (local.get $place) (i32.const 2))))) (i32.const 120))
        (then (i64.store (local.tee $at (i32.add (i32.const 128) (i32.shl (i32.shr_u (local.get $place) (i32.const 6)) (i32.const 3))))
          (i64.or (i64.load (local.get $at)) (i64.shl (i64.const 1) (i64.extend_i32_u (local.get $place)))))))
      (local.set $place (i32.add (local.get $place) (i32.const 1)))
      (br $next)))
    (i32.const 64)"#;

/// A node is the better the more pods are there: ten for each.
const SCORE: &str = r#"
    (i32.store (i32.const 64) (i32.const 128))
    (i32.store (i32.const 68) (local.get $count))
    (block $done (loop $next
      (br_if $done (i32.eq (local.get $place) (local.get $count)))
      (i32.store8 (i32.add (i32.const 128) (local.get $place)) (i32.mul (i32.const 10)
        (call $pods (i32.load (i32.add (local.get $nodes) (i32.shl (local.get $place) (i32.const 2)))))))
      (local.set $place (i32.add (local.get $place) (i32.const 1)))
      (br $next)))
    (i32.const 64)"#;

/// The arguments that `filter` and `score` have in common.
const QUESTION: &str = r#"(param $namespace i32) (param $namespace_length i32) (param $name i32) (param $name_length i32)
    (param $labels i32) (param $labels_count i32) (param $priority i32) (param $cpu i64) (param $memory i64) (param $disk i64)
    (param $other i32) (param $other_count i32) (param $nodes i32) (param $count i32) (result i32) (local $place i32) (local $at i32)"#;

fn function(name: &str, body: &str) -> String {
    format!("(func (export \"sampan:scheduler/{name}@0.1.0#{name}\") {QUESTION} {body})")
}

fn encode(world: &str, more_wit: &str, text: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let mut package = resolve.push_str("scheduler.wit", include_str!("../../../wit/scheduler.wit")).expect(RIGHT);
    if !more_wit.is_empty() {
        package = resolve.push_str("more.wit", more_wit).expect(RIGHT);
    }
    let world = resolve.select_world(&[package], Some(world)).expect(RIGHT);
    let mut module = wat::parse_str(format!("(module $plugin {text})")).expect(RIGHT);
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).expect(RIGHT);
    ComponentEncoder::default().module(&module).expect(RIGHT).validate(true).encode().expect(RIGHT)
}

fn both(configure: &str, filter: &str, score: &str) -> Vec<u8> {
    let text = [PRELUDE, configure, &function("filter", filter), &function("score", score)].concat();
    encode("filters-and-scores", "", &text)
}

/// Filters by letter and scores by pods.
pub fn in_order() -> Vec<u8> {
    both(CONFIGURE, FILTER, SCORE)
}

/// Its `filter` does this instead.
pub fn that(filter: &str) -> Vec<u8> {
    both(CONFIGURE, filter, SCORE)
}

/// Its `score` does this instead.
pub fn scoring(score: &str) -> Vec<u8> {
    both(CONFIGURE, FILTER, score)
}

/// Takes the processor and does not give it back.
pub fn that_spins() -> Vec<u8> {
    that("(loop $again (br $again)) (i32.const 64)")
}

/// Traps for pods of a priority below 0.
pub fn that_minds_priority() -> Vec<u8> {
    that(&format!("(if (i32.lt_s (local.get $priority) (i32.const 0)) (then (call $boom))) {FILTER}"))
}

/// Says no to its configuration, with it as the reason.
pub fn that_refuses_its_configuration() -> Vec<u8> {
    let configure = r#"(func (export "sampan:scheduler/plugin@0.1.0#configure") (param $at i32) (param $length i32) (result i32)
        (i32.store8 (i32.const 64) (i32.const 1))
        (i32.store (i32.const 68) (local.get $at)) (i32.store (i32.const 72) (local.get $length))
        (i32.const 64))"#;
    both(configure, FILTER, SCORE)
}

/// Refuses all nodes; the reason is the pod as JSON.
pub fn that_reads_the_pod() -> Vec<u8> {
    that(
        "(i32.store (i32.const 64) (i32.const 128)) (i32.store (i32.const 68) (i32.const 1)) (call $json (i32.const 72)) (i32.const 64)",
    )
}

/// Scores alone, and imports an interface that nobody offers; calls it for pods of a priority above 0.
pub fn that_only_scores_and_wants_more() -> Vec<u8> {
    let wit = "package test:more; interface clock { now: func() -> u64; }
        world wants { include sampan:scheduler/scores@0.1.0; import clock; }";
    let import = r#"(import "test:more/clock" "now" (func $now (result i64)))"#;
    let score = format!("(if (i32.gt_s (local.get $priority) (i32.const 0)) (then (drop (call $now)))) {SCORE}");
    let prelude = PRELUDE.replace(
        "  (func (export \"cabi_post_sampan:scheduler/filter@0.1.0#filter\") (param i32) (call $reset))\n",
        "",
    );
    encode("wants", wit, &[import, &prelude, CONFIGURE, &function("score", &score)].concat())
}
