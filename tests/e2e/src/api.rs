//! Single requests to the API, without kubectl's own repetitions: it asks up to ten times more when it is told to come again.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::process::Process;
use crate::programs::run;

/// `kubectl proxy`, which passes every request on once.
pub struct Api {
    _proxy: Process,
    address: String,
}

/// What one request was answered.
#[derive(Debug)]
pub struct Answer {
    /// The code.
    pub code: u16,
    /// The header `Retry-After`; empty when there is none.
    pub retry_after: String,
    /// The body.
    pub body: String,
    /// From the request to the end of the answer.
    pub took: Duration,
}

impl Answer {
    /// A member of the body, which has to be a JSON object: a Status, for instance.
    pub fn text(&self, member: &str) -> String {
        let body: Value = serde_json::from_str(&self.body).unwrap_or_default();
        body[member].as_str().unwrap_or_default().to_owned()
    }

    /// Checks that it says in time that the store does not answer, and why: all of `words`.
    #[track_caller]
    pub fn unavailable(&self, words: &[&str]) {
        let message = self.text("message");
        assert_eq!(
            (self.code, &*self.text("reason"), &*self.retry_after),
            (503, "ServiceUnavailable", "1"),
            "{self:?}"
        );
        assert!(message.starts_with("the store is unavailable: "), "{self:?}");
        assert!(words.iter().all(|word| message.contains(word)), "{words:?} are not all in: {message}");
        assert!(self.took < Duration::from_secs(8), "{self:?}");
    }
}

impl Api {
    pub(crate) fn start(mut kubectl: Command, log: &Path) -> Self {
        let mut proxy = Process::start(kubectl.args(["proxy", "--port=0"]), log);
        proxy.wait_for("Starting to serve on ", 20);
        let output = proxy.output();
        let address = output.split("Starting to serve on ").nth(1).and_then(|rest| rest.split_whitespace().next());
        let address = address.expect("it was waited for").to_owned();
        Self { _proxy: proxy, address }
    }

    /// Asks for a path.
    pub fn get(&self, path: &str) -> Answer {
        self.ask(path, &[])
    }

    /// Creates an object below a path.
    pub fn post(&self, path: &str, object: &Value) -> Answer {
        // By a file: an argument has at most 128 KiB.
        let mut file = tempfile::NamedTempFile::new().expect("a temporary file can be made");
        std::io::Write::write_all(&mut file, object.to_string().as_bytes()).expect("a temporary file can be written");
        let data = format!("@{}", file.path().display());
        self.ask(path, &["-H", "Content-Type: application/json", "--data-binary", &data])
    }

    /// Creates a ConfigMap in namespace `default` that holds this text.
    pub fn write(&self, name: &str, text: &str) -> Answer {
        let object = serde_json::json!({"metadata": {"name": name}, "data": {"text": text}});
        self.post("/api/v1/namespaces/default/configmaps", &object)
    }

    fn ask(&self, path: &str, arguments: &[&str]) -> Answer {
        let start = Instant::now();
        let mut curl = Command::new("curl");
        curl.args([
            "--silent",
            "--show-error",
            "--max-time",
            "60",
            "--write-out",
            "\n%{http_code} %header{retry-after}",
        ]);
        let printed = run(curl.args(arguments).arg(format!("http://{}{path}", self.address))).ok();
        let (body, last) = printed.rsplit_once('\n').expect("curl writes a line of its own");
        let (code, retry_after) = last.split_once(' ').expect("two words");
        Answer {
            code: code.parse().expect("a code is a number"),
            retry_after: retry_after.to_owned(),
            body: body.to_owned(),
            took: start.elapsed(),
        }
    }
}
