//! Commands of WASI 0.1 and components, written as text.

/// A core module: WASI 0.1 imports, two helpers, `data` at 1024, and what `_start` does.
fn command(data: &str, start: &str) -> Vec<u8> {
    let data: String = data.bytes().map(|byte| format!("\\{byte:02x}")).collect();
    let text = format!(
        r#"(module $guest
          (import "wasi_snapshot_preview1" "proc_exit" (func $exit (param i32)))
          (import "wasi_snapshot_preview1" "fd_write" (func $fd_write (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "poll_oneoff" (func $poll (param i32 i32 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "path_open" (func $open (param i32 i32 i32 i32 i32 i64 i64 i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "args_sizes_get" (func $args_sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "args_get" (func $args (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_sizes_get" (func $environ_sizes (param i32 i32) (result i32)))
          (import "wasi_snapshot_preview1" "environ_get" (func $environ (param i32 i32) (result i32)))
          (memory (export "memory") 16)
          (data (i32.const 1024) "{data}")
          (func $print (param $fd i32) (param $at i32) (param $length i32)
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
              (call $print (i32.const 1) (i32.load (local.get $list)) (call $length (i32.load (local.get $list))))
              (i32.store8 (i32.const 16) (i32.const 10))
              (call $print (i32.const 1) (i32.const 16) (i32.const 1))
              (local.set $list (i32.add (local.get $list) (i32.const 4)))
              (local.set $count (i32.sub (local.get $count) (i32.const 1)))
              (br $again)))
          (func $boom (unreachable))
          (func $endless (call $endless) (call $boom))
          (func (export "_start") {start}))"#
    );
    wat::parse_str(text).unwrap()
}

pub(crate) fn exits(code: i32) -> Vec<u8> {
    command("", &format!("(call $exit (i32.const {code}))"))
}

pub(crate) fn prints(stdout: &[&str], stderr: &[&str]) -> Vec<u8> {
    let text = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let (out, err) = (text(stdout), text(stderr));
    let print = format!(
        "(call $print (i32.const 1) (i32.const 1024) (i32.const {})) (call $print (i32.const 2) (i32.const {}) (i32.const {}))",
        out.len(),
        1024 + out.len(),
        err.len()
    );
    command(&format!("{out}{err}"), &print)
}

/// Prints the same line for ever.
pub(crate) fn floods() -> Vec<u8> {
    command(
        &"flood\n".repeat(100),
        "(loop $again (call $print (i32.const 1) (i32.const 1024) (i32.const 600)) (br $again))",
    )
}

/// Waits an hour on the clock.
pub(crate) fn sleeps() -> Vec<u8> {
    let subscription =
        "(i32.store (i32.const 528) (i32.const 1)) (i64.store (i32.const 536) (i64.const 3600000000000))";
    command(
        "",
        &format!("{subscription} (drop (call $poll (i32.const 512) (i32.const 600) (i32.const 1) (i32.const 700)))"),
    )
}

pub(crate) fn traps() -> Vec<u8> {
    command("", "(call $boom)")
}

pub(crate) fn overflows() -> Vec<u8> {
    command("", "(call $endless)")
}

pub(crate) fn spins() -> Vec<u8> {
    command("", "(loop $again (br $again))")
}

/// Grows its memory and writes to all of it; a refusal is a trap, as in every language's allocator.
pub(crate) fn allocates(bytes: u64) -> Vec<u8> {
    let pages = bytes.div_ceil(65536);
    let grow = format!("(if (i32.eq (memory.grow (i32.const {pages})) (i32.const -1)) (then (call $boom)))");
    let fill = format!("(memory.fill (i32.const 1048576) (i32.const 1) (i32.const {bytes}))");
    command("", &format!("{grow} {fill}"))
}

/// Opens its first mount again and again; an error is its exit code.
pub(crate) fn opens_files() -> Vec<u8> {
    let open = "(call $open (i32.const 3) (i32.const 0) (i32.const 1024) (i32.const 1) (i32.const 2) (i64.const 0) (i64.const 0) (i32.const 0)
        (i32.const 8))";
    command(
        ".",
        &format!(
            "(local $error i32) (loop $again (br_if $again (i32.eqz (local.tee $error {open})))) (call $exit (local.get $error))"
        ),
    )
}

/// Prints its arguments after the first, then its environment.
pub(crate) fn echoes() -> Vec<u8> {
    let args =
        "(drop (call $args_sizes (i32.const 32) (i32.const 36))) (drop (call $args (i32.const 4096) (i32.const 8192)))
        (call $print_strings (i32.const 4100) (i32.sub (i32.load (i32.const 32)) (i32.const 1)))";
    let environ = "(drop (call $environ_sizes (i32.const 32) (i32.const 36))) (drop (call $environ (i32.const 16384) (i32.const 32768)))
        (call $print_strings (i32.const 16384) (i32.load (i32.const 32)))";
    command("", &format!("{args} {environ}"))
}

/// A component in order but for an import.
pub(crate) fn imports_what_nobody_offers() -> Vec<u8> {
    let text = r#"(component
        (import "wasi:nn/graph@0.2.0" (instance))
        (core module $m (func (export "run") (result i32) (i32.const 0)))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $exports (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $exports)))"#;
    wat::parse_str(text).unwrap()
}

/// A component whose `wasi:cli/run` returns success or failure.
pub(crate) fn returns(ok: bool) -> Vec<u8> {
    let text = format!(
        r#"(component
        (core module $m (func (export "run") (result i32) (i32.const {})))
        (core instance $i (instantiate $m))
        (func $run (result (result)) (canon lift (core func $i "run")))
        (instance $exports (export "run" (func $run)))
        (export "wasi:cli/run@0.2.0" (instance $exports)))"#,
        i32::from(!ok)
    );
    wat::parse_str(text).unwrap()
}

/// A component that waits, and says by `sampan:pod/probe` that it lives but is not ready.
pub(crate) fn probed() -> Vec<u8> {
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
    wat::parse_str(text).unwrap()
}

/// A component whose `wasi:cli/run` of WASI 0.3 returns success or failure.
pub(crate) fn returns3(ok: bool) -> Vec<u8> {
    let text = format!(
        r#"(component
        (core module $m (func (export "run") (result i32) (i32.const {})))
        (core instance $i (instantiate $m))
        (func $run async (result (result)) (canon lift (core func $i "run")))
        (instance $exports (export "run" (func $run)))
        (export "wasi:cli/run@0.3.0" (instance $exports)))"#,
        i32::from(!ok)
    );
    wat::parse_str(text).unwrap()
}
