//! The real kubectl against the TLS listener.

use std::process::{Command, Output};

use sampan_access::kubeconfig::{Credentials, Kubeconfig};
use sampan_access::pki::Subject;

use crate::tls::Listening;

struct Kubectl {
    listening: Listening,
    home: tempfile::TempDir,
}

impl Kubectl {
    /// `None` without a kubectl on the path.
    async fn start() -> Option<Self> {
        if Command::new("kubectl").args(["version", "--client"]).output().is_err() {
            println!("skipped: there is no kubectl");
            return None;
        }
        let listening = Listening::start().await;
        let home = tempfile::tempdir().unwrap();
        let identity = listening.cluster.authority.issue(&Subject::admin()).unwrap();
        let server = format!("https://{}", listening.address);
        let config = Kubeconfig {
            name: "test",
            server: &server,
            authority_pem: listening.cluster.authority.certificate_pem(),
            credentials: Credentials::Certificate(&identity),
        };
        std::fs::write(home.path().join("config"), config.to_yaml()).unwrap();
        Some(Self { listening, home })
    }

    async fn output(&self, arguments: &[&str], input: &str) -> Output {
        let file = self.home.path().join("input.yaml");
        std::fs::write(&file, input).unwrap();
        let mut command = tokio::process::Command::new("kubectl");
        command.args(arguments).env("HOME", self.home.path()).env("KUBECONFIG", self.home.path().join("config"));
        command.stdin(std::fs::File::open(&file).unwrap());
        let output = tokio::time::timeout(std::time::Duration::from_secs(60), command.output()).await;
        output.unwrap_or_else(|_| panic!("kubectl {arguments:?} hangs")).unwrap()
    }

    async fn run(&self, arguments: &str, input: &str) -> String {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = self.output(&arguments, input).await;
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert!(output.status.success(), "kubectl {arguments:?}: {}{}", text(&output.stdout), text(&output.stderr));
        text(&output.stdout)
    }

    async fn fails(&self, arguments: &str, input: &str) -> String {
        let arguments: Vec<&str> = arguments.split(' ').collect();
        let output = self.output(&arguments, input).await;
        assert!(!output.status.success(), "kubectl {arguments:?} went well");
        String::from_utf8_lossy(&output.stderr).into_owned()
    }
}

const MANIFEST: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: c, image: registry.example/web:1}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: blue}
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_finds_a_cluster() {
    let Some(kubectl) = Kubectl::start().await else { return };
    let namespaces = kubectl.run("get ns", "").await;
    assert!(namespaces.contains("default") && namespaces.contains("Active"), "{namespaces}");
    let resources = kubectl.run("api-resources", "").await;
    assert!(resources.lines().any(|line| line.starts_with("pods") && line.contains("po ")), "{resources}");
    assert!(kubectl.run("api-versions", "").await.contains("apps/v1"));
    let explained = kubectl.run("explain deployment.spec.replicas", "").await;
    assert!(explained.contains("FIELD: replicas <integer>"), "{explained}");
    assert!(kubectl.run("version", "").await.contains("Server Version: v1.36."));
    assert!(kubectl.run("auth whoami", "").await.contains("kubernetes-admin"));
    assert_eq!(kubectl.run("auth can-i delete nodes", "").await, "yes\n");
    assert!(kubectl.run("get --raw /readyz", "").await.contains("ok"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kubectl_creates_applies_changes_and_deletes() {
    let Some(kubectl) = Kubectl::start().await else { return };
    assert_eq!(kubectl.run("create ns shop", "").await, "namespace/shop created\n");
    assert_eq!(
        kubectl.run("create configmap colours --from-literal=a=red -n shop", "").await,
        "configmap/colours created\n"
    );
    assert_eq!(kubectl.run("get cm colours -n shop -o jsonpath={.data.a}", "").await, "red");
    assert_eq!(kubectl.run("create sa robot -n shop", "").await, "serviceaccount/robot created\n");
    assert!(kubectl.run("create token robot -n shop", "").await.starts_with("ey"));
    let applied = kubectl.run("apply -f - -n shop", MANIFEST).await;
    assert_eq!(applied, "deployment.apps/web created\nconfigmap/settings created\n");
    let changed = MANIFEST.replace("blue", "green").replace("replicas: 2", "replicas: 3");
    let applied = kubectl.run("apply -f - -n shop", &changed).await;
    assert_eq!(applied, "deployment.apps/web configured\nconfigmap/settings configured\n");
    assert_eq!(
        kubectl.run("apply -f - -n shop", &changed).await,
        "deployment.apps/web unchanged\nconfigmap/settings unchanged\n"
    );
    assert_eq!(kubectl.run("scale deploy/web --replicas=5 -n shop", "").await, "deployment.apps/web scaled\n");
    assert_eq!(
        kubectl.run("set image deploy/web c=registry.example/web:2 -n shop", "").await,
        "deployment.apps/web image updated\n"
    );
    assert_eq!(kubectl.run("label deploy/web tier=front -n shop", "").await, "deployment.apps/web labeled\n");
    let deployments = kubectl.run("get deploy -o wide -n shop -l tier=front", "").await;
    assert!(deployments.contains("0/5") && deployments.contains("registry.example/web:2"), "{deployments}");
    assert!(kubectl.run("describe deploy web -n shop", "").await.contains("registry.example/web:2"));
    assert_eq!(kubectl.run("delete cm settings -n shop", "").await, "configmap \"settings\" deleted\n");
    assert!(
        kubectl
            .fails("get cm settings -n shop", "")
            .await
            .contains("Error from server (NotFound): configmaps \"settings\" not found")
    );
    let typo = MANIFEST.replace("replicas: 2", "replica: 2");
    assert!(kubectl.fails("apply -f - -n shop", &typo).await.contains("unknown field \"spec.replica\""));
    assert!(kubectl.run("get deploy web -n shop -o yaml", "").await.contains("kind: Deployment"));
    assert_eq!(
        kubectl.run("replace -f - -n shop", MANIFEST.split("---").next().unwrap()).await,
        "deployment.apps/web replaced\n"
    );
    let patch = r#"patch deploy web -n shop -p {"spec":{"paused":true}}"#;
    assert_eq!(kubectl.run(patch, "").await, "deployment.apps/web patched\n");
    assert_eq!(
        kubectl.run("wait deploy/web -n shop --for=jsonpath={.spec.paused}=true", "").await,
        "deployment.apps/web condition met\n"
    );
    assert!(kubectl.run("auth can-i --list -n shop", "").await.contains("*.*"));
    assert!(kubectl.run("get sa,cm,deploy -A", "").await.contains("deployment.apps/web"));
    assert_eq!(kubectl.run("delete deploy,cm --all -n shop", "").await.lines().count(), 3);
    kubectl.listening.shutdown.cancel();
}
