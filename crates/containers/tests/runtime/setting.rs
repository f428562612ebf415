//! What the tests stand on: one containerd for all, and for each a node of its own in it.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt as _;
use sampan_containers::testing::{Containerd, Image};
use sampan_containers::{CgroupConfig, Config, CriRuntime};
use sampan_runtime::conformance::Guest;
use sampan_runtime::{
    ContainerConfig, ContainerState, DnsConfig, Exit, Isolation, LogConfig, Resources, Runtime as _, SandboxConfig,
    Security,
};
use tempfile::TempDir;

use crate::registry::Registry;

pub(crate) struct Setting {
    pub(crate) runtime: Arc<CriRuntime>,
    pub(crate) registry: Arc<Registry>,
    pub(crate) config: Config,
    pub(crate) directory: TempDir,
    /// Different for each.
    pub(crate) number: u32,
}

impl Setting {
    /// `None` where there can be no containerd.
    pub(crate) async fn new() -> Option<Self> {
        Some(Self::on(Containerd::shared()?).await)
    }

    /// On a containerd of the test's own.
    pub(crate) async fn on(containerd: &Containerd) -> Self {
        static NODES: AtomicU32 = AtomicU32::new(1);
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        let owner = format!("node-{}-{number}", std::process::id());
        let config = Config {
            socket: containerd.socket(),
            owner,
            mirrors: Vec::new(),
            cgroups: CgroupConfig { mount: "/sys/fs/cgroup".into(), root: containerd.cgroup_root(), pids: Some(64) },
            archives: None,
        };
        Self {
            runtime: CriRuntime::new(config.clone()),
            registry: Arc::new(Registry::start().await),
            config,
            directory: tempfile::tempdir().unwrap(),
            number,
        }
    }
}

impl Setting {
    /// The program called with these words.
    pub(crate) fn guest(&self, words: &[&str]) -> Guest {
        guest(&self.registry, words)
    }

    /// A new front end over what the old one left, as after the agent's restart.
    pub(crate) fn restart(&mut self) {
        self.runtime = CriRuntime::new(self.config.clone());
    }

    pub(crate) fn log(&self, id: &str) -> PathBuf {
        self.directory.path().join(format!("{id}.log"))
    }

    /// Opens a sandbox and starts the program in it, both under this id.
    pub(crate) async fn start(&self, id: &str, words: &[&str], change: impl FnOnce(&mut ContainerConfig)) {
        let guest = self.guest(words);
        let image = self.runtime.pull(&guest.image).await.unwrap();
        self.runtime.open_sandbox(self.sandbox(id)).await.unwrap();
        let mut config = ContainerConfig {
            id: id.to_owned(),
            sandbox: id.to_owned(),
            name: "main".to_owned(),
            attempt: 0,
            image: image.digest,
            command: guest.command,
            args: Vec::new(),
            // By which a test finds its own processes among those of all.
            env: vec![("OWNER".to_owned(), self.config.owner.clone())],
            working_dir: String::new(),
            mounts: Vec::new(),
            ports: Vec::new(),
            resources: Resources::default(),
            security: Security::default(),
            interactive: Default::default(),
            log: LogConfig { path: self.log(id), max_bytes: 1 << 20, max_files: 2 },
        };
        change(&mut config);
        self.runtime.create(config).await.unwrap();
        self.runtime.start(id).await.unwrap();
    }

    /// How the container ends, once it has.
    pub(crate) async fn exit(&self, id: &str) -> Exit {
        let mut events = self.runtime.events();
        let ended = async {
            loop {
                let found = self.runtime.container(id).await.unwrap().unwrap();
                if let ContainerState::Exited { exit, .. } = found.state {
                    return exit;
                }
                events.next().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(60), ended).await.unwrap()
    }

    pub(crate) fn sandbox(&self, id: &str) -> SandboxConfig {
        SandboxConfig {
            id: id.to_owned(),
            pod_namespace: "default".to_owned(),
            pod_name: id.to_owned(),
            pod_uid: format!("{id}-{}", self.number),
            hostname: id.to_owned(),
            network: None,
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
}

/// The program called with these words, from this registry.
pub(crate) fn guest(registry: &Registry, words: &[&str]) -> Guest {
    let command = ["/guest"].iter().chain(words).map(|&word| word.to_owned()).collect();
    Guest { command, ..Guest::of(&registry.push("guest", guest_image())) }
}

/// The image all guests are started from.
pub(crate) fn guest_image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        Image::of_program("guest", &sampan_containers::testing::guest(directory.path()).unwrap()).unwrap()
    })
}
