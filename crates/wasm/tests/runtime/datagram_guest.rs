//! Commands that use datagrams. What fails is a trap, but for what each says.

use std::net::SocketAddrV4;

use crate::socket_guest::encode;

/// Fails as a command, with code 1, when it may not bind `address`.
pub(crate) fn binds(address: SocketAddrV4) -> Vec<u8> {
    let start = format!(
        "(call $create (i32.const 0) (i32.const 8)) (call $check)
        (call $start_bind (i32.load (i32.const 12)) (call $network) {} (i32.const 8))
        (if (i32.eqz (i32.load8_u (i32.const 8))) (then (return (i32.const 0))))
        ;; access-denied
        (if (i32.ne (i32.load8_u (i32.const 9)) (i32.const 1)) (then (unreachable)))
        (i32.const 1)",
        flat(address)
    );
    command(&start)
}

/// Succeeds when a socket that is not bound has no streams.
pub(crate) fn streams_unbound() -> Vec<u8> {
    let start = format!(
        "(call $create (i32.const 0) (i32.const 8)) (call $check)
        (call $stream (i32.load (i32.const 12)) (i32.const 0) {} (i32.const 8))
        ;; invalid-state
        (i32.or (i32.ne (i32.load8_u (i32.const 8)) (i32.const 1)) (i32.ne (i32.load8_u (i32.const 12)) (i32.const 9)))",
        flat(NOWHERE)
    );
    command(&start)
}

/// Binds `address` and sends so many datagrams back to where they come from.
pub(crate) fn echoes(address: SocketAddrV4, count: u32) -> Vec<u8> {
    let start = format!(
        "(local $left i32)
        (call $open {})
        (local.set $left (i32.const {count}))
        (loop $again
          (call $receive)
          (memory.copy (i32.const 512) (global.get $datagram) (i32.const 8))
          (memory.copy (i32.const 524) (i32.add (global.get $datagram) (i32.const 8)) (i32.const 32))
          (call $send)
          (local.set $left (i32.sub (local.get $left) (i32.const 1)))
          (br_if $again (local.get $left)))
        (i32.const 0)",
        flat(address)
    );
    command(&start)
}

/// Sends `hi` to `address` from whatever address it has and waits until it comes back from there.
pub(crate) fn asks(address: SocketAddrV4) -> Vec<u8> {
    let [a, b, c, d] = address.ip().octets();
    let start = format!(
        "(call $open {})
        (i32.store (i32.const 512) (i32.const 1024)) (i32.store (i32.const 516) (i32.const 2))
        (i32.store16 (i32.const 528) (i32.const {}))
        (i32.store (i32.const 530) (i32.const {}))
        (call $send)
        (call $receive)
        (if (i32.ne (i32.load (i32.add (global.get $datagram) (i32.const 4))) (i32.const 2)) (then (unreachable)))
        (if (i32.ne (i32.load16_u (i32.load (global.get $datagram))) (i32.load16_u (i32.const 1024))) (then (unreachable)))
        ;; Kind, port and address.
        (if (i32.load8_u (i32.add (global.get $datagram) (i32.const 8))) (then (unreachable)))
        (if (i32.ne (i32.load16_u (i32.add (global.get $datagram) (i32.const 12))) (i32.load16_u (i32.const 528))) (then (unreachable)))
        (if (i32.ne (i32.load (i32.add (global.get $datagram) (i32.const 14))) (i32.load (i32.const 530))) (then (unreachable)))
        (i32.const 0)",
        flat(NOWHERE),
        address.port(),
        u32::from_le_bytes([a, b, c, d])
    );
    command(&start)
}

