//! `sampan`: the one binary. It alone reads flags and the environment, and it alone names concrete parts; everything else is given what
//! it needs.

mod addresses;
mod arguments;
mod layout;
mod outside;
mod version;

mod agent;
mod backup;
mod certificates;
mod cluster;
mod containers;
mod demo;
mod doctor;
mod join;
mod node;
mod oci;
mod parts;
mod push;
mod run;
mod server;
mod simulate;
mod token;
mod up;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

/// A third of what a busy server did was glibc's malloc.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    match Arguments::parse() {
        // The children of the agent: no logging set-up, no runtime of ours.
        Arguments { command: Command::Sandbox(rest), .. } => sampan_wasm::sandbox::main(rest.arguments),
        Arguments { command: Command::Compile(rest), .. } => sampan_wasm::compile::main(rest.arguments),
        Arguments { command, log } => lead(command, &log),
    }
}

fn lead(command: Command, log: &str) -> ExitCode {
    let done = start_logging(log).and_then(|()| {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
        let done = runtime.block_on(dispatch(command));
        // What still runs (copying connections, a slow disk) is not waited for: whatever must be durable already is.
        runtime.shutdown_background();
        done
    });
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&error);
            ExitCode::FAILURE
        }
    }
}

async fn dispatch(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(options) => up::run(*options).await,
        Command::Server(options) => server::run(*options).await,
        Command::Agent(options) => agent::run(options).await,
        Command::Run(options) => run::run(options).await,
        Command::Push(options) => push::run(options).await,
        Command::Doctor(options) => doctor::run(options).await,
        Command::Simulate(options) => simulate::run(options).await,
        Command::Token { command } => token::run(command).await,
        Command::Backup(options) => backup::run(options).await,
        Command::Restore(options) => backup::restore(options).await,
        Command::Secrets { command: arguments::Secrets::Rotate { data } } => {
            server::encryption::rotate(&layout::Layout::create(&data.data_dir)?, &outside::Outside::real())
        }
        Command::Sandbox(_) | Command::Compile(_) => anyhow::bail!("children are started before any runtime"),
    }
}

fn start_logging(filter: &str) -> anyhow::Result<()> {
    use anyhow::Context;
    let filter =
        tracing_subscriber::EnvFilter::try_new(filter).with_context(|| format!("--log {filter:?} is no filter"))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    Ok(())
}

/// `error: what happened: why`, then what to do when the error says so after a semicolon or as a hint of its own.
#[expect(clippy::print_stderr, reason = "this is the command line's own voice")]
fn complain(error: &anyhow::Error) {
    eprintln!("error: {error:#}");
    if let Some(hint) = error.chain().find_map(|cause| cause.downcast_ref::<parts::Hint>()) {
        eprintln!("hint: {}", hint.0);
    }
}
