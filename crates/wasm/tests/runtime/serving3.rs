//! Components that serve HTTP by WASI 0.3.

use std::net::SocketAddr;
use std::time::Duration;

use sampan_runtime::Runtime as _;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::service3_guest;
use crate::serving::get;
use crate::setting::{LIMIT, Setting};

/// Starts the guest in a pod with this annotation and returns where it listens.
async fn serve(setting: &Setting, annotation: Option<(&str, &str)>) -> SocketAddr {
    let ip = setting
        .open_with("web", |config| {
            config.annotations.extend(annotation.map(|(name, value)| (format!("sampan.dev/{name}"), value.to_owned())));
        })
        .await;
    setting.run("web", service3_guest::component(), |_| {}).await;
    (ip, 8080).into()
}

/// Then a request is begun only when the one before has left its instance, which is later than its response's end.
const ONE_AT_A_TIME: Option<(&str, &str)> = Some(("max-concurrent-requests", "1"));

async fn last_line(address: SocketAddr) -> String {
    get(address, "/").await.unwrap().lines().last().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn status_headers_and_body_are_the_guests() {
    let setting = Setting::new().await;
    let address = serve(&setting, None).await;
    let answer = get(address, "/").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201 Created\r\n"), "{answer}");
    assert!(answer.contains("\r\nx-guest: 0.3\r\n"), "{answer}");
    assert!(answer.ends_with("\r\n\r\nhello 1\n"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_at_the_same_time_are_all_answered() {
    let setting = Setting::new().await;
    let address = serve(&setting, Some(("instance-reuse", "1"))).await;
    let answers = futures::future::join_all((0..100).map(|_| last_line(address))).await;
    assert!(answers.iter().all(|line| line == "hello 1"), "{answers:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_instance_is_used_128_times_unless_the_pod_says_otherwise() {
    let setting = Setting::new().await;
    let address = serve(&setting, ONE_AT_A_TIME).await;
    for number in (1..=128).chain([1]) {
        assert_eq!(last_line(address).await, format!("hello {}", number % 10), "request {number}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_one_requests_failure_and_its_instance_is_not_used_again() {
    let setting = Setting::new().await;
    let address = serve(&setting, ONE_AT_A_TIME).await;
    assert_eq!(last_line(address).await, "hello 1");
    let answer = get(address, "/trap").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 500 Internal Server Error\r\n"), "{answer}");
    assert_eq!(last_line(address).await, "hello 1");
    setting.runtime.stop("web", Duration::from_secs(5)).await.unwrap();
    let log = setting.log("web");
    assert!(log.contains("sampan: GET /trap: wasm trap: wasm `unreachable` instruction executed in boom"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_body_is_streamed_until_its_reader_leaves() {
    let setting = Setting::new().await;
    let address = serve(&setting, ONE_AT_A_TIME).await;
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(b"GET /endless HTTP/1.1\r\nhost: test\r\n\r\n").await.unwrap();
    let mut begin = vec![0; 10_000];
    tokio::time::timeout(LIMIT, stream.read_exact(&mut begin)).await.expect("the body flows").unwrap();
    drop(stream);
    // The only place is free again.
    assert_eq!(last_line(address).await, "hello 1");
}