/// Sends `hi` to `address` by WASI 0.3 from a socket nobody bound, connected or not.
pub(crate) fn sends3(address: SocketAddrV4, connected: bool) -> Vec<u8> {
    let connect = format!("(call $connect (local.get $socket) {} (i32.const 8)) (call $check)", flat(address));
    let (connect, named) = if connected { (connect.as_str(), 0) } else { ("", 1) };
    let module = format!(
        r#"(module $sender
          (import "wasi:sockets/types@0.3.0" "[static]udp-socket.create" (func $create (param i32 i32)))
          (import "wasi:sockets/types@0.3.0" "[method]udp-socket.connect"
            (func $connect (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
          (import "wasi:sockets/types@0.3.0" "[method]udp-socket.send"
            (func $send (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
          (memory (export "memory") 2)
          (data (i32.const 1024) "hi")
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32) (i32.const 65536))
          (func $check (if (i32.load8_u (i32.const 8)) (then (unreachable))))
          (func (export "wasi:cli/run@0.3.0#run") (result i32) (local $socket i32)
            (call $create (i32.const 0) (i32.const 8)) (call $check)
            (local.set $socket (i32.load (i32.const 12)))
            {connect}
            (call $send (local.get $socket) (i32.const 1024) (i32.const 2) (i32.const {named}) {} (i32.const 8)) (call $check)
            (i32.const 0)))"#,
        flat(address)
    );
    encode(include_str!("datagram3.wit"), "datagrams", &module)
}

const NOWHERE: SocketAddrV4 = SocketAddrV4::new(std::net::Ipv4Addr::UNSPECIFIED, 0);

/// An `ip-socket-address` as parameters: its kind, and eleven places since one of IPv6 needs as many.
fn flat(address: SocketAddrV4) -> String {
    let [a, b, c, d] = address.ip().octets();
    let values = [0, address.port(), a.into(), b.into(), c.into(), d.into(), 0, 0, 0, 0, 0, 0];
    values.map(|value| format!("(i32.const {value})")).join(" ")
}

/// A component of WASI 0.2 whose `run` does this. The outgoing datagram is at 512, its address at 524; the one received is where
/// `$datagram` says.
fn command(run: &str) -> Vec<u8> {
    let module = format!(
        r#"(module $datagrams
          (import "wasi:sockets/instance-network@0.2.0" "instance-network" (func $network (result i32)))
          (import "wasi:sockets/udp-create-socket@0.2.0" "create-udp-socket" (func $create (param i32 i32)))
          (import "wasi:sockets/udp@0.2.0" "[method]udp-socket.start-bind"
            (func $start_bind (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
          (import "wasi:sockets/udp@0.2.0" "[method]udp-socket.finish-bind" (func $finish_bind (param i32 i32)))
          (import "wasi:sockets/udp@0.2.0" "[method]udp-socket.stream"
            (func $stream (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32)))
          (import "wasi:sockets/udp@0.2.0" "[method]incoming-datagram-stream.receive" (func $try_receive (param i32 i64 i32)))
          (import "wasi:sockets/udp@0.2.0" "[method]incoming-datagram-stream.subscribe" (func $subscribe (param i32) (result i32)))
          (import "wasi:sockets/udp@0.2.0" "[method]outgoing-datagram-stream.check-send" (func $check_send (param i32 i32)))
          (import "wasi:sockets/udp@0.2.0" "[method]outgoing-datagram-stream.send" (func $try_send (param i32 i32 i32 i32)))
          (import "wasi:io/poll@0.2.0" "[method]pollable.block" (func $block (param i32)))
          (memory (export "memory") 2)
          (data (i32.const 1024) "hi")
          (global $free (mut i32) (i32.const 4096))
          (global $incoming (mut i32) (i32.const 0))
          (global $outgoing (mut i32) (i32.const 0))
          (global $datagram (mut i32) (i32.const 0))
          (func (export "cabi_realloc") (param i32 i32 i32 i32) (result i32)
            (global.set $free (i32.and (i32.add (global.get $free) (i32.const 7)) (i32.const -8)))
            (global.get $free)
            (global.set $free (i32.add (global.get $free) (local.get 3))))
          (func $check (if (i32.load8_u (i32.const 8)) (then (unreachable))))
          (func $open (param i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32 i32) (local $socket i32)
            (call $create (i32.const 0) (i32.const 8)) (call $check)
            (local.set $socket (i32.load (i32.const 12)))
            (call $start_bind (local.get $socket) (call $network)
              (local.get 0) (local.get 1) (local.get 2) (local.get 3) (local.get 4) (local.get 5)
              (local.get 6) (local.get 7) (local.get 8) (local.get 9) (local.get 10) (local.get 11) (i32.const 8)) (call $check)
            (call $finish_bind (local.get $socket) (i32.const 8)) (call $check)
            (call $stream (local.get $socket) (i32.const 0) {} (i32.const 8)) (call $check)
            (global.set $incoming (i32.load (i32.const 12)))
            (global.set $outgoing (i32.load (i32.const 16))))
          (func $receive
            (loop $again
              (call $try_receive (global.get $incoming) (i64.const 1) (i32.const 8)) (call $check)
              (if (i32.eqz (i32.load (i32.const 16))) (then
                (call $block (call $subscribe (global.get $incoming)))
                (br $again))))
            (global.set $datagram (i32.load (i32.const 12))))
          (func $send
            (i32.store8 (i32.const 520) (i32.const 1))
            (call $check_send (global.get $outgoing) (i32.const 8)) (call $check)
            (call $try_send (global.get $outgoing) (i32.const 512) (i32.const 1) (i32.const 8)) (call $check)
            (if (i64.ne (i64.load (i32.const 16)) (i64.const 1)) (then (unreachable))))
          (func (export "wasi:cli/run@0.2.0#run") (result i32) {run}))"#,
        flat(NOWHERE)
    );
    encode(include_str!("socket.wit"), "datagrams", &module)
}
