//! How a run ended, in the words of a container status.

use sampan_runtime::{Exit, ExitReason};
use wasmtime::{Trap, WasmBacktrace};
use wasmtime_wasi::I32Exit;

use super::memory::{Denied, Memory};

/// Exit code of a process ended by SIGKILL: what a kill and running out of memory look like everywhere.
pub(crate) const KILLED: i32 = 137;

/// Exit code of a process ended by SIGABRT: a trap.
const TRAPPED: i32 = 134;

/// Exit code of a container that could not be started, as containerd reports it.
const NOT_STARTED: i32 = 128;

/// Frames of a trap that are told.
const FRAMES: usize = 8;

/// The end of a command: what `wasi:cli/run` returned, or why it did not return.
pub(crate) fn of_run(result: wasmtime::Result<Result<(), ()>>, memory: &Memory) -> Exit {
    match result {
        Ok(Ok(())) => exited(0),
        Ok(Err(())) => exited(1),
        Err(error) => of_error(&error, memory.denied()),
    }
}

fn of_error(error: &wasmtime::Error, denied: Option<Denied>) -> Exit {
    if let Some(I32Exit(code)) = error.downcast_ref() {
        return exited(*code);
    }
    if let Some(denied) = denied {
        return out_of_memory(denied);
    }
    Exit { code: TRAPPED, reason: ExitReason::Error, message: describe(error) }
}

fn exited(code: i32) -> Exit {
    let reason = if code == 0 { ExitReason::Completed } else { ExitReason::Error };
    Exit { code, reason, message: String::new() }
}

/// The memory limit was reached.
pub(crate) fn out_of_memory(denied: Denied) -> Exit {
    let message = format!("wanted {} bytes of memory, over its limit of {}", denied.wanted, denied.limit);
    Exit { code: KILLED, reason: ExitReason::OomKilled, message }
}

/// It was told to end and did not in time.
pub(crate) fn killed(message: &str) -> Exit {
    Exit { code: KILLED, reason: ExitReason::Error, message: message.to_owned() }
}

/// It ended as asked.
pub(crate) fn stopped() -> Exit {
    exited(0)
}

/// It never ran.
pub(crate) fn not_started(message: String) -> Exit {
    Exit { code: NOT_STARTED, reason: ExitReason::StartError, message }
}

/// A trap and where it happened, in one line: `wasm trap: … in f, called by g`.
pub(crate) fn describe(error: &wasmtime::Error) -> String {
    let what = match error.downcast_ref::<Trap>() {
        Some(trap) => format!("wasm trap: {}", trap.to_string().trim_start_matches("wasm trap: ")),
        None => format!("{:#}", error.root_cause()),
    };
    let frames = error.downcast_ref::<WasmBacktrace>().map(functions).unwrap_or_default();
    match frames.split_first() {
        None => what,
        Some((first, [])) => format!("{what} in {first}"),
        Some((first, callers)) => format!("{what} in {first}, called by {}", callers.join(", ")),
    }
}

/// Names of the functions on the stack, innermost first. Only wasmtime's text has them demangled.
fn functions(backtrace: &WasmBacktrace) -> Vec<String> {
    let text = backtrace.to_string();
    let named = text.lines().filter_map(|line| line.split_once(" - ")).map(|(_, function)| function.trim());
    named.take(FRAMES).map(|function| function.rsplit_once('!').map_or(function, |(_, name)| name).to_owned()).collect()
}
