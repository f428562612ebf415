//! A whole control plane in one thread under paused time: memory store, registry, access, apiserver, controllers with their own
//! identities and no more rights than the bootstrap policy gives them, and a kubelet that is a few lines.

use std::sync::Arc;
use std::time::Duration;

use sampan_access::{Authenticator, Authority, Authorizer, Chain, admission, bootstrap, token};
use sampan_api::k8s::api::coordination::v1::Lease;
use sampan_api::k8s::api::core::v1::{Node, Pod};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::MicroTime;
use sampan_api::request::{AUTHENTICATED, Lister, MASTERS, User};
use sampan_apiserver::{ApiServer, Limits, Version};
use sampan_client::{
    Api, ApiResource, Client, DeleteParams, DynamicObject, Informer, ListParams, Patch, PatchParams, PostParams,
    ResourceExt,
};
use sampan_controllers::{Controllers, NodeNetworks, Options, Settings};
use sampan_meta::{Clock, Entropy, ManualClock, SeededEntropy};
use sampan_registry::Registry;
use sampan_store::MemoryStore;
use serde_json::{Value, json};
use tokio::time::{Instant, sleep, timeout};

/// A wall clock that moves with tokio's paused one.
struct PausedClock(Instant);

impl Clock for PausedClock {
    fn now(&self) -> jiff::Timestamp {
        ManualClock::default().now() + self.0.elapsed()
    }
}

/// The stand-in for a node and a scheduler.
pub(crate) struct Kubelet {
    heartbeat: tokio::task::JoinHandle<()>,
    pods: tokio::task::JoinHandle<()>,
}

impl Kubelet {
    /// The node falls silent; what deletes its pods is answered all the same.
    pub(crate) fn stop_heartbeat(&self) {
        self.heartbeat.abort();
    }

    pub(crate) fn stop(&self) {
        self.heartbeat.abort();
        self.pods.abort();
    }
}

pub(crate) struct Cluster {
    server: Arc<ApiServer>,
    registry: Arc<Registry>,
    pub(crate) controllers: Option<Controllers>,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
    _directory: tempfile::TempDir,
}

impl Cluster {
    /// Everything but controllers.
    pub(crate) async fn bare() -> Self {
        let clock: Arc<dyn Clock> = Arc::new(PausedClock(Instant::now()));
        let entropy: Arc<dyn Entropy> = Arc::new(SeededEntropy::new(7));
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = sampan_registry::Options {
            clock: clock.clone(),
            entropy: entropy.clone(),
            service_network: ("127.150.0.0".parse().expect("an address"), 16),
            node_ports: 30000..=32767,
            cache: Default::default(),
        };
        let store = Arc::new(MemoryStore::new(clock.clone()));
        let registry = Registry::open(store, options).await.expect("an empty store opens");
        for object in bootstrap::objects() {
            registry.ensure(object).await.expect("the bootstrap objects are valid");
        }
        let authority = Authority::open(directory.path(), clock.clone(), entropy.clone()).expect("a new authority");
        let server = server(&registry, &authority, &clock, &entropy);
        Self { server, registry, controllers: None, clock, entropy, _directory: directory }
    }

    /// Everything, running.
    pub(crate) async fn start() -> Self {
        let mut cluster = Self::bare().await;
        cluster.start_controllers().await;
        cluster
    }

    pub(crate) async fn start_controllers(&mut self) {
        let server = self.server.clone();
        let networks = NodeNetworks::new(&["10.244.0.0/16".to_owned()], (None, None)).expect("a network");
        let settings = Settings {
            root_ca: "ROOT CA".to_owned(),
            node_networks: Some(networks),
            legacy_tokens_unused_for: Duration::from_secs(60),
            ..Settings::default()
        };
        let client =
            move |identity: &str| sampan_client::in_process(server.service_as(controller(identity)), "default");
        let (clock, entropy) = (self.clock.clone(), self.entropy.clone());
        let table =
            sampan_controllers::served(&self.admin(), sampan_controllers::all()).await.expect("discovery works");
        let options = Options { client: Arc::new(client), clock, entropy, settings };
        self.controllers = Some(Controllers::start(&options, &table));
    }

    pub(crate) fn admin(&self) -> Client {
        sampan_client::in_process(self.server.service_as(User::new("admin", [MASTERS])), "default")
    }

