//! Commands beside containers, and clients at their streams.

#![allow(missing_docs)] // The names are sentences.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use futures::stream::BoxStream;
use tokio::sync::mpsc;

use crate::conformance::Subject;
use crate::conformance::steps::{GRACE, LIMIT, is_running};
use crate::{Error, Exec, ExecOutput, Interactive, Result, Runtime, Streams};

/// What a command printed, each stream joined.
#[derive(Debug, Default, PartialEq, Eq)]
struct Printed {
    stdout: Vec<u8>,
    stderr: Vec<u8>,
}

async fn gather(mut output: mpsc::Receiver<ExecOutput>) -> Printed {
    let mut printed = Printed::default();
    while let Some(piece) = output.recv().await {
        match piece {
            ExecOutput::Stdout(bytes) => printed.stdout.extend_from_slice(&bytes),
            ExecOutput::Stderr(bytes) => printed.stderr.extend_from_slice(&bytes),
        }
    }
    printed
}

fn input(pieces: &[&'static [u8]]) -> BoxStream<'static, Bytes> {
    futures::stream::iter(pieces.iter().map(|piece| Bytes::from_static(piece)).collect::<Vec<_>>()).boxed()
}

/// Runs a command with that input, then its end.
async fn run(
    exec: &dyn Exec,
    container: &str,
    command: Vec<String>,
    stdin: BoxStream<'static, Bytes>,
) -> (Result<i32>, Printed) {
    let (sender, output) = mpsc::channel(4);
    let streams = Streams { stdin, output: sender, terminal: None };
    let both = async { tokio::join!(exec.run(container, command, streams), gather(output)) };
    tokio::time::timeout(LIMIT, both).await.expect("a command with all its input ends")
}

pub async fn a_command_gets_its_input_and_its_exit_code_is_told(subject: Subject) {
    let (Some(exec), Some(commands)) = (subject.runtime.exec(), subject.guests.commands()) else { return };
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let (code, printed) = run(exec, &container, commands.cat, input(&[b"one ", b"two"])).await;
    assert_eq!((code.expect("it ran"), &printed.stdout[..]), (0, &b"one two"[..]));
    let (code, _) = run(exec, &container, commands.fails, input(&[])).await;
    assert_eq!(code.expect("it ran"), commands.fails_with);
    assert!(is_running(&*subject.runtime, &container).await, "the container goes on");
}

pub async fn much_output_arrives_whole_however_slow_its_reader(subject: Subject) {
    let (Some(exec), Some(commands)) = (subject.runtime.exec(), subject.guests.commands()) else { return };
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let piece: &'static [u8] = &[b'x'; 100_000];
    let (code, printed) = run(exec, &container, commands.cat, input(&[piece; 20])).await;
    assert_eq!((code.expect("it ran"), printed.stdout.len()), (0, 2_000_000));
}

pub async fn commands_that_cannot_be_run_are_errors(subject: Subject) {
    let (Some(exec), Some(commands)) = (subject.runtime.exec(), subject.guests.commands()) else { return };
    let error = run(exec, "nobody", commands.cat.clone(), input(&[])).await.0.expect_err("there is no such container");
    assert!(matches!(error, Error::NotFound(_)), "{error:?}");
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let nonsense = vec!["/no/such/command".to_owned()];
    let error = run(exec, &container, nonsense, input(&[])).await.0.expect_err("there is no such command");
    assert!(!error.retryable(), "{error:?}");
    subject.runtime.stop(&container, GRACE).await.expect("it stops");
    run(exec, &container, commands.cat, input(&[])).await.0.expect_err("the container does not run");
}

pub async fn a_command_ends_with_its_container(subject: Subject) {
    let (Some(_), Some(commands)) = (subject.runtime.exec(), subject.guests.commands()) else { return };
    let container = subject.launch("a", &subject.guests.sleeps()).await;
    let (sender, mut output) = mpsc::channel(4);
    let stdin = input(&[b"begun"]).chain(futures::stream::pending()).boxed();
    let (runtime, id): (Arc<dyn Runtime>, _) = (subject.runtime.clone(), container.clone());
    let running = tokio::spawn(async move {
        let streams = Streams { stdin, output: sender, terminal: None };
        runtime.exec().expect("asked above").run(&id, commands.cat, streams).await
    });
    let first = tokio::time::timeout(LIMIT, output.recv()).await.expect("it prints what it reads");
    assert_eq!(first, Some(ExecOutput::Stdout(Bytes::from_static(b"begun"))));
    subject.runtime.stop(&container, GRACE).await.expect("it stops");
    let ended = tokio::time::timeout(LIMIT, running).await.expect("the command ends too").expect("it does not panic");
    assert!(!matches!(ended, Ok(0)), "{ended:?}");
}

pub async fn an_attached_client_speaks_and_listens(subject: Subject) {
    let Some(guest) = subject.guests.reads() else { return };
    let open = |config: &mut crate::ContainerConfig| {
        config.interactive = Interactive { stdin: true, stdin_once: true, tty: false };
    };
    let container = subject.launch_with("a", &guest, open).await;
    let (sender, output) = mpsc::channel(4);
    let streams = Streams { stdin: input(&[b"hello\n"]), output: sender, terminal: None };
    let both = async { tokio::join!(subject.runtime.attach(&container, streams), gather(output)) };
    let (ended, printed) = tokio::time::timeout(LIMIT, both).await.expect("its input ended, so it ends");
    ended.expect("attaching succeeds");
    assert_eq!(printed.stdout, b"hello\n");
    assert_eq!(subject.exit(&container).await.code, 0);
    assert_eq!(subject.log(&container)[0].text, "hello", "the log has it as well");
}
