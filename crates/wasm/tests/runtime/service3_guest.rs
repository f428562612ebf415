//! A `wasi:http` component of WASI 0.3. It answers 201, a header and, after the response has begun, `hello` and the last digit of how often
//! this instance was asked. By the first letter of the path it traps instead (`/t`), or its body never ends (`/e`).

use std::sync::OnceLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub(crate) fn component() -> Vec<u8> {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(encode).clone()
}

fn encode() -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("service3.wit", include_str!("service3.wit")).unwrap();
    let world = resolve.select_world(&[package], Some("service")).unwrap();
    let mut module = wat::parse_str(MODULE).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Streams and futures come as both ends in one number: the readable one below, the writable one above.
const MODULE: &str = r#"(module $service
  (import "wasi:http/types@0.3.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.3.0" "[method]fields.append" (func $append (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.3.0" "[method]request.get-path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.3.0" "[resource-drop]request" (func $drop_request (param i32)))
  (import "wasi:http/types@0.3.0" "[static]response.new" (func $response (param i32 i32 i32 i32 i32)))
  (import "wasi:http/types@0.3.0" "[method]response.set-status-code" (func $status (param i32 i32) (result i32)))
  (import "wasi:http/types@0.3.0" "[stream-new-0][static]response.new" (func $body_new (result i64)))
  (import "wasi:http/types@0.3.0" "[async-lower][stream-write-0][static]response.new" (func $start_write (param i32 i32 i32) (result i32)))
  (import "wasi:http/types@0.3.0" "[stream-drop-writable-0][static]response.new" (func $drop_body (param i32)))
  (import "wasi:http/types@0.3.0" "[future-new-1][static]response.new" (func $trailers_new (result i64)))
  (import "wasi:http/types@0.3.0" "[async-lower][future-write-1][static]response.new" (func $start_trailers (param i32 i32) (result i32)))
  (import "wasi:http/types@0.3.0" "[future-drop-writable-1][static]response.new" (func $drop_trailers (param i32)))
  (import "wasi:http/types@0.3.0" "[future-drop-readable-2][static]response.new" (func $drop_sent (param i32)))
  (import "[export]wasi:http/handler@0.3.0" "[task-return]handle" (func $return (param i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "$root" "[waitable-set-new]" (func $set_new (result i32)))
  (import "$root" "[waitable-set-wait]" (func $set_wait (param i32 i32) (result i32)))
  (import "$root" "[waitable-set-drop]" (func $set_drop (param i32)))
  (import "$root" "[waitable-join]" (func $join (param i32 i32)))
  (memory (export "memory") 2)
  (data (i32.const 1024) "hello 0\n")
  (data (i32.const 1040) "x-guest")
  (data (i32.const 1050) "0.3")
  (global $asked (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func $boom (unreachable))
  ;; Waits for the end of a write unless it has ended at once.
  (func $finish (param $end i32) (param $state i32) (local $set i32)
    (if (i32.ne (local.get $state) (i32.const -1)) (then (return)))
    (local.set $set (call $set_new))
    (call $join (local.get $end) (local.get $set))
    (drop (call $set_wait (local.get $set) (i32.const 64)))
    (call $join (local.get $end) (i32.const 0))
    (call $set_drop (local.get $set)))
  (func $write (param $end i32) (param $at i32) (param $length i32)
    (call $finish (local.get $end) (call $start_write (local.get $end) (local.get $at) (local.get $length))))
  (func $letter (param $request i32) (result i32)
    (call $path (local.get $request) (i32.const 8))
    (if (i32.le_u (i32.load (i32.const 16)) (i32.const 1)) (then (return (i32.const 0))))
    (i32.load8_u (i32.add (i32.load (i32.const 12)) (i32.const 1))))
  (func $answer (param $endless i32) (local $headers i32) (local $body i64) (local $trailers i64) (local $writer i32)
    (local.set $headers (call $fields))
    (call $append (local.get $headers) (i32.const 1040) (i32.const 7) (i32.const 1050) (i32.const 3) (i32.const 32))
    (if (i32.load8_u (i32.const 32)) (then (call $boom)))
    (local.set $body (call $body_new))
    (local.set $trailers (call $trailers_new))
    (call $response (local.get $headers) (i32.const 1) (i32.wrap_i64 (local.get $body)) (i32.wrap_i64 (local.get $trailers)) (i32.const 8))
    (if (call $status (i32.load (i32.const 8)) (i32.const 201)) (then (call $boom)))
    (call $drop_sent (i32.load (i32.const 12)))
    (call $return (i32.const 0) (i32.load (i32.const 8)) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (local.set $writer (i32.wrap_i64 (i64.shr_u (local.get $body) (i64.const 32))))
    (i32.store8 (i32.const 1030) (i32.add (i32.const 48) (i32.rem_u (global.get $asked) (i32.const 10))))
    (loop $again
      (call $write (local.get $writer) (i32.const 1024) (i32.const 6))
      (call $write (local.get $writer) (i32.const 1030) (i32.const 2))
      (br_if $again (local.get $endless)))
    (call $drop_body (local.get $writer))
    (local.set $writer (i32.wrap_i64 (i64.shr_u (local.get $trailers) (i64.const 32))))
    ;; No trailers: all zeros.
    (call $finish (local.get $writer) (call $start_trailers (local.get $writer) (i32.const 2048)))
    (call $drop_trailers (local.get $writer)))
  (func (export "[async-lift]wasi:http/handler@0.3.0#handle") (param $request i32) (result i32) (local $letter i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (local.set $letter (call $letter (local.get $request)))
    (call $drop_request (local.get $request))
    (if (i32.eq (local.get $letter) (i32.const 116)) (then (call $boom)))
    (call $answer (i32.eq (local.get $letter) (i32.const 101)))
    (i32.const 0))
  (func (export "[callback][async-lift]wasi:http/handler@0.3.0#handle") (param i32 i32 i32) (result i32) (unreachable)))"#;