    /// Runs what is bound nowhere and ends what is deleted, as a scheduler and a kubelet would. `work`: how a pod of a Job ends.
    pub(crate) fn kubelet(&self, work: &'static str) -> Kubelet {
        let client = self.admin();
        let entropy = self.entropy.clone();
        let clock = self.clock.clone();
        let heartbeat = tokio::spawn(self.heartbeat("edge-1"));
        let pods = tokio::spawn(async move {
            let pods = Informer::builder(Api::<Pod>::all(client.clone())).start(entropy);
            let mut changes = pods.subscribe();
            while let Some(change) = changes.next().await {
                if let Some(pod) = change.new {
                    let ready = jiff::fmt::strtime::format("%Y-%m-%dT%H:%M:%SZ", clock.now()).expect("a time");
                    tokio::spawn(run(client.clone(), pod, ready, work));
                }
            }
        });
        Kubelet { heartbeat, pods }
    }

    /// A node that lives for as long as this is polled.
    pub(crate) fn heartbeat(&self, name: &'static str) -> impl Future<Output = ()> + use<> {
        heartbeat(name, self.admin(), self.clock.clone())
    }

    pub(crate) async fn apply(&self, api_version: &str, kind: &str, object: Value) -> DynamicObject {
        let namespace = object["metadata"]["namespace"].as_str().unwrap_or_default().to_owned();
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        self.api(api_version, kind, &namespace).create(&PostParams::default(), &object).await.expect("it is valid")
    }

    pub(crate) fn api(&self, api_version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let group_version = sampan_meta::GroupVersion::parse(api_version);
        let lower = kind.to_lowercase();
        let plural = match lower {
            class if class.ends_with("ss") => format!("{class}es"),
            endpoints if endpoints.ends_with('s') => endpoints,
            other => format!("{other}s"),
        };
        let resource = ApiResource {
            group: group_version.group,
            version: group_version.version,
            api_version: api_version.to_owned(),
            kind: kind.to_owned(),
            plural,
        };
        match namespace {
            "" => Api::all_with(self.admin(), &resource),
            namespace => Api::namespaced_with(self.admin(), namespace, &resource),
        }
    }

    pub(crate) async fn list(&self, api_version: &str, kind: &str, namespace: &str) -> Vec<Value> {
        let list = self.api(api_version, kind, namespace).list(&ListParams::default()).await.expect("listing works");
        list.items.into_iter().map(|object| serde_json::to_value(object).expect("json")).collect()
    }

    pub(crate) async fn get(&self, api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
        let object = self.api(api_version, kind, namespace).get_opt(name).await.expect("the apiserver answers");
        object.map(|object| serde_json::to_value(object).expect("json")).unwrap_or_default()
    }

