//! Streams into containers, beyond what every runtime promises.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt as _;
use sampan_runtime::{ExecOutput, Interactive, Runtime as _, Streams, TerminalSize};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::sync::mpsc;

use crate::setting::Setting;

fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

#[tokio::test]
async fn a_command_that_takes_too_long_is_killed_and_another_tells_its_output() {
    let Some(setting) = Setting::new().await else { return };
    setting.start("a", &["sleeps"], |_| {}).await;
    let exec = setting.runtime.exec().unwrap();
    let ran = exec.run_within("a", words(&["/guest", "prints", "1", "out", "wrong"]), Duration::from_secs(20)).await;
    let ran = ran.unwrap().unwrap();
    assert_eq!((ran.code, String::from_utf8_lossy(&ran.output).as_ref()), (0, "out\nwrong\n"));
    let begin = Instant::now();
    let ran = exec.run_within("a", words(&["/guest", "ignores-stop"]), Duration::from_secs(1)).await;
    assert_eq!(ran.unwrap(), None);
    assert!(begin.elapsed() < Duration::from_secs(15), "{:?}", begin.elapsed());
    let error = exec.run_within("a", words(&["/nothing"]), Duration::from_secs(20)).await.unwrap_err();
    assert!(error.to_string().contains("/nothing") && !error.retryable(), "{error}");
}

#[tokio::test]
async fn a_command_at_a_terminal_sees_its_size() {
    let Some(setting) = Setting::new().await else { return };
    setting.start("a", &["sleeps"], |_| {}).await;
    let (sender, mut output) = mpsc::channel(4);
    let sizes = futures::stream::iter([TerminalSize { width: 91, height: 17 }]).chain(futures::stream::pending());
    // It says the size once it is asked to, by which time the size has come, or says it when it comes.
    let stdin = futures::stream::pending::<Bytes>().boxed();
    let streams = Streams { stdin, output: sender, terminal: Some(sizes.boxed()) };
    let exec = setting.runtime.exec().unwrap();
    let run = exec.run("a", words(&["/guest", "measures", "91"]), streams);
    let hear = async {
        let mut heard = String::new();
        while let Some(ExecOutput::Stdout(piece)) = output.recv().await {
            heard += &String::from_utf8_lossy(&piece);
        }
        heard
    };
    let both = async { tokio::join!(run, hear) };
    let (code, heard) = tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
    assert_eq!((code.unwrap(), heard.as_str()), (0, "91 by 17\r\n"));
}

#[tokio::test]
async fn a_terminal_is_attached_to_and_left() {
    let Some(setting) = Setting::new().await else { return };
    setting
        .start("a", &["cats"], |config| config.interactive = Interactive { stdin: true, stdin_once: false, tty: true })
        .await;
    let (sender, mut output) = mpsc::channel(4);
    let stdin = futures::stream::iter([Bytes::from_static(b"ahoy\n")]).chain(futures::stream::pending()).boxed();
    let streams = Streams { stdin, output: sender, terminal: Some(futures::stream::pending().boxed()) };
    let heard = async {
        let mut heard = String::new();
        // Once from the terminal's echo and once from the program.
        while heard.matches("ahoy").count() < 2 {
            let Some(ExecOutput::Stdout(piece)) = output.recv().await else { panic!("the stream ended: {heard}") };
            heard += &String::from_utf8_lossy(&piece);
        }
    };
    tokio::select! {
        ended = setting.runtime.attach("a", streams) => panic!("the container runs on: {ended:?}"),
        () = heard => {}
        () = tokio::time::sleep(Duration::from_secs(30)) => panic!("nothing was heard"),
    }
}

#[tokio::test]
async fn a_port_is_reached_as_from_inside() {
    let Some(setting) = Setting::new().await else { return };
    setting.start("a", &["serves", "8080", "from inside"], |_| {}).await;
    let mut answer = String::new();
    // The server may need a moment until it listens.
    let begin = Instant::now();
    while !answer.ends_with("from inside") {
        assert!(begin.elapsed() < Duration::from_secs(30), "{answer}");
        answer.clear();
        let mut connection = setting.runtime.connect("a", 8080).await.unwrap().unwrap();
        connection.write_all(b"GET / HTTP/1.0\r\n\r\n").await.unwrap();
        let _refused_too_early = connection.read_to_string(&mut answer).await;
    }
    let mut connection = setting.runtime.connect("a", 9).await.unwrap().unwrap();
    let error = connection.read_to_string(&mut answer).await.unwrap_err();
    assert!(error.to_string().contains("refused"), "{error}");
}
