//! What requests to pods see while the node's agent is killed and started again.

use std::collections::BTreeSet;

use sampan_e2e::{Requests, Split, curl, sample};

/// Pods listen themselves, in sandbox processes that outlive the agent: whoever asks a pod at its own address never notices.
///
/// The service proxy is a part of the agent's process. While that is dead, connections to a Service's address are refused, at once;
/// clients have to come again. Once the agent is back the Service leads to the same pods as before.
#[test]
fn a_killed_agent_costs_no_request_to_a_pod_and_those_to_a_service_only_while_it_is_dead() {
    let mut split = Split::start();
    split.push("hello-http", &sample("hello-http").join("hello-http.wasm"));
    split.kubectl_with(&["apply", "-f", &sample("hello-http").join("manifest.yaml").display().to_string()]).ok();
    split.kubectl("-n hello rollout status deploy/hello --timeout=60s").ok();
    let pod = split.field("-n hello pods", "{.items[0].status.podIP}");
    let service = format!("http://{}/", split.field("-n hello service hello", "{.spec.clusterIP}"));
    let names: BTreeSet<String> =
        split.field("-n hello pods", "{.items[*].metadata.name}").split_whitespace().map(str::to_owned).collect();
    let through_service = || curl([&service]);
    assert!(through_service().success);

    let requests = Requests::start(&format!("http://{pod}:8080/"));
    requests.more(10);
    split.agent().kill();
    requests.more(20);
    let error = through_service().err();
    assert!(error.contains("(7)"), "refused at once, not left waiting: {error}");
    split.restart_agent();
    split.kubectl("wait node/node-1 --for=condition=Ready --timeout=60s").ok();
    split.until("the service works again", || through_service().success.then_some(()));
    requests.more(10);
    assert_eq!(requests.end(), [""; 0]);

    let mut answered = BTreeSet::new();
    split.until("every pod answers through the service", || {
        let said = through_service().ok();
        answered.extend(names.iter().filter(|name| said.contains(name.as_str())).cloned());
        (answered == names).then_some(())
    });
    let restarts = split.field("-n hello pods", "{.items[*].status.containerStatuses[0].restartCount}");
    assert_eq!(restarts, "0 0 0");
    split.kubectl("delete namespace hello --timeout=60s").ok();
}
