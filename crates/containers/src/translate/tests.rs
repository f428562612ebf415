use expect_test::{Expect, expect};
use sampan_runtime::{ContainerState, NetworkAttachment, Resources};

use super::container::resources;
use super::{network, status};
use crate::cri;

fn resource_row(limit: Option<u64>, request: Option<u64>, memory: Option<u64>) -> String {
    let resources = resources(&Resources {
        cpu_limit_millis: limit,
        cpu_request_millis: request,
        memory_limit_bytes: memory,
        oom_score_adj: 7,
    });
    let cri::LinuxContainerResources { cpu_period, cpu_quota, cpu_shares, memory_limit_in_bytes, oom_score_adj } =
        resources;
    format!("{cpu_quota}/{cpu_period} shares {cpu_shares} memory {memory_limit_in_bytes} score {oom_score_adj}")
}

#[test]
fn cpu_is_counted_in_the_kernels_units() {
    let rows = [
        resource_row(None, None, None),
        resource_row(Some(1500), Some(250), Some(1 << 20)),
        resource_row(Some(1), Some(1), None),
        resource_row(Some(u64::MAX), Some(u64::MAX), Some(u64::MAX)),
    ];
    expect![[r#"
        0/100000 shares 2 memory 0 score 7
        150000/100000 shares 256 memory 1048576 score 7
        1000/100000 shares 2 memory 0 score 7
        18446744073709551/100000 shares 262144 memory 9223372036854775807 score 7"#]]
    .assert_eq(&rows.join("\n"));
}

fn ended(state: cri::ContainerState, exit_code: i32, reason: &str, expected: &Expect) {
    let found = cri::ContainerStatus {
        state: state.into(),
        exit_code,
        reason: reason.to_owned(),
        finished_at: 5,
        ..cri::ContainerStatus::default()
    };
    let ContainerState::Exited { started_at, finished_at, exit } = status(&found).state else { panic!("it ended") };
    expected.assert_eq(&format!("{started_at}-{finished_at} {} {:?} {}", exit.code, exit.reason, exit.message));
}

#[test]
fn an_end_says_why() {
    use cri::ContainerState::{Exited, Unknown};
    ended(Exited, 0, "Completed", &expect!["5-5 0 Completed "]);
    ended(Exited, 3, "Error", &expect!["5-5 3 Error "]);
    ended(Exited, 139, "Error", &expect!["5-5 139 Error SIGSEGV: invalid memory reference"]);
    ended(Exited, 137, "OOMKilled", &expect!["5-5 137 OomKilled "]);
    ended(Exited, 128, "StartError", &expect!["5-5 128 StartError "]);
    ended(Unknown, 0, "", &expect!["5-5 255 Error "]);
}

#[test]
fn the_address_and_the_namespace_come_from_two_places() {
    let info =
        r#"{"runtimeSpec": {"linux": {"namespaces": [{"type": "pid"}, {"type": "network", "path": "/run/netns/a"}]}}}"#;
    let network_status = cri::PodSandboxNetworkStatus { ip: "10.0.0.7".to_owned() };
    let mut answer = cri::PodSandboxStatusResponse {
        status: Some(cri::PodSandboxStatus { network: Some(network_status), ..cri::PodSandboxStatus::default() }),
        info: [("info".to_owned(), info.to_owned())].into(),
    };
    let own = NetworkAttachment::Namespace { ip: [10, 0, 0, 7].into(), path: "/run/netns/a".into() };
    assert_eq!(network(None, &answer).expect("an address"), own);
    let host = NetworkAttachment::Host { ip: [127, 0, 0, 1].into() };
    assert_eq!(network(Some([127, 0, 0, 1].into()), &answer).expect("the node's"), host);
    answer.status = None;
    let error = network(None, &answer).expect_err("nobody said");
    assert!(error.to_string().contains("CNI configuration"), "{error}");
}
