//! kubectl's commands, each with what it usually answers. The rows run in order on one cluster: what one made, a later one finds.

use sampan_e2e::{Cluster, Output};

/// A command line, whether it succeeds, and words that are among what it prints. `"..."` keeps blanks together.
type Row = (&'static str, bool, &'static [&'static str]);

const DEPLOYMENT: &str = "
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: c, image: 'nginx:1', ports: [{containerPort: 80}]}]}
";

const ROWS: &[Row] = &[
    // What there is to talk about.
    ("version", true, &["Server Version: v1.36"]),
    ("cluster-info", true, &["Kubernetes control plane", "is running at"]),
    ("api-versions", true, &["apps/v1", "rbac.authorization.k8s.io/v1", "\nv1\n"]),
    ("api-resources", true, &["deployments", "deploy", "apps/v1", "true"]),
    (
        "explain pods.spec.containers",
        true,
        &[
            "KIND:       Pod",
            "FIELD: containers <[]Container>",
            "List of containers belonging to the pod",
            "imagePullPolicy",
            "Image pull policy. One of Always",
        ],
    ),
    ("explain deployment", true, &["GROUP:      apps", "Deployment enables declarative updates"]),
    (
        "explain pod.spec.containers.resources --output=plaintext-openapiv2",
        true,
        &["KIND:     Pod", "RESOURCE: resources <Object>", "Compute Resources required"],
    ),
    ("explain pod.spec.nothing", false, &["field \"nothing\" does not exist"]),
    // Who may.
    ("auth whoami", true, &["ATTRIBUTE", "system:masters"]),
    ("auth can-i create pods", true, &["yes"]),
    ("auth can-i --list", true, &["Resources", "*.*"]),
    // Making things.
    ("create ns n1", true, &["namespace/n1 created"]),
    ("create ns n1", false, &["Error from server (AlreadyExists): namespaces \"n1\" already exists"]),
    ("create configmap cm1 --from-literal=a=b", true, &["configmap/cm1 created"]),
    ("create configmap cm1 --from-literal=a=b", false, &["configmaps \"cm1\" already exists"]),
    ("create secret generic s1 --from-literal=a=b", true, &["secret/s1 created"]),
    ("create sa robot", true, &["serviceaccount/robot created"]),
    ("create token robot", true, &["eyJ"]),
    ("create token nobody", false, &["serviceaccounts \"nobody\" not found"]),
    ("create role r1 --verb=get --resource=pods", true, &["role.rbac.authorization.k8s.io/r1 created"]),
    ("create rolebinding b1 --role=r1 --user=bob", true, &["rolebinding.rbac.authorization.k8s.io/b1 created"]),
    ("auth can-i get pods --as=bob", true, &["yes"]),
    ("auth can-i delete pods --as=bob", false, &["no"]),
    ("create job j1 --image=nginx", true, &["job.batch/j1 created"]),
    ("run r1 --image=busybox --restart=Never", true, &["pod/r1 created"]),
    ("create deployment other --image=nginx", true, &["deployment.apps/other created"]),
    // Looking at them.
    ("get deploy", true, &["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE", "web", "other"]),
    ("get deploy -o wide", true, &["CONTAINERS", "IMAGES", "SELECTOR", "app=web"]),
    ("get deploy web -o yaml", true, &["apiVersion: apps/v1", "kind: Deployment", "progressDeadlineSeconds: 600"]),
    ("get deploy web -o jsonpath={.metadata.name}", true, &["web"]),
    ("get pods --field-selector status.phase=Pending --sort-by=.metadata.name", true, &["web-", "r1"]),
    ("get all -A", true, &["service/kubernetes", "deployment.apps/web", "replicaset.apps/web-", "job.batch/j1"]),
    ("get secret s1 -o jsonpath={.data.a}", true, &["Yg=="]),
    ("get nothing", false, &["the server doesn't have a resource type \"nothing\""]),
    ("get pod none", false, &["Error from server (NotFound): pods \"none\" not found"]),
    (
        "describe deploy web",
        true,
        &[
            "Name:                   web",
            "Selector:               app=web",
            "RollingUpdateStrategy:  25% max unavailable",
            "Image:         nginx:1",
        ],
    ),
    ("describe configmap cm1", true, &["Name:         cm1", "Data", "a:"]),
    ("events", true, &["LAST SEEN"]),
    // Changing them.
    ("scale deploy/web --replicas=3", true, &["deployment.apps/web scaled"]),
    ("set image deploy/web c=nginx:2", true, &["deployment.apps/web image updated"]),
    ("label deploy/web x=y", true, &["deployment.apps/web labeled"]),
    ("label deploy/web x=z", false, &["'x' already has a value (y), and --overwrite is false"]),
    ("annotate deploy/web note=seen", true, &["deployment.apps/web annotated"]),
    ("patch deploy/web -p {\"spec\":{\"replicas\":1}}", true, &["deployment.apps/web patched"]),
    (
        "patch deploy/web --type=json -p [{\"op\":\"replace\",\"path\":\"/spec/replicas\",\"value\":2}]",
        true,
        &["deployment.apps/web patched"],
    ),
    ("rollout restart deploy/web", true, &["deployment.apps/web restarted"]),
    ("rollout history deploy/web", true, &["deployment.apps/web", "REVISION  CHANGE-CAUSE"]),
    ("rollout pause deploy/web", true, &["deployment.apps/web paused"]),
    ("rollout resume deploy/web", true, &["deployment.apps/web resumed"]),
    ("rollout status deploy/web --timeout=1s", false, &["timed out waiting for the condition"]),
    ("expose deploy web --port=80", true, &["service/web exposed"]),
    ("get svc web -o jsonpath={.spec.selector.app}", true, &["web"]),
    (
        "wait --for=jsonpath={.status.phase}=Failed pod/r1 --timeout=1s",
        false,
        &["timed out waiting for the condition on pods/r1"],
    ),
    // Nodes.
    ("cordon node-1", true, &["node/node-1 cordoned"]),
    ("get nodes", true, &["Ready,SchedulingDisabled"]),
    ("uncordon node-1", true, &["node/node-1 uncordoned"]),
    ("taint nodes node-1 a=b:PreferNoSchedule", true, &["node/node-1 tainted"]),
    ("taint nodes node-1 a-", true, &["node/node-1 untainted"]),
    ("describe node node-1", true, &["Roles:", "Capacity:", "Allocatable:", "Kubelet Version:"]),
    ("certificate approve none", false, &["certificatesigningrequests.certificates.k8s.io \"none\" not found"]),
    ("top pods -l app=none", true, &["No resources found"]),
    // Removing them.
    ("delete cm cm1 --cascade=foreground --wait=false", true, &["configmap \"cm1\" deleted"]),
    ("delete deploy web other", true, &["deployment.apps \"web\" deleted", "deployment.apps \"other\" deleted"]),
    ("delete pod r1 --force --grace-period=0", true, &["pod \"r1\" force deleted"]),
    ("delete svc web", true, &["service \"web\" deleted"]),
    ("delete ns n1", true, &["namespace \"n1\" deleted"]),
];