    pub(crate) async fn patch(&self, api_version: &str, kind: &str, namespace: &str, name: &str, patch: Value) {
        let api = self.api(api_version, kind, namespace);
        api.patch(name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("the patch is valid");
    }

    /// Waits, in virtual time, until something is so.
    pub(crate) async fn eventually<F: Future<Output = bool>>(&self, what: &str, mut holds: impl FnMut() -> F) {
        let wait = async {
            while !holds().await {
                sleep(Duration::from_millis(50)).await;
            }
        };
        assert!(timeout(Duration::from_secs(120), wait).await.is_ok(), "never: {what}");
    }

    /// Nothing is written for ten minutes of virtual time but leases.
    pub(crate) async fn assert_settled(&self) {
        sleep(Duration::from_secs(30)).await;
        let before = self.versions();
        sleep(Duration::from_secs(600)).await;
        assert_eq!(before, self.versions(), "somebody writes while nothing changes");
    }

    fn versions(&self) -> Vec<(String, u64)> {
        let names = self.registry.resources().iter().map(|resource| resource.storage.to_string());
        let version = |name: String| (name.clone(), self.registry.cache().resource_version(&name));
        names.filter(|name| name != "coordination.k8s.io/leases").map(version).collect()
    }
}

fn server(
    registry: &Arc<Registry>,
    authority: &Authority,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<dyn Entropy>,
) -> Arc<ApiServer> {
    let lister: Arc<dyn Lister> = registry.clone();
    let (clock, entropy) = (clock.clone(), entropy.clone());
    let issuer = token::Issuer::new(
        authority.token_key(),
        token::Options::default(),
        lister.clone(),
        clock.clone(),
        entropy.clone(),
    );
    let tokens = Arc::new(issuer);
    let roots = vec![authority.certificate().clone()];
    let authenticator = Authenticator::new(roots, tokens.clone(), lister.clone(), clock.clone());
    let authorizer = Arc::new(Authorizer::new(lister.clone()));
    let context = admission::Context {
        lister,
        authorizer: authorizer.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        writer: registry.clone(),
    };
    ApiServer::new(sampan_apiserver::Options {
        registry: registry.clone(),
        authenticator: Arc::new(authenticator),
        authorizer,
        admission: Arc::new(Chain::new(context)),
        tokens,
        clock,
        entropy,
        version: Version::default(),
        node_client: None,
        limits: Limits::default(),
    })
}

/// The identity the bootstrap policy knows.
fn controller(identity: &str) -> User {
    if identity == sampan_controllers::INFORMERS {
        return User::new("system:kube-controller-manager", [AUTHENTICATED]);
    }
    let groups = ["system:serviceaccounts", "system:serviceaccounts:kube-system", AUTHENTICATED];
    User::new(format!("system:serviceaccount:kube-system:{identity}"), groups)
}

async fn run(client: Client, pod: Arc<Pod>, now: String, work: &str) {
    let api: Api<Pod> = Api::namespaced(client.clone(), pod.metadata.namespace.as_deref().unwrap_or_default());
    let name = pod.name_any();
    if pod.metadata.deletion_timestamp.is_some() {
        let _ = api.delete(&name, &DeleteParams { grace_period_seconds: Some(0), ..DeleteParams::default() }).await;
        return;
    }
    if sampan_api::pod::node_name(&pod).is_none() {
        let binding = json!({ "apiVersion": "v1", "kind": "Binding", "metadata": { "name": name }, "target": { "kind": "Node", "name": meant_for(&pod) } });
        let _: Result<Value, _> = api.create_subresource("binding", &name, &PostParams::default(), &binding).await;
        return;
    }
    let is_work = pod.spec.as_ref().and_then(|spec| spec.restart_policy.as_deref()) == Some("Never");
    let (phase, ready) = if is_work { (work, "False") } else { ("Running", "True") };
    if sampan_api::pod::phase(&pod) == phase {
        return;
    }
    sleep(Duration::from_millis(200)).await;
    let octet = name.bytes().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(byte.into())) % 60_000;
    let ip = format!("127.64.{}.{}", octet / 250, octet % 250 + 1);
    let condition = json!({ "type": "Ready", "status": ready, "lastTransitionTime": now });
    let status = json!({ "phase": phase, "podIP": ip, "podIPs": [{ "ip": ip }], "conditions": [condition] });
    let _ = api.patch_status(&name, &PatchParams::default(), &Patch::Merge(json!({ "status": status }))).await;
}

/// The node a daemon pod is aimed at, or the one there is.
fn meant_for(pod: &Pod) -> String {
    let pod = serde_json::to_value(pod).expect("json");
    let field = "/spec/affinity/nodeAffinity/requiredDuringSchedulingIgnoredDuringExecution/nodeSelectorTerms/0/matchFields/0/values/0";
    pod.pointer(field).and_then(Value::as_str).unwrap_or("edge-1").to_owned()
}

/// A node that lives.
async fn heartbeat(name: &'static str, client: Client, clock: Arc<dyn Clock>) {
    let nodes: Api<Node> = Api::all(client.clone());
    let node = json!({ "metadata": { "name": name } });
    let node: Node = serde_json::from_value(node).expect("a node");
    nodes.create(&PostParams::default(), &node).await.expect("there is none");
    let ready =
        json!({ "status": { "conditions": [{ "type": "Ready", "status": "True", "reason": "KubeletReady" }] } });
    nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(ready)).await.expect("there is one");
    let leases: Api<Lease> = Api::namespaced(client, "kube-node-lease");
    let lease = |now| json!({ "metadata": { "name": name }, "spec": { "renewTime": MicroTime(now) } });
    let first: Lease = serde_json::from_value(lease(clock.now())).expect("a lease");
    leases.create(&PostParams::default(), &first).await.expect("there is none");
    loop {
        sleep(Duration::from_secs(10)).await;
        let _ = leases.patch(name, &PatchParams::default(), &Patch::Merge(lease(clock.now()))).await;
    }
}
