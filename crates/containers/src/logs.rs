//! Bounding logs. containerd writes them and never begins another file by itself: whoever made the container renames the file and says
//! so, as the kubelet's container log manager does (pkg/kubelet/logs/container_log_manager.go).

use tokio::sync::mpsc;

use crate::runtime::Parts;

/// Told of every container that begins to write.
#[derive(Clone)]
pub(crate) struct Logs {
    growing: mpsc::UnboundedSender<String>,
}

impl Logs {
    pub(crate) fn grows(&self, container: &str) {
        let _nobody_rotates_any_more = self.growing.send(container.to_owned());
    }
}

pub(crate) fn channel() -> (Logs, mpsc::UnboundedReceiver<String>) {
    let (growing, told) = mpsc::unbounded_channel();
    (Logs { growing }, told)
}

pub(crate) async fn rotate(_parts: Parts, mut growing: mpsc::UnboundedReceiver<String>) {
    while growing.recv().await.is_some() {}
}
