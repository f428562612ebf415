//! A command that logs the setting `MODE`, counts its runs in the default bucket and logs the count. It fails where an answer is not as
//! the interfaces in `wit/` say.

use std::sync::OnceLock;

use wit_component::{ComponentEncoder, StringEncoding, embed_component_metadata};
use wit_parser::Resolve;

pub(crate) fn component() -> Vec<u8> {
    static COMPONENT: OnceLock<Vec<u8>> = OnceLock::new();
    COMPONENT.get_or_init(encode).clone()
}

fn encode() -> Vec<u8> {
    let mut resolve = Resolve::default();
    for (name, text) in [
        ("config.wit", include_str!("../../../../wit/config.wit")),
        ("keyvalue.wit", include_str!("../../../../wit/keyvalue.wit")),
        ("logging.wit", include_str!("../../../../wit/logging.wit")),
    ] {
        resolve.push_str(name, text).unwrap();
    }
    let package = resolve.push_str("services.wit", include_str!("services.wit")).unwrap();
    let world = resolve.select_world(&[package], Some("services")).unwrap();
    let mut module = wat::parse_str(MODULE).unwrap();
    embed_component_metadata(&mut module, &resolve, world, StringEncoding::UTF8).unwrap();
    ComponentEncoder::default().module(&module).unwrap().validate(true).encode().unwrap()
}

/// Answers lie at 64: whether it is an error, then what it is.
const MODULE: &str = r#"(module $services
  (import "wasi:config/store@0.2.0-rc.1" "get" (func $config (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "open" (func $open (param i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.get" (func $get (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.set" (func $set (param i32 i32 i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.exists" (func $exists (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.delete" (func $delete (param i32 i32 i32 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[method]bucket.list-keys" (func $list (param i32 i32 i64 i32)))
  (import "wasi:keyvalue/store@0.2.0-draft" "[resource-drop]bucket" (func $drop (param i32)))
  (import "wasi:keyvalue/atomics@0.2.0-draft" "increment" (func $increment (param i32 i32 i32 i64 i32)))
  (import "wasi:keyvalue/batch@0.2.0-draft" "get-many" (func $get_many (param i32 i32 i32 i32)))
  (import "wasi:logging/logging@0.1.0-draft" "log" (func $log (param i32 i32 i32 i32 i32)))
  (memory (export "memory") 4)
  (data (i32.const 1024) "MODEnm")
  (global $free (mut i32) (i32.const 65536))
  (func (export "cabi_realloc") (param i32 i32 i32) (param $length i32) (result i32) (local $at i32)
    (local.set $at (global.get $free))
    (global.set $free (i32.and (i32.add (i32.add (local.get $at) (local.get $length)) (i32.const 7)) (i32.const -8)))
    (local.get $at))
  (func $failed (result i32) (i32.load8_u (i32.const 64)))
  (func (export "wasi:cli/run@0.2.0#run") (result i32) (local $bucket i32)
    (call $config (i32.const 1024) (i32.const 4) (i32.const 64))
    (if (call $failed) (then (return (i32.const 1))))
    (if (i32.load8_u (i32.const 68)) (then
      (call $log (i32.const 2) (i32.const 1024) (i32.const 4) (i32.load (i32.const 72)) (i32.load (i32.const 76)))))
    (call $open (i32.const 0) (i32.const 0) (i32.const 64))
    (if (call $failed) (then
      (call $log (i32.const 4) (i32.const 0) (i32.const 0) (i32.load (i32.const 72)) (i32.load (i32.const 76)))
      (return (i32.const 1))))
    (local.set $bucket (i32.load (i32.const 68)))
    (call $increment (local.get $bucket) (i32.const 1028) (i32.const 1) (i64.const 1) (i32.const 64))
    (if (call $failed) (then (return (i32.const 1))))
    (call $get (local.get $bucket) (i32.const 1028) (i32.const 1) (i32.const 64))
    (if (i32.or (call $failed) (i32.eqz (i32.load8_u (i32.const 68)))) (then (return (i32.const 1))))
    (call $log (i32.const 3) (i32.const 1028) (i32.const 1) (i32.load (i32.const 72)) (i32.load (i32.const 76)))
    ;; m is there once it is set, and gone once it is deleted.
    (call $set (local.get $bucket) (i32.const 1029) (i32.const 1) (i32.const 1024) (i32.const 4) (i32.const 64))
    (if (call $failed) (then (return (i32.const 1))))
    (call $exists (local.get $bucket) (i32.const 1029) (i32.const 1) (i32.const 64))
    (if (i32.or (call $failed) (i32.eqz (i32.load8_u (i32.const 68)))) (then (return (i32.const 1))))
    (call $list (local.get $bucket) (i32.const 0) (i64.const 0) (i32.const 64))
    (if (i32.or (call $failed) (i32.ne (i32.load (i32.const 76)) (i32.const 2))) (then (return (i32.const 1))))
    (call $delete (local.get $bucket) (i32.const 1029) (i32.const 1) (i32.const 64))
    (if (call $failed) (then (return (i32.const 1))))
    ;; Of n and m, the first is found.
    (i32.store (i32.const 32) (i32.const 1028)) (i32.store (i32.const 36) (i32.const 1))
    (i32.store (i32.const 40) (i32.const 1029)) (i32.store (i32.const 44) (i32.const 1))
    (call $get_many (local.get $bucket) (i32.const 32) (i32.const 2) (i32.const 64))
    (if (i32.or (call $failed) (i32.ne (i32.load (i32.const 72)) (i32.const 2))) (then (return (i32.const 1))))
    (if (i32.eqz (i32.load8_u (i32.load (i32.const 68)))) (then (return (i32.const 1))))
    (if (i32.load8_u offset=20 (i32.load (i32.const 68))) (then (return (i32.const 1))))
    (call $drop (local.get $bucket))
    (i32.const 0)))"#;
