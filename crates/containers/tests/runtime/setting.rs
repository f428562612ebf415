//! What the tests stand on: one containerd for all, and for each a node of its own in it.

use std::sync::Arc;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use sampan_containers::testing::{Containerd, Image};
use sampan_containers::{Config, CriRuntime};
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
        static NODES: AtomicU32 = AtomicU32::new(1);
        let containerd = Containerd::shared()?;
        let number = NODES.fetch_add(1, Ordering::Relaxed);
        let node = format!("node-{number}");
        let config = Config { socket: containerd.socket(), node, mirrors: Vec::new() };
        Some(Self {
            runtime: CriRuntime::new(config.clone()),
            registry: Arc::new(Registry::start().await),
            config,
            directory: tempfile::tempdir().unwrap(),
            number,
        })
    }
}

/// The image all guests are started from.
pub(crate) fn guest_image() -> &'static Image {
    static IMAGE: OnceLock<Image> = OnceLock::new();
    IMAGE.get_or_init(|| {
        let directory = tempfile::tempdir().unwrap();
        Image::of_program("guest", &sampan_containers::testing::guest(directory.path()).unwrap()).unwrap()
    })
}
