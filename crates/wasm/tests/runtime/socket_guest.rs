//! A command that listens on 0.0.0.0:7007, says `hi` to the first who connects and ends. What fails is a trap.

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub(crate) fn component() -> Vec<u8> {
    encode(include_str!("socket.wit"), "server", MODULE)
}

/// The component of this world of this WIT that a core module makes.
pub(crate) fn encode(wit: &str, world: &str, module: &str) -> Vec<u8> {
    let mut resolve = Resolve::default();
    let package = resolve.push_str("guest.wit", wit).unwrap();
    let world = resolve.select_world(&[package], Some(world)).unwrap();
    let mut module = wat::parse_str(module).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

const MODULE: &str = r#"(module $server
  (import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
  (import "wasi:sockets/tcp-create-socket@0.2.0" "create-tcp-socket" (func $create (param i32 i32)))
  (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-bind"
    (func $start_bind (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
  (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-bind" (func $finish_bind (param i32 i32)))
  (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.start-listen" (func $start_listen (param i32 i32)))
  (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.finish-listen" (func $finish_listen (param i32 i32)))
  (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.accept" (func $accept (param i32 i32)))
  (import "wasi:sockets/tcp@0.2.0" "[method]tcp-socket.subscribe" (func $subscribe (param i32) (result i32)))
  (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
  (import "wasi:io/streams@0.2.0" "[method]output-stream.blocking-write-and-flush" (func $write (param i32 i32 i32 i32)))
  (memory (export "memory") 1)
  (data (i32.const 1024) "hi\n")
  (func $check (if (i32.load8_u (i32.const 8)) (then (unreachable))))
  (func (export "wasi:cli/run@0.2.0#run") (result i32) (local $socket i32)
    (call $create (i32.const 0) (i32.const 8)) (call $check)
    (local.set $socket (i32.load (i32.const 12)))
    (call $start_bind (local.get $socket) (call $network) (i32.const 0) (i32.const 7007)
      (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0) (i32.const 0)
      (i32.const 8)) (call $check)
    (call $finish_bind (local.get $socket) (i32.const 8)) (call $check)
    (call $start_listen (local.get $socket) (i32.const 8)) (call $check)
    (call $finish_listen (local.get $socket) (i32.const 8)) (call $check)
    (call $block (call $subscribe (local.get $socket)))
    (call $accept (local.get $socket) (i32.const 8)) (call $check)
    (call $write (i32.load (i32.const 20)) (i32.const 1024) (i32.const 3) (i32.const 8)) (call $check)
    (i32.const 0)))"#;
