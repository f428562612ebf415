//! Server-side apply with the unmodified kubectl: who owns what, conflicts, pruning, and the way over from client-side apply.

use sampan_e2e::Cluster;

/// A deployment nobody runs: its pods wait for an image that is not there.
fn web(more: &str) -> String {
    format!(
        "apiVersion: apps/v1
kind: Deployment
metadata: {{name: web}}
spec:
{more}
  selector: {{matchLabels: {{app: web}}}}
  template:
    metadata: {{labels: {{app: web}}}}
    spec: {{containers: [{{name: c, image: sampan.local/absent:1}}]}}
"
    )
}

/// The managers of an object, sorted: `name/operation/subresource`.
fn managers(cluster: &Cluster, object: &str) -> Vec<String> {
    let template = "{range .metadata.managedFields[*]}{.manager}/{.operation}/{.subresource}{\"\\n\"}{end}";
    let mut managers: Vec<String> = cluster.field(object, template).lines().map(str::to_owned).collect();
    managers.sort();
    managers
}

fn apply(cluster: &Cluster, arguments: &str, manifest: &str) -> sampan_e2e::Output {
    cluster.kubectl_with_input(&format!("apply --server-side {arguments} -f -"), manifest)
}

const SETTINGS: &str = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: settings}\ndata: {a: '1', b: '1'}\n";

#[test]
fn kubectl_applies_on_the_server_side() {
    let cluster = Cluster::start();
    assert_eq!(apply(&cluster, "", SETTINGS).ok(), "configmap/settings serverside-applied\n");
    let version = cluster.field("cm settings", "{.metadata.resourceVersion}");
    apply(&cluster, "", SETTINGS).ok();
    assert_eq!(cluster.field("cm settings", "{.metadata.resourceVersion}"), version, "the same again is no write");

    let shown = cluster.kubectl("get cm settings -o yaml --show-managed-fields").ok();
    assert!(shown.contains("manager: kubectl") && shown.contains("operation: Apply"), "{shown}");
    assert!(!cluster.kubectl("get cm settings -o yaml").ok().contains("managedFields"));

    let other = SETTINGS.replace("a: '1', b: '1'", "a: '2'");
    let refused = apply(&cluster, "--field-manager=other", &other).err();
    assert!(refused.contains("Apply failed with 1 conflict: conflict with \"kubectl\": .data.a"), "{refused}");
    apply(&cluster, "--field-manager=other --force-conflicts", &other).ok();
    assert_eq!(cluster.field("cm settings", "{.data.a}{.data.b}"), "21");
    assert_eq!(managers(&cluster, "cm settings"), ["kubectl/Apply/", "other/Apply/"]);

    apply(&cluster, "", &SETTINGS.replace("a: '1', b: '1'", "c: '1'")).ok();
    assert_eq!(
        cluster.field("cm settings", "{.data}"),
        r#"{"a":"2","c":"1"}"#,
        "b was nobody else's, a is the other's"
    );

    let difference =
        cluster.kubectl_with_input("diff --server-side -f -", &SETTINGS.replace("a: '1', b: '1'", "c: '5'"));
    assert!(difference.stdout.contains("+  c: \"5\""), "{}{}", difference.stdout, difference.stderr);
    assert_eq!(cluster.field("cm settings", "{.data.c}"), "1", "a difference is only shown");
}

#[test]
fn a_deployment_comes_over_from_client_side_apply_and_is_scaled_by_another() {
    let cluster = Cluster::start();
    cluster.apply(&web("  replicas: 0\n  minReadySeconds: 1")).ok();
    let owners = managers(&cluster, "deploy web");
    assert!(owners.contains(&"kubectl-client-side-apply/Update/".to_owned()), "{owners:?}");
    apply(&cluster, "", &web("  replicas: 0")).ok();
    let owners = managers(&cluster, "deploy web");
    assert!(owners.contains(&"kubectl/Apply/".to_owned()), "{owners:?}");
    assert!(!owners.contains(&"kubectl-client-side-apply/Update/".to_owned()), "{owners:?}");
    assert_eq!(cluster.field("deploy web", "{.spec.minReadySeconds}"), "", "what is applied no more goes");

    cluster.kubectl("scale deploy web --replicas=1").ok();
    let refused = apply(&cluster, "", &web("  replicas: 0")).err();
    assert!(refused.contains("with subresource \"scale\" using apps/v1: .spec.replicas"), "{refused}");
    apply(&cluster, "", &web("")).ok();
    assert_eq!(cluster.field("deploy web", "{.spec.replicas}"), "1", "who scales keeps the replicas");
    assert!(managers(&cluster, "deploy web").contains(&"kubectl/Update/scale".to_owned()));
}