#[test]
fn every_command_answers_as_usual() {
    let cluster = Cluster::start();
    let applied = cluster.apply(DEPLOYMENT).ok();
    assert!(applied.contains("deployment.apps/web created"), "{applied}");
    let mut wrong = Vec::new();
    for (command, succeeds, words) in ROWS {
        let Output { success, stdout, stderr } = cluster.kubectl(command);
        let missing: Vec<&&str> =
            words.iter().filter(|word| !stdout.contains(**word) && !stderr.contains(**word)).collect();
        if success != *succeeds || !missing.is_empty() {
            wrong.push(format!("kubectl {command}: success {success}, without {missing:?}\n{stdout}{stderr}"));
        }
    }
    assert!(wrong.is_empty(), "{} of {} commands:\n{}", wrong.len(), ROWS.len(), wrong.join("\n"));
}

#[test]
fn manifests_are_applied_compared_and_refused() {
    let cluster = Cluster::start();
    let web = cluster.file("web.yaml", DEPLOYMENT).display().to_string();
    assert!(cluster.kubectl(&format!("diff -f {web}")).stdout.contains("+  name: web"));
    assert!(cluster.kubectl(&format!("apply -f {web}")).ok().contains("deployment.apps/web created"));
    assert!(cluster.kubectl(&format!("apply -f {web}")).ok().contains("deployment.apps/web unchanged"));
    assert!(cluster.kubectl(&format!("apply -f {web} --dry-run=server")).ok().contains("unchanged (server dry run)"));
    let again = cluster.kubectl(&format!("create -f {web} --dry-run=server")).err();
    assert!(again.contains("deployments.apps \"web\" already exists"), "{again}");
    let more = DEPLOYMENT.replace("replicas: 2", "replicas: 3");
    let difference = cluster.kubectl_with_input("diff -f -", &more);
    assert!(!difference.success && difference.stdout.contains("+  replicas: 3"), "{difference:?}");
    assert!(cluster.apply(&more).ok().contains("deployment.apps/web configured"));
    // kubectl replaces the version it has just read; the controller's next status may come in between.
    cluster.until("it is replaced", || {
        let replaced = cluster.kubectl_with_input("replace -f -", DEPLOYMENT);
        assert!(replaced.success || replaced.stderr.contains("(Conflict)"), "{replaced:?}");
        replaced.success.then(|| assert!(replaced.stdout.contains("deployment.apps/web replaced"), "{replaced:?}"))
    });

    let rows = [
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {contaners: []}}", "unknown field \"spec.contaners\""),
        ("{apiVersion: v1, kind: Pod, metadata: {name: a}, spec: {containers: []}}", "spec.containers: Required value"),
        (
            "{apiVersion: v1, kind: Pod, metadata: {name: A}, spec: {containers: [{name: c, image: i}]}}",
            "metadata.name: Invalid value",
        ),
        ("{kind: Pod, metadata: {name: a}}", "apiVersion not set"),
    ];
    let unknown = "apiVersion: v1\nkind: Pot\nmetadata: {name: a}\n";
    let refused = cluster.kubectl_with_input("create -f -", unknown).err();
    assert!(refused.contains("no matches for kind \"Pot\" in version \"v1\""), "{refused}");
    for (manifest, expected) in rows {
        let refused = cluster.apply(manifest).err();
        assert!(refused.contains(expected), "{manifest}: {refused}");
    }
}
