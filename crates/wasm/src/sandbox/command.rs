//! Running a `wasi:cli` command to its end.

use sampan_runtime::Exit;
use wasmtime_wasi::{p2, p3};

use super::code::{Code, Failed, Instantiated, Placement};
use super::container::Container;
use super::guest::Guest;
use super::outcome;
use crate::artifact::Entry;

/// Runs the container's command; the future may be dropped at any time, which kills it.
pub(crate) async fn run(container: &Container) -> Exit {
    run_code(&container.code, container.create.artifact.entry, || container.guest()).await
}

/// Runs any command to its end, likewise.
pub(crate) async fn run_code(code: &Code, entry: Entry, guest: impl Fn() -> wasmtime::Result<Guest>) -> Exit {
    if entry == Entry::Command1 {
        return run_module(code, guest).await;
    }
    let instantiated = match code.instantiate(Placement::OnDemand, guest).await {
        Ok(instantiated) => instantiated,
        Err(failed) => return not_started(&failed),
    };
    let Instantiated { mut store, instance } = instantiated;
    let result = match entry {
        Entry::Command3 => match p3::bindings::Command::new(&mut store, &instance) {
            Ok(command) => {
                let run = store.run_concurrent(async |accessor| command.wasi_cli_run().call_run(accessor).await);
                run.await.and_then(std::convert::identity)
            }
            Err(error) => Err(error),
        },
        _ => match p2::bindings::Command::new(&mut store, &instance) {
            Ok(command) => command.wasi_cli_run().call_run(&mut store).await,
            Err(error) => Err(error),
        },
    };
    outcome::of_run(result, &store.data().memory)
}

/// A core module runs from `_start` to its return, which is success.
async fn run_module(code: &Code, guest: impl Fn() -> wasmtime::Result<Guest>) -> Exit {
    match code.instantiate_module(guest).await {
        Ok((mut store, start)) => {
            let result = start.call_async(&mut store, ()).await.map(Ok);
            outcome::of_run(result, &store.data().memory)
        }
        Err(failed) => not_started(&failed),
    }
}

fn not_started(failed: &Failed) -> Exit {
    failed.denied.map_or_else(|| outcome::not_started(outcome::describe(&failed.error)), outcome::out_of_memory)
}

/// Runs it under its share of the CPUs until it ends, is killed, or was asked to end and its grace is over. WASI has no signals, so
/// being asked shows itself to the guest in nothing: the grace is time to finish.
pub(crate) async fn supervise(container: &Container) -> Exit {
    tokio::select! {
        biased;
        exit = container.share.run(run(container)) => exit,
        () = container.killed.cancelled() => outcome::killed(if container.stopping.is_cancelled() {
            "killed after its grace period"
        } else {
            "killed"
        }),
    }
}
