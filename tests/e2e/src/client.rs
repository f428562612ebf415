//! Speaking to a cluster: kubectl and sampan's own client commands, with the cluster's kubeconfig.

use std::ffi::OsStr;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use crate::api::Api;
use crate::programs::{Output, run, sampan};

/// How long anything a test waits for may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The user of a cluster whose data lies in `data` below a directory of the test's own.
pub struct Client {
    directory: PathBuf,
    data: PathBuf,
}

impl Client {
    pub(crate) fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), data: directory.join("data") }
    }

    /// With the data at another place.
    pub(crate) fn with_data(self, data: PathBuf) -> Self {
        Self { data, ..self }
    }

    /// Its data directory.
    pub fn data(&self) -> PathBuf {
        self.data.clone()
    }

    /// A file of the test's own beside the cluster's data, with this content.
    pub fn file(&self, name: &str, content: &str) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, content).expect("a test's own directory can be written");
        path
    }

    /// kubectl, ready to be given arguments.
    pub fn kubectl_command(&self) -> Command {
        let mut command = Command::new("kubectl");
        // A home of its own: kubectl caches discovery by host and port, and ports come back.
        command.env("KUBECONFIG", self.data().join("kubeconfig")).env("HOME", &self.directory);
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

    /// The API for single requests.
    pub fn api(&self) -> Api {
        Api::start(self.kubectl_command(), &self.directory.join("proxy"))
    }

    /// `kubectl apply -f -` with this text.
    pub fn apply(&self, manifest: &str) -> Output {
        // A text that begins with a brace would be taken for JSON.
        self.kubectl_with_input("apply -f -", &format!("---\n{manifest}"))
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

    /// Pushes a guest's bytes into the cluster's own registry and returns its image.
    pub fn guest(&self, name: &str, wasm: &[u8]) -> String {
        self.push(name, &self.bytes(&format!("{name}.wasm"), wasm));
        format!("sampan.local/{name}:1")
    }

    /// A file as [`file`](Self::file), of bytes.
    pub fn bytes(&self, name: &str, content: &[u8]) -> PathBuf {
        let path = self.directory.join(name);
        std::fs::write(&path, content).expect("a test's own directory can be written");
        path
    }

    /// Applies a pod of one container `main` with this image. `more` is YAML in flow style: further fields of the container, then, after a
    /// `|`, of the pod's spec, as in `"resources: {limits: {memory: 8Mi}} | restartPolicy: Never"`.
    pub fn pod(&self, name: &str, image: &str, more: &str) {
        let (container, spec) = more.split_once('|').unwrap_or((more, ""));
        let follows =
            |fields: &str| if fields.trim().is_empty() { String::new() } else { format!(", {}", fields.trim()) };
        self.apply(&format!(
            "{{apiVersion: v1, kind: Pod, metadata: {{name: {name}, labels: {{app: {name}}}}}, \
             spec: {{containers: [{{name: main, image: \"{image}\"{}}}]{}}}}}",
            follows(container),
            follows(spec)
        ))
        .ok();
    }

    /// Waits until a field of an object has this value; panics with the object's description after 40 seconds.
    #[track_caller]
    pub fn wait(&self, object: &str, path: &str, value: &str) {
        let waited = self.kubectl_with(&["wait", object, &format!("--for=jsonpath={path}={value}"), "--timeout=40s"]);
        assert!(
            waited.success,
            "{path} of {object} is not {value}: {}{}",
            waited.stderr,
            self.kubectl(&format!("describe {object}")).stdout
        );
    }

    /// Waits until an event about this object has all these words, and returns its message.
    #[track_caller]
    pub fn event(&self, name: &str, words: &[&str]) -> String {
        self.until(
            &format!("an event about {name} with {words:?} among:\n{}", self.kubectl("get events").stdout),
            || {
                let selector = format!("--field-selector=involvedObject.name={name}");
                let template = "jsonpath={range .items[*]}{.reason}: {.message}{\"\\n\"}{end}";
                let events = self.kubectl_with(&["get", "events", &selector, "-o", template]).ok();
                events.lines().find(|event| words.iter().all(|word| event.contains(word))).map(str::to_owned)
            },
        )
    }

    /// A template over an object, by JSONPath; the object may be several words, the template may contain blanks.
    #[track_caller]
    pub fn field(&self, object: &str, template: &str) -> String {
        let output = format!("jsonpath={template}");
        let arguments = ["get"].into_iter().chain(object.split_whitespace()).chain(["-o", &output]);
        self.kubectl_with(&arguments.collect::<Vec<_>>()).ok()
    }

    /// Asks again and again until the answer is there; panics, saying what was waited for, after a minute.
    #[track_caller]
    pub fn until<T>(&self, what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
        let start = Instant::now();
        loop {
            if let Some(answer) = ask() {
                return answer;
            }
            assert!(start.elapsed() < PATIENCE, "waited {PATIENCE:?} in vain: {what}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }
}
