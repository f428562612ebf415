//! One container: what it was made of, what it shares among its instances, and its state.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use parking_lot::Mutex;
use sampan_runtime::{ContainerState, ContainerStats, ContainerStatus, Exit, SandboxConfig};
use tokio::io::DuplexStream;
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;
use wasmtime_wasi::{FsPerms, WasiCtxBuilder};

use super::code::Code;
use super::cpu::Share;
use super::guest::Guest;
use super::input::Input;
use super::log::{Log, Output, Sink, Stream};
use super::memory::{Budget, Memory};
use super::mounts::Preopen;
use super::network::PodAddress;
use super::pipe::Pipe;
use super::services::{self, Services};
use super::{clock, options::Options};
use crate::artifact::Entry;
use crate::protocol::{Create, Failure};

/// A container and all it shares among its instances.
pub(crate) struct Container {
    pub(crate) create: Create,
    pub(crate) code: Arc<Code>,
    pub(crate) pod: PodAddress,
    pub(crate) options: Options,
    pub(crate) log: Arc<Log>,
    pub(crate) budget: Arc<Budget>,
    pub(crate) share: Arc<Share>,
    /// Cancelled to ask it to end.
    pub(crate) stopping: CancellationToken,
    /// Cancelled to end it at once.
    pub(crate) killed: CancellationToken,
    services: Arc<Services>,
    args: Vec<String>,
    preopens: Vec<Preopen>,
    /// What its guest reads, and the end for clients while none has it; without, its input is at its end from the beginning.
    input: Option<Input>,
    stdin: Mutex<Option<DuplexStream>>,
    state: Mutex<ContainerState>,
    ended: Notify,
    directory: PathBuf,
}

/// What a container is made of, beside its configuration.
pub(crate) struct Parts {
    pub(crate) code: Arc<Code>,
    pub(crate) share: Arc<Share>,
    /// For files of its own; removed with it.
    pub(crate) directory: PathBuf,
}

impl Container {
    pub(crate) fn new(sandbox: &SandboxConfig, create: Create, parts: Parts) -> Result<Self, Failure> {
        let config = &create.config;
        let Parts { code, share, directory } = parts;
        let network = sandbox.network.as_ref().ok_or_else(|| Failure::Invalid("the pod has no network".to_owned()))?;
        let pod = PodAddress::new(network);
        let preopens =
            super::mounts::prepare(&config.mounts, &directory).map_err(|message| invalid(&config.name, &message))?;
        let interactive = &config.interactive;
        let asked = interactive.stdin && !create.artifact.entry.serves();
        let (input, stdin) = asked.then(|| Input::new(interactive.tty)).unzip();
        let log = Log::new(config.log.clone());
        let budget = Budget::new(config.resources.memory_limit_bytes);
        let buckets = services::bucket_directory(&sandbox.annotations, &preopens);
        let imports = |package: &str| create.artifact.imports.iter().any(|import| import.starts_with(package));
        // A pod's other containers need not have the volume.
        let buckets = if imports("wasi:keyvalue/") { buckets } else { Ok(None) };
        let buckets = buckets.map_err(|message| invalid(&config.name, &message))?;
        Ok(Container {
            code,
            pod,
            options: Options::new(&sandbox.annotations, create.artifact.entry)
                .map_err(|message| invalid(&config.name, &message))?,
            services: Services::new(environment(sandbox, &config.env), buckets, &budget, &log),
            log,
            budget,
            share,
            stopping: CancellationToken::new(),
            killed: CancellationToken::new(),
            args: arguments(&create),
            preopens,
            input,
            stdin: Mutex::new(stdin),
            state: Mutex::new(ContainerState::Created),
            ended: Notify::new(),
            directory,
            create,
        })
    }

    /// A fresh instance's data. Fails when a mount has gone.
    pub(crate) fn guest(&self) -> wasmtime::Result<Guest> {
        let tty = self.create.config.interactive.tty;
        let mut wasi = self.wasi(&self.args, self.log.clone(), tty)?;
        if let Some(input) = &self.input {
            wasi.stdin(input.clone());
        }
        Ok(self.guest_of(self.create.artifact.entry, wasi))
    }

    /// The data of a command that runs beside the container: what it prints goes into the pipe.
    pub(crate) fn command(
        &self,
        entry: Entry,
        args: &[String],
        input: &Input,
        pipe: &Arc<Pipe>,
        terminal: bool,
    ) -> wasmtime::Result<Guest> {
        let mut wasi = self.wasi(args, pipe.clone(), terminal)?;
        wasi.stdin(input.clone());
        Ok(self.guest_of(entry, wasi))
    }

    fn guest_of(&self, entry: Entry, wasi: WasiCtxBuilder) -> Guest {
        let make = if entry == Entry::Command1 { Guest::module } else { Guest::component };
        make(wasi, self.pod, Memory::new(self.budget.clone()), self.services.clone())
    }

