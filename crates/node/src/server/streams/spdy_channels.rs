//! exec and attach over SPDY: a stream for each of stdin, stdout, stderr, errors and sizes, which the client opens and names in the header
//! `streamType` (`v4.channel.k8s.io`).

use std::collections::BTreeMap;
use std::time::Duration;

use sampan_runtime::ExecOutput;
use sampan_runtime::spdy::{Stream, Writer};
use tokio::sync::mpsc;

use super::remote::{self, Sizes, Wanted, Work};

/// How long a client may take to open its streams, as upstream's `DefaultStreamCreationTimeout`.
const OPENING: Duration = Duration::from_secs(30);

/// Does the work once all streams are there, and tells its end. The caller ends it when the client has gone.
pub(super) async fn serve(mut opened: mpsc::Receiver<Stream>, wanted: Wanted, work: Work) {
    let mut names = vec!["error"];
    let of = [("stdin", wanted.stdin), ("stdout", wanted.stdout), ("stderr", wanted.stderr), ("resize", wanted.tty)];
    names.extend(of.iter().filter(|(_, wanted)| *wanted).map(|(name, _)| *name));
    let Ok(Some(mut streams)) = tokio::time::timeout(OPENING, gather(&mut opened, &names)).await else {
        return tracing::debug!(?names, "a client did not open its streams in time");
    };
    let errors = streams.remove("error").expect("it was waited for").writer;
    let (ours, ends) = remote::streams(wanted);
    let remote::Ends { stdin, sizes, output } = ends;
    let mut take = |name: &str| streams.remove(name);
    let (typed, resize, writers) = (take("stdin"), take("resize"), [take("stdout"), take("stderr")]);
    let writers = writers.map(|stream| stream.map(|stream| stream.writer));
    let input = async {
        let (Some(stdin), Some(mut stream)) = (stdin, typed) else { return };
        while let Some(bytes) = stream.data.recv().await {
            if stdin.send(bytes).await.is_err() {
                return;
            }
        }
    };
    let resizes = async {
        let (Some(mut stream), mut read) = (resize, Sizes::default()) else { return };
        while let Some(bytes) = stream.data.recv().await {
            if let Some(size) = read.read(&bytes) {
                let _full = sizes.try_send(size);
            }
        }
    };
    let done = async { tokio::join!(work(ours), forward(output, &writers)).0 };
    let inputs = async { tokio::join!(input, resizes, std::future::pending::<()>()) };
    let ended = tokio::select! { biased;
        ended = done => ended,
        _never = inputs => return,
    };
    errors.send(remote::status(&ended).to_string().as_bytes()).await;
    for writer in writers.iter().flatten().chain([&errors]) {
        writer.finish().await;
    }
}

async fn gather(opened: &mut mpsc::Receiver<Stream>, names: &[&'static str]) -> Option<BTreeMap<String, Stream>> {
    let mut streams = BTreeMap::new();
    while streams.len() < names.len() {
        let stream = opened.recv().await?;
        let name = stream.headers.get("streamtype").cloned().unwrap_or_default();
        if names.contains(&name.as_str()) && !streams.contains_key(&name) {
            streams.insert(name, stream);
        } else {
            stream.writer.refuse().await;
        }
    }
    Some(streams)
}

async fn forward(mut output: mpsc::Receiver<ExecOutput>, [stdout, stderr]: &[Option<Writer>; 2]) {
    while let Some(piece) = output.recv().await {
        let (writer, bytes) = match &piece {
            ExecOutput::Stdout(bytes) => (stdout, bytes),
            ExecOutput::Stderr(bytes) => (stderr, bytes),
        };
        if let Some(writer) = writer {
            writer.send(bytes).await;
        }
    }
}
