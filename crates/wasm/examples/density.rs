//! Measures many live HTTP pods: `cargo run --profile fast -p sampan-wasm --example density -- PODS [COMPONENT [REUSE]]`, after
//! `cargo build --profile fast -p sampan-wasm --bins`. Prints how long pods take to start and what memory each costs, then keeps them
//! until a line is read from standard input, for a load generator. Without COMPONENT the tests' guest is served; REUSE is how many requests an
//! instance answers.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::disallowed_methods,
    reason = "a measurement for people, made of the tests' parts"
)]

#[path = "../tests/runtime/registry.rs"]
#[allow(dead_code)]
mod registry;
#[path = "../tests/runtime/service_guest.rs"]
mod service_guest;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use sampan_runtime::{
    ContainerConfig, ContainerPort, DnsConfig, ImagePull, Isolation, LogConfig, NetworkAttachment, Resources,
    Runtime as _, SandboxConfig,
};
use sampan_wasm::{Config, Limits, WasmRuntime};

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip(1);
    let pods: u32 = args.next().and_then(|text| text.parse().ok()).unwrap_or(1000);
    let wasm = args
        .next()
        .map_or_else(service_guest::component, |path| std::fs::read(path).expect("the component is readable"));
    let reuse = args.next().unwrap_or_else(|| "1".to_owned());
    let directory = tempfile::tempdir().expect("a temporary directory");
    let runtime = open(directory.path()).await;
    let registry = registry::Registry::start().await;
    let begin = Instant::now();
    let reference = registry.push("density", wasm);
    let image = runtime.pull(&ImagePull { reference, ..ImagePull::default() }).await.expect("it is pulled");
    println!("pull and compile: {:?}", begin.elapsed());
    let mut times = Vec::new();
    let begin = Instant::now();
    for number in 0..pods {
        let begin = Instant::now();
        start(&runtime, directory.path(), number, &image.digest, &reuse).await;
        times.push(begin.elapsed());
        if number == 0 {
            println!("first pod, its process included: {:?}", times[0]);
            println!("with one pod: {}", memory(&runtime));
        }
    }
    let all = begin.elapsed();
    times.sort();
    println!(
        "{pods} pods started in {all:?}; each p50 {:?} p99 {:?}",
        times[times.len() / 2],
        times[times.len() * 99 / 100]
    );
    println!("with {pods} pods: {}", memory(&runtime));
    println!("first pod: http://{}:8080/  last pod: http://{}:8080/", address(0), address(pods - 1));
    let _ = tokio::task::spawn_blocking(|| std::io::stdin().read_line(&mut String::new())).await;
    println!("at the end: {}", memory(&runtime));
    runtime.shutdown().await;
}

async fn open(directory: &std::path::Path) -> Arc<WasmRuntime> {
    let child = std::env::current_exe().expect("this program has a path");
    let child = child
        .parent()
        .and_then(|examples| examples.parent())
        .expect("an example lies below its profile")
        .join("sampan-wasm-child");
    let config = Config {
        data_dir: directory.join("wasm"),
        sandbox_command: vec![child.clone().into(), "sandbox".into()],
        compile_command: vec![child.into(), "compile".into()],
        plain_http: Vec::new(),
        registry_authorities: Vec::new(),
        mirrors: Vec::new(),
        limits: Limits { sandbox_idle: Duration::from_secs(5), ..Limits::default() },
        clock: Arc::new(jiff::Timestamp::now),
    };
    WasmRuntime::new(config).await.expect("the runtime opens")
}

fn address(number: u32) -> IpAddr {
    let [_, _, high, low] = (number + 2).to_be_bytes();
    IpAddr::V4(Ipv4Addr::new(127, 99, high, low))
}

async fn start(runtime: &WasmRuntime, directory: &std::path::Path, number: u32, image: &str, reuse: &str) {
    let id = format!("pod-{number}");
    let sandbox = SandboxConfig {
        id: id.clone(),
        pod_namespace: "default".to_owned(),
        pod_name: id.clone(),
        pod_uid: id.clone(),
        hostname: id.clone(),
        network: Some(NetworkAttachment::Address { ip: address(number) }),
        dns: DnsConfig::default(),
        labels: Default::default(),
        annotations: [("sampan.dev/instance-reuse".to_owned(), reuse.to_owned())].into(),
        isolation: Isolation::Namespace,
        shared: Default::default(),
        sysctls: Default::default(),
        host_ports: Vec::new(),
        resources: Default::default(),
    };
    let container = ContainerConfig {
        id: id.clone(),
        sandbox: id.clone(),
        name: "main".to_owned(),
        attempt: 0,
        image: image.to_owned(),
        command: Vec::new(),
        args: Vec::new(),
        env: (0..10).map(|number| (format!("VARIABLE_{number}"), "some value".to_owned())).collect(),
        working_dir: String::new(),
        mounts: Vec::new(),
        ports: vec![ContainerPort { name: String::new(), port: 8080, protocol: "TCP".to_owned() }],
        resources: Resources { memory_limit_bytes: Some(64 << 20), ..Resources::default() },
        security: Default::default(),
        interactive: Default::default(),
        log: LogConfig { path: directory.join(format!("{id}.log")), max_bytes: 1 << 20, max_files: 2 },
    };
    runtime.open_sandbox(sandbox).await.expect("a sandbox opens");
    runtime.create(container).await.expect("a container is made");
    runtime.start(&id).await.expect("a container starts");
}

/// Resident memory of the sandbox processes, and of this one in the agent's place.
fn memory(runtime: &WasmRuntime) -> String {
    let kilobytes = |pid: u32, field: &str| {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let line = status.lines().find(|line| line.starts_with(field)).map(str::to_owned).unwrap_or_default();
        line.split_whitespace().nth(1).and_then(|number| number.parse::<u64>().ok()).unwrap_or_default()
    };
    let sandboxes: Vec<_> = runtime.processes().iter().map(|process| process.pid).collect();
    let resident: u64 = sandboxes.iter().map(|pid| kilobytes(*pid, "VmRSS")).sum();
    let tables: u64 = sandboxes.iter().map(|pid| kilobytes(*pid, "VmPTE")).sum();
    let agent = kilobytes(std::process::id(), "VmRSS");
    format!("sandboxes {resident} KiB resident, {tables} KiB page tables; agent {agent} KiB")
}
