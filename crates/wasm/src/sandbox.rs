//! The sandbox process: runs the pods of one namespace (or one pod, or a node) and nothing else.
//!
//! It is started by the agent with its listening socket as standard input, makes itself a session of its own, and lives on when the
//! agent dies. It ends by itself when it has had no pod for a while.

pub(crate) mod buckets;
mod clock;
mod code;
mod command;
mod container;
mod cpu;
pub(crate) mod guest;
mod input;
mod listeners;
pub(crate) mod log;
pub(crate) mod memory;
mod mounts;
mod network;
mod options;
pub(crate) mod outcome;
mod outgoing;
mod pipe;
mod pods;
mod probe;
mod server;
mod service;
mod services;
pub(crate) mod state;
mod streams;
pub(crate) mod ticker;

use std::ffi::OsString;
use std::io;
use std::os::fd::AsFd as _;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Duration;

use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

pub(crate) use outcome::KILLED;

/// Entry of a sandbox process; `args` are those after the leading ones of `sandbox_command`, its standard input is the listening
/// socket. Returns when the process should end.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    match Arguments::parse(args).and_then(|arguments| run(&arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the sandbox cannot run");
            // Standard error is the sandbox's own file; the agent reads it when a sandbox does not come up.
            let _ = io::Write::write_all(&mut io::stderr(), format!("sampan sandbox: {error}\n").as_bytes());
            ExitCode::FAILURE
        }
    }
}

/// What the agent passes.
struct Arguments {
    directory: PathBuf,
    idle: Duration,
}

impl Arguments {
    fn parse(args: impl IntoIterator<Item = OsString>) -> io::Result<Self> {
        let mut args = args.into_iter();
        let (Some(directory), Some(idle), None) = (args.next(), args.next(), args.next()) else {
            return Err(io::Error::other(
                "usage: sandbox DIRECTORY IDLE-MILLISECONDS, with the listening socket as standard input",
            ));
        };
        let idle = idle.to_str().and_then(|text| text.parse().ok()).map(Duration::from_millis);
        Ok(Arguments {
            directory: directory.into(),
            idle: idle.ok_or_else(|| io::Error::other("IDLE-MILLISECONDS is not a number"))?,
        })
    }
}

fn run(arguments: &Arguments) -> io::Result<()> {
    // The agent's terminal and its signals are not ours. Fails only when this is a session leader already.
    let _ = rustix::process::setsid();
    raise_open_files();
    let socket = io::stdin().as_fd().try_clone_to_owned()?;
    let cpus = std::thread::available_parallelism().map_or(1, usize::from);
    let runtime = tokio::runtime::Builder::new_multi_thread()
        // One more than guests may use at a time, so that a guest that waits for its turn is asked at once.
        .worker_threads(cpus + 1)
        .thread_name("sandbox")
        .enable_all()
        .build()?;
    let result = runtime.block_on(serve(socket.into(), arguments, cpus));
    // Guests that still run, and file operations that hang, do not keep the process.
    runtime.shutdown_background();
    result
}

async fn serve(listener: std::os::unix::net::UnixListener, arguments: &Arguments, cpus: usize) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let listener = UnixListener::from_std(listener)?;
    let clients = crate::process::bind_streams(&arguments.directory)?;
    clients.set_nonblocking(true)?;
    let clients = UnixListener::from_std(clients)?;
    let ticker = ticker::Ticker::start()?;
    let codes = code::Codes::new(ticker.clone());
    let pods = pods::Pods::new(codes, cpu::Cpus::new(cpus, ticker), arguments.directory.clone());
    let shutdown = CancellationToken::new();
    let count = pods.count();
    tokio::select! {
        () = server::serve(listener, pods.clone(), shutdown) => {}
        () = streams::serve(clients, pods) => {}
        () = idle(count, arguments.idle) => {}
    }
    Ok(())
}

/// Returns once there was no pod for so long.
async fn idle(mut count: watch::Receiver<usize>, patience: Duration) {
    loop {
        let empty = *count.borrow_and_update() == 0;
        let changed = count.changed();
        if !empty {
            if changed.await.is_err() {
                return;
            }
        } else if tokio::time::timeout(patience, changed).await.is_err() {
            return;
        }
    }
}

/// Thousands of services are thousands of sockets.
fn raise_open_files() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let maximum = getrlimit(Resource::Nofile).maximum;
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
