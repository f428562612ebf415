//! A cluster of one `sampan up`.

use std::ops::Deref;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use sampan_store::testing::{free_port, postgres::PostgresServer};

use crate::client::Client;
use crate::disk::Disk;
use crate::process::Process;
use crate::programs::sampan;

/// How a cluster differs from the default one.
#[derive(Clone, Default)]
pub struct Options {
    /// `--store`; SQLite when empty.
    pub store: String,
    /// Further arguments of `sampan up`.
    pub arguments: Vec<String>,
    /// Where the data directory lies, if not on the disk that everything is on.
    pub disk: Option<Arc<Disk>>,
}

/// One running cluster. Dropping it ends its processes and deletes its data.
pub struct Cluster {
    // In this order: what runs ends before its data goes.
    process: Process,
    client: Client,
    directory: tempfile::TempDir,
    options: Options,
    port: u16,
}

impl Cluster {
    /// Starts a cluster on SQLite and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts a cluster on a database of its own in the Postgres server that all tests of this process share.
    pub fn start_on_postgres() -> Self {
        let server = PostgresServer::shared().expect("a Postgres server can be started");
        Self::start_on(server)
    }

    /// Starts a cluster on a new database of this server.
    pub fn start_on(server: &PostgresServer) -> Self {
        let store = server.create_database().expect("a database can be made");
        Self::start_with(Options { store, ..Options::default() })
    }

    /// Starts a cluster and waits until it is ready.
    pub fn start_with(options: Options) -> Self {
        Self::start_in(options, |_| ())
    }

    /// The same, after something was put into its data directory, which is not there before.
    pub fn start_in(options: Options, prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let port = free_port();
        prepare(&directory.path().join("data"));
        let process = launch(directory.path(), port, &options);
        let mut client = Client::new(directory.path());
        if let Some(disk) = &options.disk {
            client = client.with_data(disk.outside().join("data"));
        }
        let mut cluster = Self { process, client, directory, options, port };
        cluster.wait_ready();
        cluster
    }

    fn wait_ready(&mut self) {
        self.process.wait_for("Sampan is ready", 60);
    }

    /// Kills the process with SIGKILL, as a power cut would, and starts it again on the same data.
    pub fn crash_and_restart(&mut self) {
        self.process.kill();
        self.restart();
    }

    /// Starts the process again after it ended.
    pub fn restart(&mut self) {
        self.process = launch(self.directory.path(), self.port, &self.options);
        self.wait_ready();
    }

    /// The running `sampan up`.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// The port of its API.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Deref for Cluster {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

fn launch(directory: &Path, port: u16, options: &Options) -> Process {
    let (mut command, data) = match &options.disk {
        Some(disk) => (disk.command(sampan()), disk.inside()),
        None => (Command::new(sampan()), directory.to_owned()),
    };
    command.arg("up").arg("--data-dir").arg(data.join("data")).args(["--api-port", &port.to_string()]);
    command.args(["--registry-port", "0"]).args(["--node-name", "node-1"]).env("SAMPAN_LOG", "info");
    // What the machine has by chance must not make a difference.
    if !options.arguments.iter().any(|argument| argument == "--containerd") {
        command.args(["--containerd", "none"]);
    }
    if !options.store.is_empty() {
        command.args(["--store", &options.store]);
    }
    Process::start(command.args(&options.arguments), &directory.join("output"))
}
