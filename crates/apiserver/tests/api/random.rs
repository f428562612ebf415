//! Requests by chance to every resource that discovery names: whatever is asked, the fault is the client's.

use sampan_fuzz::{Dice, mutated, sample};
use serde_json::{Value, json};

use crate::harness::{Cluster, admin};

/// Requests to each resource.
const ROUNDS: usize = 12;

/// A resource as discovery names it.
struct Served {
    /// `/api/v1` or `/apis/apps/v1`.
    root: String,
    api_version: String,
    kind: String,
    plural: String,
    namespaced: bool,
    verbs: Vec<String>,
}

async fn served(cluster: &Cluster) -> Vec<Served> {
    let mut roots = vec![("/api/v1".to_owned(), "v1".to_owned())];
    for group in cluster.ask("GET /apis").await.json()["groups"].as_array().unwrap() {
        for version in group["versions"].as_array().unwrap() {
            let version = version["groupVersion"].as_str().unwrap().to_owned();
            roots.push((format!("/apis/{version}"), version));
        }
    }
    let mut found = Vec::new();
    for (root, api_version) in roots {
        for resource in cluster.ask(&format!("GET {root}")).await.json()["resources"].as_array().unwrap() {
            let text = |member: &str| resource[member].as_str().unwrap().to_owned();
            let verbs = resource["verbs"].as_array().unwrap();
            found.push(Served {
                root: root.clone(),
                api_version: api_version.clone(),
                kind: text("kind"),
                plural: text("name"),
                namespaced: resource["namespaced"] == true,
                verbs: verbs.iter().map(|verb| verb.as_str().unwrap().to_owned()).collect(),
            });
        }
    }
    found
}

impl Served {
    /// The path of all, or of one: `pods`, `pods/NAME`, `pods/NAME/status`.
    fn path(&self, name: Option<&str>) -> String {
        let (plural, subresource) = self.plural.split_once('/').unwrap_or((&self.plural, ""));
        let mut path = self.root.clone();
        if self.namespaced {
            path.push_str("/namespaces/default");
        }
        path = format!("{path}/{plural}");
        if let Some(name) = name {
            path = format!("{path}/{name}");
        }
        if !subresource.is_empty() {
            path = format!("{path}/{subresource}");
        }
        path
    }

    /// Streams and proxies end at nodes, of which there are none; what calls others out is only rehearsed.
    fn is_answered_here(&self) -> bool {
        !["exec", "attach", "portforward", "proxy", "log"].iter().any(|end| self.plural.ends_with(&format!("/{end}")))
    }

    fn parameters(&self) -> &'static str {
        let calls_out = self.root.contains("admissionregistration") || self.root.contains("apiregistration");
        if calls_out { "?dryRun=All" } else { "" }
    }

    /// An object of the kind with a name, and a few of its members changed or gone.
    fn object(&self, name: &str, dice: &mut Dice) -> Value {
        let schema = sampan_api::schema();
        let type_ = schema.by_kind(&self.api_version, &self.kind);
        let mut object = type_.map_or_else(|| json!({}), |type_| sample(schema, type_));
        object["apiVersion"] = self.api_version.clone().into();
        object["kind"] = self.kind.clone().into();
        object["metadata"] = json!({"name": name, "labels": {"by": "chance"}});
        for _ in 0..dice.roll(6) {
            change(&mut object, dice, 5);
        }
        object
    }
}

/// Walks down by chance and puts something else there.
fn change(value: &mut Value, dice: &mut Dice, depth: usize) {
    let is_leaf = depth == 0 || dice.roll(4) == 0;
    match value {
        Value::Object(members) if !is_leaf && !members.is_empty() => {
            let at = dice.roll(members.len());
            let name = members.keys().nth(at).unwrap().clone();
            match dice.roll(6) {
                0 => drop(members.remove(&name)),
                _ => change(&mut members[&name], dice, depth - 1),
            }
        }
        Value::Array(items) if !is_leaf && !items.is_empty() => {
            let at = dice.roll(items.len());
            match dice.roll(6) {
                0 => items.push(items[at].clone()),
                _ => change(&mut items[at], dice, depth - 1),
            }
        }
        value => *value = odd(dice),
    }
}

fn odd(dice: &mut Dice) -> Value {
    let all = [
        Value::Null,
        json!(""),
        json!("a/b"),
        json!("ü".repeat(300)),
        json!("*"),
        json!(-1),
        json!(0),
        json!(i64::MAX),
        json!(1.5),
        json!(true),
        json!([]),
        json!({}),
        json!([null, {"": ""}]),
        json!("1e30"),
        json!("2026-01-02T03:04:05Z"),
    ];
    all[dice.roll(all.len())].clone()
}

