//! A cluster of `sampan server` and one `sampan agent`, as separate processes.

use std::ops::Deref;
use std::path::{Path, PathBuf};
use std::process::Command;

use sampan_store::testing::free_port;

use crate::client::Client;
use crate::process::Process;
use crate::programs::{Output, run, sampan};

const READY: &str = "Sampan is ready";

/// A running server with one node `node-1` that joined it by a token.
pub struct Split {
    agent: Process,
    server: Process,
    client: Client,
    directory: tempfile::TempDir,
    port: u16,
    token: String,
}

impl Split {
    /// Starts both and waits until the node is Ready.
    pub fn start() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let (client, port) = (Client::new(directory.path()), free_port());
        let server = server(directory.path(), port);
        let token = client.sampan(&["token", "create", "--ttl", "10m"]).ok().trim().to_owned();
        let mut agent = agent(directory.path(), port, Some(&token));
        agent.wait_for(READY, 60);
        let split = Self { agent, server, client, directory, port, token };
        split.kubectl("wait node/node-1 --for=condition=Ready --timeout=60s").ok();
        split
    }

    /// The token the node joined with.
    pub fn token(&self) -> &str {
        &self.token
    }

    /// The running `sampan server`.
    pub fn server(&mut self) -> &mut Process {
        &mut self.server
    }

    /// The running `sampan agent`.
    pub fn agent(&mut self) -> &mut Process {
        &mut self.agent
    }

    /// The data directory of the node.
    pub fn agent_data(&self) -> PathBuf {
        self.directory.path().join("agent-data")
    }

    /// Tries to join another node, which is expected to end.
    pub fn join(&self, name: &str, token: &str) -> Output {
        let mut command = Command::new(sampan());
        command.args([
            "agent",
            "--node-name",
            name,
            "--server",
            &format!("https://127.0.0.1:{}", self.port),
            "--data-dir",
        ]);
        run(command.arg(self.directory.path().join(name)).env("SAMPAN_TOKEN", token))
    }

    /// Starts the server again on the same data.
    pub fn restart_server(&mut self) {
        self.server = server(self.directory.path(), self.port);
    }

    /// Starts the agent again on the same data, without a token.
    pub fn restart_agent(&mut self) {
        self.agent = agent(self.directory.path(), self.port, None);
        self.agent.wait_for(READY, 60);
    }
}

impl Deref for Split {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.client
    }
}

fn server(directory: &Path, port: u16) -> Process {
    let mut command = Command::new(sampan());
    command
        .args(["server", "--registry-port", "0", "--api-port", &port.to_string(), "--data-dir"])
        .arg(directory.join("data"));
    let mut process = Process::start(command.env("SAMPAN_LOG", "info"), &directory.join("server"));
    process.wait_for(READY, 60);
    process
}

fn agent(directory: &Path, port: u16, token: Option<&str>) -> Process {
    let mut command = Command::new(sampan());
    command.args(["agent", "--node-name", "node-1", "--server", &format!("https://127.0.0.1:{port}"), "--data-dir"]);
    command.arg(directory.join("agent-data")).env("SAMPAN_LOG", "info").env_remove("SAMPAN_TOKEN");
    if let Some(token) = token {
        command.env("SAMPAN_TOKEN", token);
    }
    Process::start(&mut command, &directory.join("agent"))
}
