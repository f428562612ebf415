//! Programs for tests: commands of WASI 0.1 and components, written as text, each of which does one thing.
//!
//! One set for all tests that run Wasm: of the runtime by itself and of whole clusters. It depends on nothing that runs them.

pub mod scheduler;

/// What every guest imports and may call: `$print`, `$write`, `$print_strings`, `$sleep`, `$read` and what fails.
const PRELUDE: &str = r#"
  (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
  (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_read" (func $fd_read (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "fd_close" (func $fd_close (param i32) (result i32)))
  (import "wasi_snapshot_preview1" "path_open" (func $path_open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
  (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
  (memory (export "memory") 16)
  (func $print (param $at i32) (param $length i32)
    (call $write (i32.const 1) (local.get $at) (local.get $length)))
  (func $write (param $fd i32) (param $at i32) (param $length i32)
    (loop $again
      (if (i32.eqz (local.get $length)) (then (return)))
      (i32.store (i32.const 0) (local.get $at))
      (i32.store (i32.const 4) (local.get $length))
      (if (call $fd_write (local.get $fd) (i32.const 0) (i32.const 1) (i32.const 8)) (then (unreachable)))
      (local.set $at (i32.add (local.get $at) (i32.load (i32.const 8))))
      (local.set $length (i32.sub (local.get $length) (i32.load (i32.const 8))))
      (br $again)))
  (func $length (param $at i32) (result i32) (local $end i32)
    (local.set $end (local.get $at))
    (loop $again
      (if (i32.load8_u (local.get $end)) (then
        (local.set $end (i32.add (local.get $end) (i32.const 1)))
        (br $again))))
    (i32.sub (local.get $end) (local.get $at)))
  (func $print_strings (param $list i32) (param $count i32)
    (loop $again
      (if (i32.eqz (local.get $count)) (then (return)))
      (call $print (i32.load (local.get $list)) (call $length (i32.load (local.get $list))))
      (i32.store8 (i32.const 16) (i32.const 10))
      (call $print (i32.const 16) (i32.const 1))
      (local.set $list (i32.add (local.get $list) (i32.const 4)))
      (local.set $count (i32.sub (local.get $count) (i32.const 1)))
      (br $again)))
  (func $sleep (param $nanoseconds i64)
    (i32.store (i32.const 528) (i32.const 1))
    (i64.store (i32.const 536) (local.get $nanoseconds))
    (drop (call $poll (i32.const 512) (i32.const 600) (i32.const 1) (i32.const 700))))
  (func $read (param $name_length i32) (result i32)
    ;; The content at 8192 of the file in the first mount whose name is at 1024; its length, or a trap.
    (if (call $path_open (i32.const 3) (i32.const 1) (i32.const 1024) (local.get $name_length)
        (i32.const 0) (i64.const 2) (i64.const 0) (i32.const 0) (i32.const 20)) (then (unreachable)))
    (i32.store (i32.const 24) (i32.const 8192))
    (i32.store (i32.const 28) (i32.const 4096))
    (if (call $fd_read (i32.load (i32.const 20)) (i32.const 24) (i32.const 1) (i32.const 32)) (then (unreachable)))
    (drop (call $fd_close (i32.load (i32.const 20))))
    (i32.load (i32.const 32)))
  (func $boom (unreachable))
  (func $endless (call $endless) (call $boom))
"#;

/// A module with `data` at 1024 that does `start`.
fn guest(data: &str, start: &str) -> Vec<u8> {
    let data: String = data.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let text =
        format!("(module $guest {PRELUDE} (data (i32.const 1024) \"{data}\") (func (export \"_start\") {start}))");
    wat::parse_str(text).expect("the text of a test's guest is right")
}

/// Ends with this code.
pub fn exits(code: i32) -> Vec<u8> {
    guest("", &format!("(call $exit (i32.const {code}))"))
}

/// Prints `text` and ends with this code.
pub fn prints(text: &str, code: i32) -> Vec<u8> {
    guest(text, &format!("(call $print (i32.const 1024) (i32.const {})) (call $exit (i32.const {code}))", text.len()))
}

/// Prints `text` and waits for ever.
pub fn stays(text: &str) -> Vec<u8> {
    let print = format!("(call $print (i32.const 1024) (i32.const {}))", text.len());
    guest(text, &format!("{print} (loop $again (call $sleep (i64.const 3600000000000)) (br $again))"))
}

/// Prints `text`, waits some time and ends with this code.
pub fn lasts(text: &str, milliseconds: u64, code: i32) -> Vec<u8> {
    let print = format!("(call $print (i32.const 1024) (i32.const {}))", text.len());
    guest(text, &format!("{print} (call $sleep (i64.const {milliseconds}000000)) (call $exit (i32.const {code}))"))
}

/// Traps.
pub fn traps() -> Vec<u8> {
    guest("", "(call $boom)")
}

/// Calls itself until the stack is full.
pub fn overflows() -> Vec<u8> {
    guest("", "(call $endless)")
}

/// Counts for ever.
pub fn spins() -> Vec<u8> {
    guest("", "(loop $again (br $again))")
}

/// Takes memory and writes to it until it gets no more, which is a trap as in every language's allocator.
pub fn swells() -> Vec<u8> {
    let grow = "(if (i32.eq (memory.grow (i32.const 16)) (i32.const -1)) (then (call $boom)))";
    let fill = "(memory.fill (i32.mul (i32.sub (memory.size) (i32.const 16)) (i32.const 65536)) (i32.const 1) (i32.const 1048576))";
    guest("", &format!("(loop $again {grow} {fill} (br $again))"))
}

/// Prints its environment.
pub fn environment() -> Vec<u8> {
    let sizes = "(drop (call $environ_sizes (i32.const 32) (i32.const 36))) (drop (call $environ (i32.const 16384) (i32.const 32768)))";
    guest("", &format!("{sizes} (call $print_strings (i32.const 16384) (i32.load (i32.const 32)))"))
}

/// Prints the file of this name in its first mount.
pub fn cats(name: &str) -> Vec<u8> {
    guest(name, &format!("(call $print (i32.const 8192) (call $read (i32.const {})))", name.len()))
}

/// Waits until the file of this name in its first mount begins with this letter, then prints it.
pub fn awaits(name: &str, letter: u8) -> Vec<u8> {
    let read = format!("(local $length i32) (loop $again (local.set $length (call $read (i32.const {})))", name.len());
    let differs = format!("(if (i32.ne (i32.load8_u (i32.const 8192)) (i32.const {letter}))");
    let again = "(then (call $sleep (i64.const 50000000)) (br $again))))";
    guest(name, &format!("{read} {differs} {again} (call $print (i32.const 8192) (local.get $length))"))
}

/// A component in order but for an import.
pub fn imports_what_nobody_offers() -> Vec<u8> {
    component("(import \"wasi:nn/graph@0.2.0\" (instance))", 0)
}

/// A component whose `wasi:cli/run` returns success or failure.
pub fn returns(ok: bool) -> Vec<u8> {
    component("", i32::from(!ok))
}

/// Prints lines on either stream.
pub fn prints_both(stdout: &[&str], stderr: &[&str]) -> Vec<u8> {
    let text = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let (out, err) = (text(stdout), text(stderr));
    let print = format!(
        "(call $write (i32.const 1) (i32.const 1024) (i32.const {})) (call $write (i32.const 2) (i32.const {}) (i32.const {}))",
        out.len(),
        1024 + out.len(),
        err.len()
    );
    guest(&format!("{out}{err}"), &print)
}

/// Prints the same line for ever.
pub fn floods() -> Vec<u8> {
    guest(&"flood\n".repeat(100), "(loop $again (call $print (i32.const 1024) (i32.const 600)) (br $again))")
}

/// Grows its memory and writes to all of it; a refusal is a trap, as in every language's allocator.
pub fn allocates(bytes: u64) -> Vec<u8> {
    let pages = bytes.div_ceil(65536);
    let grow = format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (call $boom)))");
    let fill = format!("(memory.fill (i32.const 1048576) (i32.const 1) (i32.const {bytes}))");
    guest("", &format!("{grow} {fill}"))
}

/// Opens its first mount again and again; an error is its exit code.
pub fn opens_files() -> Vec<u8> {
    let open = "(call $path_open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 2) (i64.const 0) (i64.const 0) (i32.const 0)
        (i32.const 8))";
    guest(
        ".",
        &format!(
            "(local $error i32) (loop $again (br_if $again (i32.eqz (local.tee $error {open})))) (call $exit (local.get $error))"
        ),
    )
}

/// Prints its arguments after the first, then its environment.
pub fn echoes() -> Vec<u8> {
    let args =
        "(drop (call $args_sizes (i32.const 32) (i32.const 36))) (drop (call $args (i32.const 4096) (i32.const 8192)))
        (call $print_strings (i32.const 4100) (i32.sub (i32.load (i32.const 32)) (i32.const 1)))";
    let environ = "(drop (call $environ_sizes (i32.const 32) (i32.const 36))) (drop (call $environ (i32.const 16384) (i32.const 32768)))
        (call $print_strings (i32.const 16384) (i32.load (i32.const 32)))";
    guest("", &format!("{args} {environ}"))
}

/// A component that waits, and says by `sampan:pod/probe` that it lives but is not ready.
pub fn probed() -> Vec<u8> {
    let text = r#"(component
        (core module $m
          (func (export "run") (result i32) (loop $again (br $again)) (i32.const 0))
          (func (export "live") (result i32) (i32.const 1))
          (func (export "ready") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (func $live (result bool) (canon lift (core func $i "live")))
        (func $ready (result bool) (canon lift (core func $i "ready")))
        (instance $exports (export "run" (func $run)))
        (instance $probe (export "live" (func $live)) (export "ready" (func $ready)))
        (export "wasi:cli/run@0.2.0" (instance $exports))
        (export "sampan:pod/probe@0.1.0" (instance $probe)))"#;
    wat::parse_str(text).expect("the text of a test's component is right")
}

/// A component whose `wasi:cli/run` of WASI 0.3 returns success or failure.
pub fn returns3(ok: bool) -> Vec<u8> {
    let text = format!(
        r#"(component
        (core module $m (func (export "run") (result i32) (i32.const {})))
        (core instance $i (instantiate $m))
        (func $run async (result (result)) (canon lift (core func $i "run")))
        (instance $exports (export "run" (func $run)))
        (export "wasi:cli/run@0.3.0" (instance $exports)))"#,
        i32::from(!ok)
    );
    wat::parse_str(text).expect("the text of a test's component is right")
}

/// A component with this import whose run returns this: 0 is success.
fn component(import: &str, result: i32) -> Vec<u8> {
    let text = format!(
        r#"(component {import}
        (core module $m (func (export "run") (result i32) (i32.const {result})))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $exports (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $exports)))"#
    );
    wat::parse_str(text).expect("the text of a test's component is right")
}