    fn wasi(&self, args: &[String], sink: Arc<dyn Sink>, terminal: bool) -> wasmtime::Result<WasiCtxBuilder> {
        let mut wasi = WasiCtxBuilder::new();
        wasi.args(args).envs(&self.services.settings);
        wasi.stdout(Output::new(sink.clone(), Stream::Stdout, terminal));
        wasi.stderr(Output::new(sink, Stream::Stderr, terminal));
        if !self.create.config.working_dir.is_empty() {
            wasi.initial_cwd(&self.create.config.working_dir);
        }
        for preopen in &self.preopens {
            let permissions = if preopen.read_only { FsPerms::ReadOnly } else { FsPerms::ReadWrite };
            wasi.preopened_dir(&preopen.source, &preopen.target, permissions).map_err(|error| {
                error.context(format!("failed to open {} for mounting at {}", preopen.source.display(), preopen.target))
            })?;
        }
        let pod = self.pod;
        wasi.allow_tcp(true).allow_udp(true).allow_ip_name_lookup(true);
        wasi.socket_addr_check(move |address, usage| Box::pin(std::future::ready(pod.allows(address, usage))));
        Ok(wasi)
    }

    pub(crate) fn status(&self) -> ContainerStatus {
        let config = &self.create.config;
        ContainerStatus {
            id: config.id.clone(),
            sandbox: config.sandbox.clone(),
            name: config.name.clone(),
            attempt: config.attempt,
            image: self.create.digest.clone(),
            state: self.state.lock().clone(),
            log_path: config.log.path.clone(),
            known_as: String::new(),
        }
    }

    pub(crate) fn stats(&self) -> ContainerStats {
        ContainerStats { cpu_usage: self.share.used(), memory_bytes: self.budget.used() }
    }

    /// From created to running; false when it was started before.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.state.lock();
        let created = matches!(*state, ContainerState::Created);
        if created {
            *state = ContainerState::Running { started_at: clock::nanoseconds() };
        }
        created
    }

    /// To ended, once its log is written.
    pub(crate) async fn end(&self, exit: Exit) {
        if !exit.message.is_empty() {
            self.log.note(&format!("sampan: {}", exit.message));
        }
        self.log.finish().await;
        let mut state = self.state.lock();
        let now = clock::nanoseconds();
        let started_at = if let ContainerState::Running { started_at } = *state { started_at } else { now };
        *state = ContainerState::Exited { started_at, finished_at: now, exit };
    }

    /// Wakes those who wait for the end; called after the change was told.
    pub(crate) fn announce_end(&self) {
        self.ended.notify_waiters();
    }

    pub(crate) fn running(&self) -> bool {
        matches!(*self.state.lock(), ContainerState::Running { .. })
    }

    /// Returns once it does not run.
    pub(crate) async fn wait(&self) {
        loop {
            let ended = self.ended.notified();
            let mut ended = std::pin::pin!(ended);
            ended.as_mut().enable();
            if !self.running() {
                return;
            }
            ended.await;
        }
    }

    /// Returns once it does not run or is to end at once.
    pub(crate) async fn over(&self) {
        tokio::select! {
            biased;
            () = self.killed.cancelled() => {}
            () = self.wait() => {}
        }
    }

    /// The end of its standard input that a client fills; `None` when it has none or another client has it.
    pub(crate) fn take_stdin(&self) -> Option<DuplexStream> {
        self.stdin.lock().take()
    }

    /// For the next client.
    pub(crate) fn return_stdin(&self, stdin: Option<DuplexStream>) {
        if stdin.is_some() {
            *self.stdin.lock() = stdin;
        }
    }

    /// The innermost mount an absolute path lies in: its directory on the node, and the rest of the path.
    pub(crate) fn mounted(&self, path: &Path) -> Option<(PathBuf, PathBuf)> {
        let (preopen, rest) = super::mounts::innermost(&self.preopens, path)?;
        Some((preopen.source.clone(), rest.to_owned()))
    }

    /// A line about it for `ps`.
    pub(crate) fn line(&self) -> String {
        let (config, ContainerStats { cpu_usage, memory_bytes }) = (&self.create.config, self.stats());
        let state = if self.running() { "running" } else { "ended" };
        let (seconds, kilobytes) = (cpu_usage.as_secs_f64(), memory_bytes / 1024);
        format!("{:<20} {state:<8} {seconds:>9.2}s {kilobytes:>8}K {}", config.name, self.args.join(" "))
    }

    /// Removes its own files, not its log.
    pub(crate) fn remove_files(&self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn invalid(name: &str, message: &str) -> Failure {
    Failure::Invalid(format!("container {name}: {message}"))
}

/// The program's name comes first, as everywhere; an artifact without a command is called by its container's name.
fn arguments(create: &Create) -> Vec<String> {
    let config = &create.config;
    let mut args = config.command.clone();
    if args.is_empty() {
        args.push(config.name.clone());
    }
    args.extend(config.args.iter().cloned());
    args
}

/// The pod's hostname goes into `HOSTNAME`, as container runtimes do; WASI has no other way to tell it.
fn environment(sandbox: &SandboxConfig, env: &[(String, String)]) -> Vec<(String, String)> {
    let mut env = env.to_vec();
    if !sandbox.hostname.is_empty() && !env.iter().any(|(name, _)| name == "HOSTNAME") {
        env.insert(0, ("HOSTNAME".to_owned(), sandbox.hostname.clone()));
    }
    env
}
