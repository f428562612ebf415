//! Several `sampan server` of one cluster, on one Postgres.

use std::path::Path;
use std::process::Command;

use sampan_store::testing::{free_port, postgres::PostgresServer};

use crate::client::Client;
use crate::process::Process;
use crate::programs::sampan;

const READY: &str = "Sampan is ready";

/// The servers; each has a data directory and a port of its own, all have the same authority and keys.
pub struct Servers {
    servers: Vec<Server>,
    url: String,
    _database: PostgresServer,
}

struct Server {
    // In this order: what runs ends before its data goes.
    process: Process,
    client: Client,
    directory: tempfile::TempDir,
    port: u16,
}

impl Servers {
    /// Starts so many: the first makes the cluster, the others begin at once.
    pub fn start(count: usize) -> Self {
        let database = PostgresServer::start().expect("a Postgres server can be started");
        let url = database.create_database().expect("a database can be made");
        let mut servers = vec![Server::launch(&url)];
        servers[0].process.wait_for(READY, 60);
        let first = servers[0].directory.path().join("data/pki");
        // An operator copies the authority and the keys.
        servers.extend((1..count).map(|_| Server::prepare(&url, &first)));
        servers.iter_mut().for_each(|server| server.process.wait_for(READY, 60));
        Self { servers, url, _database: database }
    }

    /// Who speaks to one of them.
    pub fn client(&self, number: usize) -> &Client {
        &self.servers[number].client
    }

    /// Runs a command made from the kubeconfig of one of them and a name, which is also that of its output.
    pub fn run(&self, number: usize, name: &str, make: impl Fn(&str, &str) -> Command) -> Process {
        let server = &self.servers[number];
        let kubeconfig = server.client.data().join("kubeconfig").display().to_string();
        let mut command = make(&kubeconfig, name);
        Process::start(command.env("HOME", server.directory.path()), &server.directory.path().join(name))
    }

    /// Kills one with SIGKILL and starts it again on the same data.
    pub fn kill_and_restart(&mut self, number: usize) {
        let server = &mut self.servers[number];
        server.process.kill();
        server.process = process(server.directory.path(), server.port, &self.url);
        server.process.wait_for(READY, 60);
    }
}

impl Server {
    fn launch(url: &str) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        Self::launch_in(directory, url)
    }

    fn prepare(url: &str, pki: &Path) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let own = directory.path().join("data/pki");
        std::fs::create_dir_all(&own).expect("a test's own directory can be written");
        for name in ["ca.crt", "ca.key", "service-account.key", "encryption.yaml"] {
            std::fs::copy(pki.join(name), own.join(name)).expect("the first server has made it");
        }
        Self::launch_in(directory, url)
    }

    fn launch_in(directory: tempfile::TempDir, url: &str) -> Self {
        let port = free_port();
        let process = process(directory.path(), port, url);
        Self { process, client: Client::new(directory.path()), directory, port }
    }
}

fn process(directory: &Path, port: u16, url: &str) -> Process {
    let mut command = Command::new(sampan());
    command.args(["server", "--registry-port", "0", "--api-port", &port.to_string(), "--store", url, "--data-dir"]);
    command.arg(directory.join("data"));
    Process::start(command.env("SAMPAN_LOG", "info"), &directory.join("server"))
}
