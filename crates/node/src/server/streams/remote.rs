//! What `/exec` and `/attach` have in common, whatever carries them: the client's streams on one side, a runtime on the other, and in the
//! end a `Status` (upstream's `cri/streaming/remotecommand`).

use bytes::Bytes;
use futures::StreamExt as _;
use futures::future::BoxFuture;
use futures::stream::BoxStream;
use sampan_meta::Status;
use sampan_runtime::{Error, ExecOutput, Streams, TerminalSize};
use serde_json::{Value, json};
use tokio::sync::mpsc;

/// Pieces of input or output that may wait.
const PIECES: usize = 8;

/// Which streams a client asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Wanted {
    pub(super) stdin: bool,
    pub(super) stdout: bool,
    pub(super) stderr: bool,
    pub(super) tty: bool,
}

impl Wanted {
    /// From a query, in the kubelet's words. At a terminal there is no second output.
    pub(super) fn of(query: &[(String, String)]) -> Result<Self, String> {
        let is_set =
            |name: &str| query.iter().any(|(key, value)| key == name && matches!(value.as_str(), "1" | "true"));
        let tty = is_set("tty");
        let wanted = Self { stdin: is_set("input"), stdout: is_set("output"), stderr: is_set("error") && !tty, tty };
        if !(wanted.stdin || wanted.stdout || wanted.stderr) {
            return Err("you must specify at least 1 of stdin, stdout, stderr".to_owned());
        }
        Ok(wanted)
    }
}

/// What is done with a client's streams; the exit code is 0 where there is none.
pub(super) type Work = Box<dyn FnOnce(Streams) -> BoxFuture<'static, Result<i32, Error>> + Send>;

/// The carrier's ends of a client's streams.
pub(super) struct Ends {
    /// Dropped when the client's input is over; `None` when it was not asked for.
    pub(super) stdin: Option<mpsc::Sender<Bytes>>,
    pub(super) sizes: mpsc::Sender<TerminalSize>,
    pub(super) output: mpsc::Receiver<ExecOutput>,
}

/// Both ends of a client's streams.
pub(super) fn streams(wanted: Wanted) -> (Streams, Ends) {
    let (stdin, input) = mpsc::channel(PIECES);
    let (sender, output) = mpsc::channel(PIECES);
    let (sizes, size) = mpsc::channel(PIECES);
    let streams = Streams { stdin: stream(input), output: sender, terminal: wanted.tty.then(|| stream(size)) };
    (streams, Ends { stdin: wanted.stdin.then_some(stdin), sizes, output })
}

fn stream<T: Send + 'static>(receiver: mpsc::Receiver<T>) -> BoxStream<'static, T> {
    futures::stream::unfold(receiver, |mut receiver| async move { Some((receiver.recv().await?, receiver)) }).boxed()
}

/// How it ended, as the stream of errors says it (`remotecommand.NonZeroExitCodeReason`).
pub(super) fn status(ended: &Result<i32, Error>) -> Value {
    match ended {
        Ok(0) => json!({"metadata": {}, "status": "Success"}),
        Ok(code) => json!({
            "metadata": {},
            "status": "Failure",
            "message": format!("command terminated with non-zero exit code: exit status {code}"),
            "reason": "NonZeroExitCode",
            "details": {"causes": [{"reason": "ExitCode", "message": code.to_string()}]},
        }),
        Err(error) => Status::internal(error).to_value(),
    }
}

/// Reads the sizes of a terminal out of a stream of JSON values.
#[derive(Default)]
pub(super) struct Sizes(Vec<u8>);

impl Sizes {
    /// The last whole size in what came so far. What is no size is forgotten.
    pub(super) fn read(&mut self, bytes: &[u8]) -> Option<TerminalSize> {
        self.0.extend_from_slice(bytes);
        let mut values = serde_json::Deserializer::from_slice(&self.0).into_iter::<TerminalSize>();
        let mut last = None;
        let broken = loop {
            match values.next() {
                Some(Ok(size)) => last = Some(size),
                Some(Err(error)) => break !error.is_eof() || self.0.len() > 1024,
                None => break false,
            }
        };
        let read = if broken { self.0.len() } else { values.byte_offset() };
        self.0.drain(..read);
        last
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &[(&str, &str)]) -> Result<Wanted, String> {
        Wanted::of(&query.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect::<Vec<_>>())
    }

    #[test]
    fn a_terminal_has_one_output() {
        let all = Wanted { stdin: true, stdout: true, stderr: false, tty: true };
        assert_eq!(wanted(&[("input", "1"), ("output", "1"), ("error", "1"), ("tty", "1")]), Ok(all));
        assert_eq!(wanted(&[("tty", "1")]), Err("you must specify at least 1 of stdin, stdout, stderr".to_owned()));
    }

    #[test]
    fn an_end_is_told_as_clients_read_it() {
        assert_eq!(status(&Ok(0))["status"], "Success");
        let failed = status(&Ok(3));
        assert_eq!(failed["reason"], "NonZeroExitCode");
        assert_eq!(failed["details"]["causes"][0], json!({"reason": "ExitCode", "message": "3"}));
        let broken = status(&Err(Error::Invalid("no such command".to_owned())));
        assert_eq!(broken["message"], "Internal error occurred: no such command");
    }

    #[test]
    fn sizes_come_in_any_pieces() {
        let mut sizes = Sizes::default();
        assert_eq!(sizes.read(br#"{"Width":80,"#), None);
        assert_eq!(sizes.read(b"\"Height\":25}\n{\"Width\":81"), Some(TerminalSize { width: 80, height: 25 }));
        assert_eq!(sizes.read(br#","Height":26}"#), Some(TerminalSize { width: 81, height: 26 }));
        assert_eq!(sizes.read(b"nonsense"), None);
        assert_eq!(sizes.read(br#"{"Width":1,"Height":2}"#), Some(TerminalSize { width: 1, height: 2 }));
    }
}
