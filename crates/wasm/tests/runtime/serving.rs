//! Components that serve HTTP.

use std::net::SocketAddr;
use std::time::Duration;

use sampan_runtime::{ContainerState, ExitReason, Runtime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use crate::service_guest;
use crate::setting::Setting;

/// The whole answer to `GET path`.
pub(crate) async fn get(address: SocketAddr, path: &str) -> std::io::Result<String> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: test\r\nconnection: close\r\n\r\n").as_bytes()).await?;
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await?;
    Ok(dechunked(&String::from_utf8_lossy(&answer)))
}

/// Head and body; of a chunked body the chunks.
fn dechunked(answer: &str) -> String {
    let Some((head, body)) = answer.split_once("\r\n\r\n") else { return answer.to_owned() };
    if !head.to_ascii_lowercase().contains("transfer-encoding: chunked") {
        return answer.to_owned();
    }
    let chunks: String = body.split("\r\n").skip(1).step_by(2).collect();
    format!("{head}\r\n\r\n{chunks}")
}

async fn status(address: SocketAddr, path: &str) -> String {
    get(address, path).await.unwrap().lines().next().unwrap().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn requests_are_answered_at_once_each_by_a_fresh_instance() {
    let setting = Setting::new().await;
    let ip = setting.open("web").await;
    setting.run("web", service_guest::component(), |config| config.ports[0].port = 8123).await;
    let address = (ip, 8123).into();
    let answers = futures::future::join_all((0..200).map(|_| get(address, "/"))).await;
    for answer in answers {
        assert!(answer.as_ref().unwrap().ends_with("hello 1\n"), "{answer:?}");
    }
    assert!(setting.runtime.stats("web").await.unwrap().cpu_usage > Duration::ZERO);
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_are_used_again_where_the_pod_asks_for_it() {
    let setting = Setting::new().await;
    let ip = setting
        .open_with("web", |config| {
            config.annotations.insert("sampan.dev/instance-reuse".into(), "3".into());
            // Then a request is begun only when the one before has left its instance, which is later than its response's end.
            config.annotations.insert("sampan.dev/max-concurrent-requests".into(), "1".into());
        })
        .await;
    setting.run("web", service_guest::component(), |_| {}).await;
    let mut bodies = Vec::new();
    for _ in 0..4 {
        let answer = get((ip, 8080).into(), "/").await.unwrap();
        bodies.push(answer.lines().last().unwrap().to_owned());
    }
    assert_eq!(bodies, ["hello 1", "hello 2", "hello 3", "hello 1"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_trap_is_one_requests_failure() {
    let setting = Setting::new().await;
    let ip = setting.open("web").await;
    setting.run("web", service_guest::component(), |_| {}).await;
    let address = (ip, 8080).into();
    assert_eq!(status(address, "/trap").await, "HTTP/1.1 500 Internal Server Error");
    assert_eq!(status(address, "/nothing").await, "HTTP/1.1 500 Internal Server Error");
    assert_eq!(status(address, "/").await, "HTTP/1.1 200 OK");
    setting.runtime.stop("web", Duration::from_secs(5)).await.unwrap();
    let log = setting.log("web");
    assert!(
        log.contains("stderr F sampan: GET /trap: wasm trap: wasm `unreachable` instruction executed in boom"),
        "{log}"
    );
    assert!(log.contains("stderr F sampan: GET /nothing: the component returned without a response"), "{log}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_endless_request_ends_at_its_deadline_and_others_go_on() {
    let setting = Setting::new().await;
    let ip = setting
        .open_with("web", |config| {
            drop(config.annotations.insert("sampan.dev/request-timeout-seconds".into(), "1".into()))
        })
        .await;
    setting.run("web", service_guest::component(), |_| {}).await;
    let address = (ip, 8080).into();
    let spinning = futures::future::join_all((0..4).map(|_| status(address, "/spin")));
    let polite = async {
        for _ in 0..10 {
            assert_eq!(status(address, "/").await, "HTTP/1.1 200 OK");
        }
    };
    let (spinning, ()) = futures::join!(spinning, polite);
    assert!(spinning.iter().all(|line| line == "HTTP/1.1 504 Gateway Timeout"), "{spinning:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_that_alone_breaks_the_memory_limit_ends_the_container() {
    let setting = Setting::new().await;
    let ip = setting.open("web").await;
    setting.run("web", service_guest::component(), |config| config.resources.memory_limit_bytes = Some(8 << 20)).await;
    assert_eq!(status((ip, 8080).into(), "/").await, "HTTP/1.1 200 OK");
    let _ = get((ip, 8080).into(), "/memory").await;
    let exit = setting.exit("web").await;
    assert_eq!((exit.code, exit.reason), (137, ExitReason::OomKilled), "{}", exit.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_port_in_use_is_a_start_error_that_names_it() {
    let setting = Setting::new().await;
    let ip = setting.open("web").await;
    let _taken = std::net::TcpListener::bind((ip, 8080)).unwrap();
    setting.run("web", service_guest::component(), |_| {}).await;
    let status = setting.runtime.container("web").await.unwrap().unwrap();
    let ContainerState::Exited { exit, .. } = status.state else { panic!("{status:?}") };
    assert_eq!(exit.reason, ExitReason::StartError);
    assert!(
        exit.message.starts_with(&format!("failed to listen on {ip}:8080: Address already in use")),
        "{}",
        exit.message
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn stopping_lets_open_connections_go_and_takes_no_new_ones() {
    let setting = Setting::new().await;
    let ip = setting.open("web").await;
    setting.run("web", service_guest::component(), |_| {}).await;
    let mut idle = TcpStream::connect((ip, 8080)).await.unwrap();
    assert_eq!(status((ip, 8080).into(), "/").await, "HTTP/1.1 200 OK");
    setting.runtime.stop("web", Duration::from_secs(30)).await.unwrap();
    assert_eq!(setting.exit("web").await.code, 0);
    assert!(get((ip, 8080).into(), "/").await.is_err());
    assert_eq!(idle.read(&mut [0; 16]).await.unwrap_or(0), 0);
}
