//! A cluster of one `sampan up`, and kubectl speaking to it.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::process::{Process, free_port};
use crate::programs::{Output, run, sampan};

/// How a cluster differs from the default one.
#[derive(Clone, Default)]
pub struct Options {
    /// `--store`; SQLite when empty.
    pub store: String,
    /// Further arguments of `sampan up`.
    pub arguments: Vec<String>,
}

/// One running cluster. Dropping it ends its processes and deletes its data.
pub struct Cluster {
    directory: tempfile::TempDir,
    options: Options,
    port: u16,
    process: Process,
}

impl Cluster {
    /// Starts a cluster on SQLite and waits until it is ready.
    pub fn start() -> Self {
        Self::start_with(Options::default())
    }

    /// Starts a cluster and waits until it is ready.
    pub fn start_with(options: Options) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let port = free_port();
        let process = launch(directory.path(), port, &options);
        let mut cluster = Self { directory, options, port, process };
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
        std::fs::remove_file(self.directory.path().join("output")).expect("the log of the former process is there");
        self.process = launch(self.directory.path(), self.port, &self.options);
        self.wait_ready();
    }

    /// The running `sampan up`.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.directory.path().join("data")
    }

    /// A file of the test's own beside the cluster's data, with this content.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.path().join(name);
        std::fs::write(&path, content).expect("a test's own directory can be written");
        path
    }

    /// kubectl, ready to be given arguments.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new("kubectl");
        // A home of its own: kubectl caches discovery by host and port, and ports come back.
        command.env("KUBECONFIG", self.data().join("kubeconfig")).env("HOME", self.directory.path());
        command
    }

    /// Runs kubectl; the arguments are split at blanks.
    pub fn kubectl(&self, arguments: &str) -> Output {
        run(self.kubectl_command().args(arguments.split_whitespace()))
    }

    /// Runs kubectl with arguments that may contain blanks.
    pub fn kubectl_with<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        run(self.kubectl_command().args(arguments))
    }

    /// `kubectl apply -f -` with this text.
    pub fn apply(&self, manifest: &str) -> Output {
        self.kubectl_with_input("apply -f -", manifest)
    }

    /// Runs kubectl with this standard input.
    pub fn kubectl_with_input(&self, arguments: &str, input: &str) -> Output {
        let mut command = self.kubectl_command();
        command.args(arguments.split_whitespace()).stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().expect("kubectl can be run");
        child.stdin.take().expect("it was piped").write_all(input.as_bytes()).expect("kubectl reads its input");
        let output = child.wait_with_output().expect("kubectl ends");
        Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        }
    }

    /// Runs a client command of sampan itself against this cluster.
    pub fn sampan<S: AsRef<OsStr>>(&self, arguments: &[S]) -> Output {
        run(Command::new(sampan()).args(arguments).env("KUBECONFIG", self.data().join("kubeconfig")))
    }

    /// Pushes a sample's component into the cluster's own registry as `NAME:1`.
    pub fn push(&self, name: &str, component: &Path) {
        self.sampan(&[OsStr::new("push"), component.as_os_str(), OsStr::new(&format!("{name}:1"))]).ok();
    }

    /// One field of an object, by JSONPath.
    pub fn field(&self, object: &str, path: &str) -> String {
        self.kubectl(&format!("get {object} -o jsonpath={path}")).ok()
    }
}

fn launch(directory: &Path, port: u16, options: &Options) -> Process {
    let mut command = Command::new(sampan());
    command.arg("up").arg("--data-dir").arg(directory.join("data")).args(["--api-port", &port.to_string()]);
    command.args(["--registry-port", "0"]).args(["--node-name", "node-1"]).env("SAMPAN_LOG", "info");
    if !options.store.is_empty() {
        command.args(["--store", &options.store]);
    }
    Process::start(command.args(&options.arguments), &directory.join("output"))
}
