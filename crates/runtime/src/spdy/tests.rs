//! A client made by hand at the other end of a pipe.

use bytes::Bytes;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, DuplexStream};
use tokio::sync::mpsc;

use super::*;

fn control(kind: u16, flags: u8, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap() | u32::from(flags) << 24;
    [&[0x80, 3][..], &kind.to_be_bytes(), &length.to_be_bytes(), payload].concat()
}

struct Client {
    io: DuplexStream,
    opened: mpsc::Receiver<Stream>,
    serving: tokio::task::JoinHandle<std::io::Result<()>>,
}

impl Client {
    fn new() -> Self {
        let (io, theirs) = tokio::io::duplex(1 << 20);
        let (sender, opened) = mpsc::channel(4);
        Self { io, opened, serving: tokio::spawn(serve(theirs, sender)) }
    }

    async fn say(&mut self, frame: &[u8]) {
        self.io.write_all(frame).await.unwrap();
    }

    async fn hear(&mut self, length: usize) -> Vec<u8> {
        let mut heard = vec![0; length];
        self.io.read_exact(&mut heard).await.unwrap();
        heard
    }
}

#[tokio::test]
async fn streams_carry_data_both_ways_and_end_on_either_side() {
    let mut client = Client::new();
    client.say(&frame::open(1, &[("streamType", "data"), ("port", "80")])).await;
    let mut stream = client.opened.recv().await.unwrap();
    assert_eq!((stream.id, stream.headers["streamtype"].as_str(), stream.headers["port"].as_str()), (1, "data", "80"));
    let reply = frame::reply(1, true);
    assert_eq!(client.hear(reply.len()).await, reply);
    client.say(&frame::data(1, b"ping", false)).await;
    client.say(&frame::data(1, b"", true)).await;
    assert_eq!(stream.data.recv().await, Some(Bytes::from_static(b"ping")));
    assert_eq!(stream.data.recv().await, None);
    assert!(stream.writer.send(b"pong").await);
    stream.writer.finish().await;
    assert_eq!(client.hear(12).await, frame::data(1, b"pong", false));
    assert_eq!(client.hear(8).await, frame::data(1, b"", true));
    drop(client.io);
    client.serving.await.unwrap().unwrap();
    assert!(stream.reset.is_cancelled(), "a client that has gone wants no stream any more");
}

#[tokio::test]
async fn a_ping_is_answered_and_what_is_not_understood_is_passed_over() {
    let mut client = Client::new();
    client.say(&control(4, 0, &[0; 4])).await;
    client.say(&frame::ping(1)).await;
    assert_eq!(client.hear(12).await, frame::ping(1));
}

#[tokio::test]
async fn a_reset_stream_says_so() {
    let mut client = Client::new();
    client.say(&frame::open(1, &[])).await;
    let mut stream = client.opened.recv().await.unwrap();
    client.say(&frame::reset(1, 5)).await;
    stream.reset.cancelled().await;
    assert_eq!(stream.data.recv().await, None);
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_nobody_reads_does_not_stop_the_others_for_ever() {
    let mut client = Client::new();
    client.say(&frame::open(1, &[])).await;
    let unread = client.opened.recv().await.unwrap();
    for _ in 0..FRAMES + 1 {
        client.say(&frame::data(1, b"x", false)).await;
    }
    client.say(&frame::open(3, &[])).await;
    assert_eq!(client.opened.recv().await.unwrap().id, 3);
    assert!(unread.reset.is_cancelled());
}

#[tokio::test]
async fn nonsense_ends_the_connection() {
    for (nonsense, why) in [
        (frame::open(2, &[]), "headers are not compressed with the dictionary of SPDY/3"),
        ([&[0x80, 2, 0, 1, 0, 0, 0, 4][..], &[0; 4]].concat(), "a frame is of another version of SPDY"),
        (vec![0, 0, 0, 1, 0, 0xff, 0xff, 0xff], "a frame of 16777215 bytes is too long"),
        (control(1, 0, &[0; 4]), "a frame is too short"),
    ] {
        let mut client = Client::new();
        client.say(&nonsense).await;
        assert_eq!(client.serving.await.unwrap().unwrap_err().to_string(), why);
    }
}

#[tokio::test]
async fn a_client_opens_its_streams_at_once_and_hears_what_they_carry() {
    let (io, theirs) = tokio::io::duplex(1 << 20);
    let (sender, mut opened) = mpsc::channel(4);
    let serving = tokio::spawn(serve(theirs, sender));
    let (streams, carrying) = open(io, &[&[("streamtype", "error")], &[("streamtype", "stdin"), ("port", "80")]]);
    let carrying = tokio::spawn(carrying);
    let [mut errors, stdin] = streams.try_into().ok().unwrap();
    let (served_errors, mut served_stdin) = (opened.recv().await.unwrap(), opened.recv().await.unwrap());
    assert_eq!((served_errors.id, served_errors.headers["streamtype"].as_str()), (1, "error"));
    assert_eq!((served_stdin.id, served_stdin.headers["port"].as_str()), (3, "80"));
    assert!(stdin.writer.send(b"typed").await);
    stdin.writer.finish().await;
    assert_eq!(served_stdin.data.recv().await, Some(Bytes::from_static(b"typed")));
    assert_eq!(served_stdin.data.recv().await, None);
    served_errors.writer.send(b"done").await;
    served_errors.writer.finish().await;
    assert_eq!(errors.data.recv().await, Some(Bytes::from_static(b"done")));
    assert_eq!(errors.data.recv().await, None);
    serving.abort();
    carrying.await.unwrap().unwrap();
    assert!(stdin.reset.is_cancelled(), "a server that has gone wants no stream any more");
}

#[tokio::test(start_paused = true)]
async fn a_client_waits_for_its_own_reader_however_long() {
    let (io, theirs) = tokio::io::duplex(1 << 20);
    let (sender, mut opened) = mpsc::channel(4);
    tokio::spawn(serve(theirs, sender));
    let (mut streams, carrying) = open(io, &[&[("streamtype", "stdout")]]);
    tokio::spawn(carrying);
    let served = opened.recv().await.unwrap();
    let writing = tokio::spawn(async move {
        for _ in 0..4 * FRAMES {
            served.writer.send(b"x").await;
        }
        served.writer.finish().await;
    });
    tokio::time::sleep(10 * PATIENCE).await;
    let mut heard = 0;
    while let Some(bytes) = streams[0].data.recv().await {
        heard += bytes.len();
    }
    writing.await.unwrap();
    assert_eq!(heard, 4 * FRAMES);
}