const PATCHES: [&str; 4] = [
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// What an apply is answered that does not fit the schema: a fault of the client, with upstream's code for it all the same
/// (apimachinery/pkg/util/managedfields/internal/structuredmerge.go).
const MISFIT: &str = "failed to create typed patch object";

const QUERIES: [&str; 8] = [
    "",
    "?limit=1",
    "?limit=-1&continue=x",
    "?labelSelector=by=chance&fieldSelector=metadata.name%3Da",
    "?labelSelector=%2C%21%3D(&fieldSelector==",
    "?resourceVersion=99999999999999999999",
    "?resourceVersion=1&resourceVersionMatch=Exact",
    "?watch=x&timeoutSeconds=y&allowWatchBookmarks=x",
];

/// `METHOD PATH`, headers and a body.
fn request(served: &Served, dice: &mut Dice) -> String {
    let name = ["a", "b", "a-1"][dice.roll(3)];
    let one = served.path(Some(name));
    let object = served.object(name, dice);
    let parameters = served.parameters();
    match dice.roll(9) {
        0..3 => {
            let path = if served.plural.contains('/') { one } else { served.path(None) };
            format!("POST {path}{parameters}\n\n{object}")
        }
        3 => format!("PUT {one}{parameters}\n\n{object}"),
        4 | 5 => {
            let media = PATCHES[dice.roll(PATCHES.len())];
            let manager = if parameters.is_empty() { "?fieldManager=x" } else { "?dryRun=All&fieldManager=x" };
            let body = match dice.roll(3) {
                0 => json!([{"op": "replace", "path": "/metadata/labels", "value": odd(dice)}]),
                1 => json!({"metadata": {"labels": {"x": odd(dice)}}, "spec": odd(dice)}),
                _ => object,
            };
            format!("PATCH {one}{manager}\nContent-Type: {media}\n\n{body}")
        }
        6 => format!("GET {one}"),
        7 => format!("GET {}{}", served.path(None), QUERIES[dice.roll(QUERIES.len())]),
        _ => format!(
            "DELETE {one}{parameters}\n\n{}",
            json!({"propagationPolicy": odd(dice), "gracePeriodSeconds": odd(dice)})
        ),
    }
}

#[tokio::test]
async fn no_request_by_chance_is_answered_with_a_fault_of_the_server() {
    let cluster = Cluster::start().await;
    let resources = served(&cluster).await;
    assert!(resources.len() > 100, "{} resources", resources.len());
    let (mut asked, mut accepted) = (0, 0);
    for (number, served) in resources.iter().enumerate().filter(|(_, served)| served.is_answered_here()) {
        assert!(!served.verbs.is_empty(), "{} has verbs", served.plural);
        for round in 0..ROUNDS {
            let mut dice = Dice::new((number * ROUNDS + round + 1) as u64);
            let request = request(served, &mut dice);
            let reply = cluster.ask(&request).await;
            let is_as_upstream = reply.code == 500 && reply.text().contains(MISFIT);
            let is_good = (200..500).contains(&reply.code) || is_as_upstream;
            assert!(is_good, "{} to {request}\n{}", reply.code, reply.text());
            asked += 1;
            accepted += usize::from(reply.code < 300);
        }
    }
    assert!(asked > 1000 && accepted > asked / 40, "{accepted} of {asked} were accepted");
}

/// Bodies of every media type, made from good ones; YAML that is a little wrong is often still YAML.
#[tokio::test]
async fn no_body_by_chance_is_answered_with_a_fault_of_the_server() {
    let cluster = Cluster::start().await;
    let schema = sampan_api::schema();
    let type_ = schema.by_kind("v1", "Pod").unwrap();
    let mut pod = sample(schema, type_);
    pod["metadata"] = json!({"name": "a", "labels": {"key": "value"}});
    let yaml = "apiVersion: v1\nkind: Pod\nmetadata: &m\n  name: a\n  labels: {x: 'y', \"z\": !!str 1}\nspec:\n  containers:\n  - name: c\n    image: |\n      i\n    args: [*m, ~, 0x1F, 1e3, .inf, yes]\n";
    let protobuf = sampan_meta::protobuf::encode_object(schema, type_, &pod).unwrap();
    let bodies = [
        ("application/json", pod.to_string().into_bytes()),
        ("application/yaml", yaml.as_bytes().to_vec()),
        ("application/vnd.kubernetes.protobuf", protobuf),
    ];
    for (media, good) in bodies {
        for input in 0..200 {
            let bytes = mutated(std::slice::from_ref(&good), &mut Dice::new(input + 1));
            let told = String::from_utf8_lossy(&bytes).into_owned();
            let request = http::Request::post("/api/v1/namespaces/default/pods?dryRun=All")
                .header("content-type", media)
                .body(http_body_util::Full::from(bytes))
                .unwrap();
            let reply = cluster.send(&admin(), request).await;
            assert!((200..500).contains(&reply.code), "{} to {media} {input}: {told}\n{}", reply.code, reply.text());
        }
    }
}
