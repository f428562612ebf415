//! Steps the cases are made of.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use futures::StreamExt;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::{Guest, Subject};
use crate::{
    ContainerConfig, ContainerPort, ContainerState, ContainerStatus, DnsConfig, Exit, Isolation, LogConfig,
    NetworkAttachment, Resources, Runtime, SandboxConfig,
};

/// Longer than any machine needs for one step of a case.
pub(super) const LIMIT: Duration = Duration::from_secs(60);
/// Grace of stops that are not about grace.
pub(super) const GRACE: Duration = Duration::from_millis(200);
/// The port servers listen on.
pub(super) const PORT: u16 = 18080;

impl Subject {
    /// Of one pod alone, also where several subjects share what is behind their runtimes.
    pub(super) fn uid(&self, id: &str) -> String {
        format!("uid-{id}-{}", self.address)
    }

    pub(super) fn sandbox_config(&self, id: &str) -> SandboxConfig {
        SandboxConfig {
            id: id.to_owned(),
            pod_namespace: "default".to_owned(),
            pod_name: format!("pod-{id}"),
            pod_uid: self.uid(id),
            hostname: format!("pod-{id}"),
            network: (!self.runtime.makes_networks()).then_some(NetworkAttachment::Address { ip: self.address }),
            dns: DnsConfig::default(),
            labels: Default::default(),
            annotations: Default::default(),
            isolation: Isolation::Namespace,
            shared: Default::default(),
            sysctls: Default::default(),
            host_ports: Vec::new(),
            resources: Default::default(),
        }
    }

    /// Answers the address of what runs in it.
    pub(super) async fn open(&self, id: &str) -> IpAddr {
        self.runtime.open_sandbox(self.sandbox_config(id)).await.expect("a sandbox opens").ip()
    }

    pub(super) fn log_path(&self, id: &str) -> PathBuf {
        self.directory.join("logs").join(id).join("0.log")
    }

    /// Pulls the guest's image and says how a container of it is made.
    pub(super) async fn config(&self, sandbox: &str, id: &str, guest: &Guest) -> ContainerConfig {
        let image = self.runtime.pull(&guest.image).await.expect("the guest's image is pulled");
        let log = self.log_path(id);
        std::fs::create_dir_all(log.parent().expect("a log lies in a directory")).expect("the log's directory is made");
        ContainerConfig {
            id: id.to_owned(),
            sandbox: sandbox.to_owned(),
            name: "main".to_owned(),
            attempt: 0,
            image: image.digest,
            command: guest.command.clone(),
            args: guest.args.clone(),
            env: Vec::new(),
            working_dir: String::new(),
            mounts: Vec::new(),
            ports: vec![ContainerPort { name: "http".to_owned(), port: PORT, protocol: "TCP".to_owned() }],
            resources: Resources::default(),
            security: Default::default(),
            log: LogConfig { path: log, max_bytes: 1 << 20, max_files: 3 },
            interactive: Default::default(),
        }
    }

    /// Opens a sandbox, pulls, creates and starts.
    pub(crate) async fn launch(&self, id: &str, guest: &Guest) -> String {
        self.launch_with(id, guest, |_| {}).await
    }

    pub(crate) async fn launch_with(
        &self,
        id: &str,
        guest: &Guest,
        change: impl FnOnce(&mut ContainerConfig),
    ) -> String {
        self.open(id).await;
        let container = format!("{id}_main_0");
        let mut config = self.config(id, &container, guest).await;
        change(&mut config);
        self.runtime.create(config).await.expect("a container is created");
        self.runtime.start(&container).await.expect("a container starts");
        container
    }

    pub(crate) async fn exit(&self, container: &str) -> Exit {
        exit(&*self.runtime, container).await
    }

    /// Runs a guest to its end.
    pub(super) async fn run(&self, guest: &Guest) -> Exit {
        let container = self.launch("a", guest).await;
        self.exit(&container).await
    }

    pub(super) async fn status(&self, container: &str) -> Option<ContainerStatus> {
        status(&*self.runtime, container).await
    }

    /// Lines of the current log: time, stream, tag and text.
    pub(super) fn log(&self, container: &str) -> Vec<LogLine> {
        read_log(&self.log_path(container))
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct LogLine {
    pub(super) time: String,
    pub(super) stream: String,
    pub(super) tag: String,
    pub(super) text: String,
}

pub(super) fn read_log(path: &std::path::Path) -> Vec<LogLine> {
    let text = std::fs::read_to_string(path).expect("the log is there");
    text.lines().map(log_line).collect()
}

fn log_line(line: &str) -> LogLine {
    let mut words = line.splitn(4, ' ').map(str::to_owned);
    let mut word = || words.next().unwrap_or_else(|| panic!("a log line has four parts: {line:?}"));
    LogLine { time: word(), stream: word(), tag: word(), text: word() }
}

pub(super) async fn status(runtime: &dyn Runtime, container: &str) -> Option<ContainerStatus> {
    let containers = runtime.containers().await.expect("containers are listed");
    containers.into_iter().find(|status| status.id == container)
}

/// Waits until the container has ended, listening to events and listing after each.
pub(crate) async fn exit(runtime: &dyn Runtime, container: &str) -> Exit {
    let mut events = runtime.events();
    let wait = async {
        loop {
            if let Some(ContainerState::Exited { exit, .. }) =
                status(runtime, container).await.map(|status| status.state)
            {
                return exit;
            }
            events.next().await.expect("events go on while the runtime is there");
        }
    };
    tokio::time::timeout(LIMIT, wait).await.unwrap_or_else(|_| panic!("container {container} did not end"))
}

pub(super) async fn is_running(runtime: &dyn Runtime, container: &str) -> bool {
    matches!(status(runtime, container).await.map(|status| status.state), Some(ContainerState::Running { .. }))
}

/// The status line of `GET /`, or why there is none.
pub(super) async fn get(ip: IpAddr, port: u16) -> std::io::Result<String> {
    let mut stream = tokio::net::TcpStream::connect((ip, port)).await?;
    stream.write_all(format!("GET / HTTP/1.1\r\nhost: {ip}\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    let answer = String::from_utf8_lossy(&answer);
    Ok(answer.lines().next().unwrap_or_default().to_owned())
}
