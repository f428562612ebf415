//! A `wasi:http` component of WASI 0.2. By the first letter of the path it answers `hello` and how often this instance was asked (`/`),
//! traps (`/t`), spins for ever (`/s`), takes memory until it gets no more (`/m`) or returns without an answer (`/n`).

use std::sync::OnceLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub(crate) fn component() -> Vec<u8> {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(encode).clone()
}

fn encode() -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("service.wit", include_str!("service.wit")).unwrap();
    let world = resolve.select_world(&[package], Some("service")).unwrap();
    let mut module = wat::parse_str(MODULE).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

const MODULE: &str = r#"(module $service
  (import "wasi:http/types@0.2.0" "[constructor]fields" (func $fields (result i32)))
  (import "wasi:http/types@0.2.0" "[method]incoming-request.path-with-query" (func $path (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[constructor]outgoing-response" (func $response (param i32) (result i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-response.body" (func $body (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[method]outgoing-body.write" (func $write (param i32 i32)))
  (import "wasi:http/types@0.2.0" "[static]outgoing-body.finish" (func $finish (param i32 i32 i32 i32)))
  (import "wasi:http/types@0.2.0" "[static]response-outparam.set" (func $set (param i32 i32 i32 i32 i64 i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $flush (param i32 i32 i32 i32)))
  (import "wasi:io/streams@0.2.0" "[resource-drop]output-stream" (func $drop_stream (param i32)))
  (memory (export "memory") 2)
  (data (i32.const 1024) "hello 0\n")
  (global $asked (mut i32) (i32.const 0))
  (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
  (func $boom (unreachable))
  (func $grow (loop $again
    (if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (call $boom)))
    (br $again)))
  (func $answer (param $out i32) (local $response i32) (local $body i32) (local $stream i32)
    (local.set $response (call $response (call $fields)))
    (call $body (local.get $response) (i32.const 8))
    (local.set $body (i32.load (i32.const 12)))
    (call $set (local.get $out) (i32.const 0) (local.get $response) (i32.const 0) (i64.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0))
    (call $write (local.get $body) (i32.const 8))
    (local.set $stream (i32.load (i32.const 12)))
    (i32.store8 (i32.const 1030) (i32.add (i32.const 48) (global.get $asked)))
    (call $flush (local.get $stream) (i32.const 1024) (i32.const 8) (i32.const 16))
    (call $drop_stream (local.get $stream))
    (call $finish (local.get $body) (i32.const 0) (i32.const 0) (i32.const 32)))
  (func (export "wasi:http/incoming-handler@0.2.0#handle") (param $request i32) (param $out i32) (local $letter i32)
    (global.set $asked (i32.add (global.get $asked) (i32.const 1)))
    (call $path (local.get $request) (i32.const 8))
    (local.set $letter (i32.load8_u (i32.add (i32.load (i32.const 12)) (i32.const 1))))
    (if (i32.le_u (i32.load (i32.const 16)) (i32.const 1)) (then (local.set $letter (i32.const 0))))
    (if (i32.eq (local.get $letter) (i32.const 116)) (then (call $boom)))
    (if (i32.eq (local.get $letter) (i32.const 115)) (then (loop $again (br $again))))
    (if (i32.eq (local.get $letter) (i32.const 109)) (then (call $grow)))
    (if (i32.eq (local.get $letter) (i32.const 110)) (then (return)))
    (call $answer (local.get $out))))"#;
