//! A command's, or a container's, standard streams over SPDY (`v4.channel.k8s.io`), from the client's side.

use bytes::Bytes;
use futures::StreamExt as _;
use futures::stream::BoxStream;
use sampan_runtime::spdy::{self, Writer};
use sampan_runtime::{Error, ExecOutput, Result, Streams, TerminalSize};
use serde_json::Value;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::sync::mpsc;

/// Bytes of the last word that are read.
const LAST_WORD: usize = 64 << 10;

/// Pieces of output that may wait for a client that only watches; later ones are lost to it.
const WAITING: usize = 256;

/// Ties `streams` to those that containerd serves on `io` until it tells the end: the exit code, 0 where there is none.
pub(super) async fn carry<T>(io: T, streams: Streams, subject: &str) -> Result<i32>
where
    T: AsyncRead + AsyncWrite + Send,
{
    let Streams { stdin, output, terminal } = streams;
    let last = if terminal.is_some() { "resize" } else { "stderr" };
    let headers = ["error", "stdin", "stdout", last].map(|name| [("streamtype", name)]);
    let (streams, carrying) = spdy::open(io, &headers.each_ref().map(|headers| &headers[..]));
    let [mut errors, typed, printed, last] =
        <[_; 4]>::try_from(streams).ok().expect("as many streams as were asked for");
    let resizes = resize(terminal, last.writer.clone());
    let told = async {
        let stdout = forward(printed.data, &output, ExecOutput::Stdout);
        // Nothing comes back on a stream of sizes.
        let stderr = forward(last.data, &output, ExecOutput::Stderr);
        tokio::join!(read(&mut errors.data), stdout, stderr).0
    };
    // Everything comes over one connection: when it ends, all streams have been read to where they end.
    let others = async { tokio::join!(carrying, input(stdin, typed.writer), resizes, std::future::pending::<()>()) };
    let told = tokio::select! { biased;
        told = told => told,
        // One of those joined never ends.
        _never = others => Vec::new(),
    };
    ended(&told, subject)
}

async fn input(mut stdin: BoxStream<'static, Bytes>, writer: Writer) {
    while let Some(bytes) = stdin.next().await {
        if !writer.send(&bytes).await {
            return;
        }
    }
    writer.finish().await;
}

async fn resize(sizes: Option<BoxStream<'static, TerminalSize>>, writer: Writer) {
    let Some(mut sizes) = sizes else { return };
    while let Some(size) = sizes.next().await {
        let text = serde_json::to_string(&size).expect("two numbers can be written");
        if !writer.send(text.as_bytes()).await {
            return;
        }
    }
}

/// Goes on reading when nobody takes it any more: who goes drops the whole.
async fn forward(
    mut data: mpsc::Receiver<Bytes>,
    output: &mpsc::Sender<ExecOutput>,
    piece: impl Fn(Bytes) -> ExecOutput,
) {
    while let Some(bytes) = data.recv().await {
        let _gone = output.send(piece(bytes)).await;
    }
}

async fn read(data: &mut mpsc::Receiver<Bytes>) -> Vec<u8> {
    let mut word = Vec::new();
    while let Some(bytes) = data.recv().await {
        word.extend_from_slice(&bytes[..bytes.len().min(LAST_WORD - word.len())]);
    }
    word
}

/// The `Status` in which a stream of errors tells how it ended (`remotecommand.NonZeroExitCodeReason`).
fn ended(told: &[u8], subject: &str) -> Result<i32> {
    let Ok(status) = serde_json::from_slice::<Value>(told) else {
        return Err(Error::Unavailable(format!("containerd's stream to {subject} broke off before its end was told")));
    };
    if status["status"] == "Success" {
        return Ok(0);
    }
    let causes = status["details"]["causes"].as_array().into_iter().flatten();
    let code =
        causes.filter(|cause| cause["reason"] == "ExitCode").find_map(|cause| cause["message"].as_str()?.parse().ok());
    code.ok_or_else(|| {
        let message = status["message"].as_str().unwrap_or("it failed");
        // Whoever passes it on says so itself.
        Error::Invalid(message.strip_prefix("Internal error occurred: ").unwrap_or(message).to_owned())
    })
}

/// The same streams, but for that what their client does not take in time is lost: containerd would let the container wait for it. The
/// future passes on what is printed, until the client has gone.
pub(super) fn never_waiting(streams: Streams) -> (Streams, impl Future<Output = ()>) {
    let Streams { stdin, output, terminal } = streams;
    let (sender, mut printed) = mpsc::channel(1);
    let (kept, mut waiting) = mpsc::channel(WAITING);
    let passing = async move {
        let taking = async move {
            while let Some(piece) = printed.recv().await {
                let _lost_when_full = kept.try_send(piece);
            }
        };
        let giving = async move {
            while let Some(piece) = waiting.recv().await {
                if output.send(piece).await.is_err() {
                    return;
                }
            }
        };
        tokio::select! {
            () = giving => {}
            // Then there is something left to give.
            () = async { taking.await; std::future::pending().await } => {}
        }
    };
    (Streams { stdin, output: sender, terminal }, passing)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn row(told: &Value) -> String {
        format!("{:?}", ended(told.to_string().as_bytes(), "container a").map_err(|error| error.to_string()))
    }

    #[test]
    fn an_end_is_a_code_or_a_reason() {
        assert_eq!(row(&json!({"status": "Success"})), "Ok(0)");
        let code = json!({"status": "Failure", "reason": "NonZeroExitCode", "details": {"causes": [{"reason": "ExitCode", "message": "7"}]}});
        assert_eq!(row(&code), "Ok(7)");
        let none = json!({"status": "Failure", "message": "Internal error occurred: no such file"});
        assert_eq!(row(&none), r#"Err("no such file")"#);
        let broken = ended(b"", "container a").expect_err("nothing was told");
        assert_eq!(broken.to_string(), "containerd's stream to container a broke off before its end was told");
    }

    #[tokio::test]
    async fn a_client_that_only_watches_lets_nobody_wait() {
        let (sender, mut output) = mpsc::channel(1);
        let (streams, passing) = never_waiting(Streams::listening(sender));
        let passing = tokio::spawn(passing);
        for number in 0..10 * WAITING {
            let piece = ExecOutput::Stdout(number.to_string().into());
            streams.output.send(piece).await.expect("somebody takes it");
        }
        drop(streams);
        let first = output.recv().await;
        assert_eq!(first, Some(ExecOutput::Stdout("0".into())));
        let mut rest = 0;
        while output.recv().await.is_some() {
            rest += 1;
        }
        passing.await.expect("it ends");
        assert!((1..10 * WAITING - 1).contains(&rest), "{rest}");
    }
}
