//! A runtime in a directory of its own, with a registry and addresses.

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use sampan_runtime::{
    ContainerConfig, ContainerPort, ContainerState, DnsConfig, Exit, ImagePull, Isolation, LogConfig,
    NetworkAttachment, Resources, Runtime, SandboxConfig,
};
use sampan_wasm::{Config, Limits, WasmRuntime};

use crate::registry::Registry;

/// Longer than any step takes on a busy machine.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);

pub(crate) struct Setting {
    pub(crate) runtime: Arc<WasmRuntime>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) directory: Directory,
    pub(crate) config: Config,
}

impl Setting {
    pub(crate) async fn new() -> Self {
        Self::with(Limits { sandbox_idle: Duration::from_secs(5), ..Limits::default() }).await
    }

    pub(crate) async fn with(limits: Limits) -> Self {
        let directory = Directory(tempfile::tempdir().unwrap());
        let child = env!("CARGO_BIN_EXE_sampan-wasm-child");
        let config = Config {
            data_dir: directory.path().join("wasm"),
            sandbox_command: vec![child.into(), "sandbox".into()],
            compile_command: vec![child.into(), "compile".into()],
            plain_http: Vec::new(),
            registry_authorities: Vec::new(),
            mirrors: Vec::new(),
            limits,
            clock: Arc::new(jiff::Timestamp::now),
        };
        let runtime = WasmRuntime::new(config.clone()).await.unwrap();
        Setting { runtime, registry: Registry::start().await, directory, config }
    }

    /// The agent goes and comes back.
    pub(crate) async fn restart(self) -> Self {
        let Setting { runtime, registry, directory, config } = self;
        drop(runtime);
        let runtime = WasmRuntime::new(config.clone()).await.unwrap();
        Setting { runtime, registry, directory, config }
    }

    pub(crate) async fn open(&self, sandbox: &str) -> IpAddr {
        self.open_with(sandbox, |_| {}).await
    }

    pub(crate) async fn open_with(&self, sandbox: &str, change: impl FnOnce(&mut SandboxConfig)) -> IpAddr {
        let ip = next_address();
        let mut config = SandboxConfig {
            id: sandbox.to_owned(),
            pod_namespace: "default".to_owned(),
            pod_name: sandbox.to_owned(),
            pod_uid: format!("uid-{sandbox}"),
            hostname: sandbox.to_owned(),
            network: Some(NetworkAttachment::Address { ip }),
            dns: DnsConfig::default(),
            labels: Default::default(),
            annotations: Default::default(),
            isolation: Isolation::Namespace,
            shared: Default::default(),
            sysctls: Default::default(),
            host_ports: Vec::new(),
            resources: Default::default(),
        };
        change(&mut config);
        self.runtime.open_sandbox(config).await.unwrap();
        ip
    }

    /// Pushes, pulls, creates and starts one container; its id is that of the sandbox.
    pub(crate) async fn run(&self, sandbox: &str, wasm: Vec<u8>, change: impl FnOnce(&mut ContainerConfig)) {
        let reference = self.registry.push(sandbox, wasm);
        let image = self.runtime.pull(&ImagePull { reference, ..ImagePull::default() }).await.unwrap();
        let mut config = self.container(sandbox, &image.digest);
        change(&mut config);
        self.runtime.create(config).await.unwrap();
        self.runtime.start(sandbox).await.unwrap();
    }

    pub(crate) fn container(&self, id: &str, image: &str) -> ContainerConfig {
        ContainerConfig {
            id: id.to_owned(),
            sandbox: id.to_owned(),
            name: "main".to_owned(),
            attempt: 0,
            image: image.to_owned(),
            command: Vec::new(),
            args: Vec::new(),
            env: Vec::new(),
            working_dir: String::new(),
            mounts: Vec::new(),
            ports: vec![ContainerPort { name: String::new(), port: 8080, protocol: "TCP".to_owned() }],
            resources: Resources::default(),
            security: Default::default(),
            log: LogConfig { path: self.directory.path().join(format!("{id}.log")), max_bytes: 1 << 20, max_files: 2 },
            interactive: Default::default(),
        }
    }

    /// Waits for the container's end.
    pub(crate) async fn exit(&self, container: &str) -> Exit {
        let mut events = self.runtime.events();
        let wait = async {
            loop {
                let status = self.runtime.container(container).await.unwrap().expect("the container is known");
                if let ContainerState::Exited { exit, .. } = status.state {
                    return exit;
                }
                events.next().await.expect("events go on");
            }
        };
        tokio::time::timeout(LIMIT, wait).await.expect("the container ends")
    }

    pub(crate) async fn is_running(&self, container: &str) -> bool {
        let status = self.runtime.container(container).await.unwrap();
        matches!(status.map(|status| status.state), Some(ContainerState::Running { .. }))
    }

    /// The log without times.
    pub(crate) fn log(&self, container: &str) -> String {
        let text = std::fs::read_to_string(self.directory.path().join(format!("{container}.log"))).unwrap_or_default();
        text.lines().map(|line| format!("{}\n", line.split_once(' ').unwrap().1)).collect()
    }
}

/// An address nobody else in this test program uses; the process id keeps programs apart.
pub(crate) fn next_address() -> IpAddr {
    static NEXT: AtomicU16 = AtomicU16::new(2);
    let [high, low] = NEXT.fetch_add(1, Ordering::Relaxed).to_be_bytes();
    let program = 64 + u8::try_from(std::process::id() % 60).unwrap();
    IpAddr::V4(Ipv4Addr::new(127, program, high, low))
}

/// A directory whose sandbox processes end with it.
pub(crate) struct Directory(tempfile::TempDir);

impl Directory {
    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let Ok(sandboxes) = std::fs::read_dir(self.path().join("wasm/sandboxes")) else { return };
        for sandbox in sandboxes.flatten() {
            if let Ok(mut socket) = UnixStream::connect(sandbox.path().join("socket")) {
                let request = br#"{"id":0,"call":"Shutdown"}"#;
                let mut frame = u32::try_from(request.len()).unwrap().to_be_bytes().to_vec();
                frame.extend_from_slice(request);
                let _ = socket.write_all(&frame);
                // Until it is gone.
                let _ = std::io::copy(&mut socket, &mut std::io::sink());
            }
        }
    }
}
