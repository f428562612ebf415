//! What a guest finds inside its pod: mounts, localhost, sockets, WASI 0.3.

use std::net::SocketAddr;
use std::time::{Duration, Instant};

use sampan_runtime::{ContainerConfig, Mount, Runtime};

use crate::serving::get;
use crate::setting::{LIMIT, Setting};
use crate::{guests, socket_guest};

fn sample(path: &str) -> Vec<u8> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../samples").join(path);
    std::fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Starts a container of another name in a pod.
async fn run(setting: &Setting, pod: &str, id: &str, wasm: Vec<u8>, change: impl FnOnce(&mut ContainerConfig)) {
    setting
        .run(id, wasm, |config| {
            config.sandbox = pod.to_owned();
            change(config);
        })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn two_containers_of_a_pod_meet_on_localhost() {
    let setting = Setting::new().await;
    let ip = setting.open("pod").await;
    run(&setting, "pod", "back", sample("two-containers/back.wasm"), |config| config.ports[0].port = 9090).await;
    run(&setting, "pod", "front", sample("two-containers/front.wasm"), |config| {
        config.env = vec![("BACKEND".to_owned(), "http://localhost:9090/".to_owned())];
    })
    .await;
    let answer = get((ip, 8080).into(), "/").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    assert!(answer.contains("the back says: "), "{answer}");
    setting.runtime.stop("back", Duration::from_secs(5)).await.unwrap();
    let answer = get((ip, 8080).into(), "/").await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 502"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn mounts_are_read_anew_and_nothing_else_is_there() {
    let setting = Setting::new().await;
    let ip = setting.open("config").await;
    let settings = setting.directory.path().join("settings");
    std::fs::create_dir(&settings).unwrap();
    std::fs::write(settings.join("motto.txt"), "slow is smooth").unwrap();
    let mount = Mount { source: settings.clone(), target: "/etc/settings".into(), read_only: true };
    setting.run("config", sample("config/config.wasm"), |config| config.mounts = vec![mount]).await;
    let address: SocketAddr = (ip, 8080).into();
    let answer = get(address, "/files/motto.txt").await.unwrap();
    assert!(answer.contains("slow is smooth"), "{answer}");
    std::fs::write(settings.join("motto.txt"), "smooth is fast").unwrap();
    let answer = get(address, "/files/motto.txt").await.unwrap();
    assert!(answer.contains("smooth is fast"), "{answer}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_on_all_addresses_is_reached_on_its_pods_alone() {
    let setting = Setting::new().await;
    let ip = setting.open("server").await;
    setting.run("server", socket_guest::component(), |_| {}).await;
    let address = SocketAddr::from((ip, 7007));
    let end = Instant::now() + LIMIT;
    let greeting = loop {
        match tokio::net::TcpStream::connect(address).await {
            Ok(mut stream) => {
                let mut greeting = String::new();
                tokio::io::AsyncReadExt::read_to_string(&mut stream, &mut greeting).await.unwrap();
                break greeting;
            }
            Err(error) => assert!(Instant::now() < end && setting.is_running("server").await, "{error}"),
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    };
    assert_eq!(greeting, "hi\n");
    let exit = setting.exit("server").await;
    assert_eq!(exit.code, 0, "{}", exit.message);
}

#[tokio::test(flavor = "multi_thread")]
async fn commands_of_wasi_0_3_run_to_their_end() {
    let setting = Setting::new().await;
    for (name, ok, code) in [("ok", true, 0), ("err", false, 1)] {
        setting.open(name).await;
        setting.run(name, guests::returns3(ok), |_| {}).await;
        let exit = setting.exit(name).await;
        assert_eq!(exit.code, code, "{}", exit.message);
    }
}
