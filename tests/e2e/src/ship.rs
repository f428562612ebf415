//! A cluster with ordinary containers beside Wasm.

use sampan_containers::testing::{Containerd, Image, guest};

use crate::{Cluster, DockerRegistry, Options};

/// A cluster whose node has a containerd, and the image of a program that does what its first argument says.
pub struct Ship {
    /// The cluster.
    pub cluster: Cluster,
    /// Where its images come from.
    pub registry: DockerRegistry,
    /// The image of the program, `/guest`.
    pub image: String,
}

impl Ship {
    /// `None` where there is no root to run a containerd.
    pub fn launch() -> Option<Self> {
        let containerd = Containerd::shared()?;
        let registry = DockerRegistry::start();
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let program = guest(directory.path()).expect("the guest compiles");
        let image = registry.put_image("guest", &Image::of_program("guest", &program).expect("an image"));
        let socket = containerd.socket().display().to_string();
        let arguments = vec!["--containerd".to_owned(), socket, "--cgroup-root".to_owned(), containerd.cgroup_root()];
        let cluster = Cluster::start_with(Options { arguments, ..Options::default() });
        Some(Self { cluster, registry, image })
    }

    /// A pod that runs the program with these words. `more` as in [`crate::Client::pod`].
    pub fn pod(&self, name: &str, words: &str, more: &str) {
        self.cluster.pod(name, &self.image, &format!("args: [{words}], {more}"));
    }

    /// The image of a busybox with all its commands.
    pub fn put_busybox(&self) -> String {
        let image = Image::of_busybox("/bin/busybox".as_ref()).expect("scripts/need installs it");
        self.registry.put_image("busybox", &image)
    }

    /// A pod of busybox that runs until it is deleted, ready.
    pub fn busybox(&self, name: &str, more: &str) {
        let image = self.put_busybox();
        let sleeps = "command: [sh, -c, 'trap exit TERM; while :; do sleep 1; done']";
        self.cluster.pod(name, &image, &format!("{sleeps}, {more}"));
        self.cluster.wait(&format!("pod/{name}"), "{.status.conditions[?(@.type==\"Ready\")].status}", "True");
    }

    /// Runs a pod to its end and answers what it printed.
    pub fn output(&self, name: &str, words: &str, more: &str) -> String {
        let (container, spec) = more.split_once('|').unwrap_or((more, ""));
        self.pod(name, words, &format!("{container} | restartPolicy: Never, {spec}"));
        self.cluster.wait(&format!("pod/{name}"), "{.status.phase}", "Succeeded");
        self.cluster.kubectl(&format!("logs {name}")).ok()
    }
}
