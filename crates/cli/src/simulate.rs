//! `sampan simulate`: a real control plane and nodes that only say that they run pods, to see how much a machine can carry.
//!
//! Store, API, scheduler and controllers are those of `sampan server`, in this process; the API's sockets serve whoever wants to look. The
//! nodes take the part of agents: they register, renew leases, watch for their pods and report statuses. Time is real: what is printed at
//! the end are measurements of this machine.

mod figures;
mod load;
mod node;
mod observer;
mod pod;
mod report;
mod timeline;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser as _;
use sampan_api::request::User;
use tokio::task::JoinSet;
use tokio::time::Instant;

use crate::arguments::{Server as ServerOptions, Simulate};
use crate::outside::Outside;
use crate::parts::Parts;
use crate::server::Server;
use node::{Shape, SimulatedNode};
use observer::{Observer, Outcome};
use report::Report;

/// Nodes that register at the same time.
const REGISTERING: usize = 64;

pub(crate) async fn run(options: Simulate) -> Result<()> {
    let report = tokio::select! {
        biased;
        report = measure(options) => report?,
        interrupted = tokio::signal::ctrl_c() => {
            interrupted.context("failed to listen for Ctrl-C")?;
            bail!("interrupted before all pods ran");
        }
    };
    say(&report.to_string());
    Ok(())
}

/// Runs the load to its end and says how it went.
async fn measure(options: Simulate) -> Result<Report> {
    let directory = Directory::new(&options)?;
    let mut parts = Parts::new();
    let server = Server::start(&server_options(&options, directory.path())?, &mut parts, Outside::real()).await?;
    note(&format!("the control plane is up: KUBECONFIG={}", server.layout.kubeconfig().display()));
    let began = Instant::now();
    let _nodes = start_nodes(&server, &options).await?;
    let registered = began.elapsed();
    note(&format!("{} nodes have registered in {:.1} s", options.nodes, registered.as_secs_f64()));
    let observer = Observer::start(&server.admin(), note);
    let expected = load::prepare(&server.admin(), &options).await?;
    let (cpu, began) = (figures::cpu_time(), Instant::now());
    let sent = load::start(&server.admin(), &options, observer.timeline());
    let patience = Duration::from_secs(options.timeout_seconds);
    let finished = tokio::select! {
        biased;
        why = sent.failed() => bail!("failed to create the load: {why}"),
        outcome = tokio::time::timeout(patience, observer.finished(expected)) => match outcome {
            Ok(Outcome::AllRun) => true,
            Ok(Outcome::WatchLost(why)) => bail!("lost the watch of pods: {why}"),
            Err(_) => false,
        },
    };
    let report = Report {
        nodes: options.nodes,
        registered,
        finished,
        elapsed: began.elapsed(),
        cpu: figures::cpu_time().saturating_sub(cpu),
        peak_memory: figures::peak_memory(),
        timeline: observer.timeline().lock().summary(),
    };
    if !finished {
        note(&format!("gave up after {} s; see --timeout-seconds", options.timeout_seconds));
    }
    Ok(report)
}

/// Where the state of the run lies: gone afterwards, unless a place was given.
enum Directory {
    Given(PathBuf),
    Temporary(tempfile::TempDir),
}

impl Directory {
    fn new(options: &Simulate) -> Result<Self> {
        if let Some(given) = &options.data_dir {
            return Ok(Self::Given(given.clone()));
        }
        let made = tempfile::Builder::new().prefix("sampan-simulate-").tempdir();
        made.map(Self::Temporary).context("failed to make a temporary directory; give one with --data-dir")
    }

    fn path(&self) -> &Path {
        match self {
            Self::Given(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}

/// The flags a server is started with.
#[derive(clap::Parser)]
struct Flags {
    #[command(flatten)]
    server: ServerOptions,
}

fn server_options(options: &Simulate, directory: &Path) -> Result<ServerOptions> {
    let mut flags: Vec<std::ffi::OsString> = vec!["server".into(), "--data-dir".into(), directory.into()];
    flags.extend(["--api-port=0".into(), format!("--store={}", options.store).into()]);
    if let Some(file) = &options.scheduler_config {
        flags.extend(["--scheduler-config".into(), file.into()]);
    }
    if !options.audit_log {
        flags.push("--audit-log-path=".into());
    }
    let Flags { server } = Flags::try_parse_from(flags).context("failed to make the server's flags")?;
    Ok(server)
}

/// Registers all nodes and lets them live until the set is dropped.
async fn start_nodes(server: &Server, options: &Simulate) -> Result<JoinSet<()>> {
    let shape = Arc::new(Shape::new(options)?);
    let (mut registering, mut living) = (JoinSet::new(), JoinSet::new());
    for at in 0..options.nodes {
        let name = format!("node-{at:05}");
        let user = User::new(format!("system:node:{name}"), ["system:nodes"]);
        let (client, outside, shape) = (server.client_as(user), server.outside().clone(), shape.clone());
        registering.spawn(async move { SimulatedNode::register(client, at, name, shape, outside.clock).await });
        if registering.len() >= REGISTERING {
            take(&mut registering, &mut living).await?;
        }
    }
    while !registering.is_empty() {
        take(&mut registering, &mut living).await?;
    }
    Ok(living)
}

async fn take(registering: &mut JoinSet<Result<SimulatedNode>>, living: &mut JoinSet<()>) -> Result<()> {
    if let Some(registered) = registering.join_next().await {
        living.spawn(registered.context("a node's task failed")??.live());
    }
    Ok(())
}

#[expect(clippy::print_stdout, reason = "this is what the user asked for")]
fn say(text: &str) {
    println!("{text}");
}

/// Progress: for whoever watches, not for whoever reads the output.
#[expect(clippy::print_stderr, reason = "this is the command line's own voice")]
fn note(text: &str) {
    eprintln!("{text}");
}

#[cfg(test)]
mod tests;
