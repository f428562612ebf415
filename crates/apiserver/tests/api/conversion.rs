//! Custom resources whose versions a webhook converts: `v1` has `spec.place` as one text, `v2` has its host and port.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use expect_test::{Expect, expect};
use http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use sampan_apiserver::Body;
use serde_json::{Value, json};

use crate::custom_resources::DEFINITIONS;
use crate::harness::Cluster;
use crate::https::{Answer, HttpsServer};

const V1: &str = "/apis/example.com/v1/namespaces/default/doors";
const V2: &str = "/apis/example.com/v2/namespaces/default/doors";

/// What the webhook was asked: how many questions, and about how many objects.
#[derive(Default)]
struct Asked {
    questions: AtomicUsize,
    objects: AtomicUsize,
}

impl Asked {
    fn take(&self) -> (usize, usize) {
        (self.questions.swap(0, Ordering::SeqCst), self.objects.swap(0, Ordering::SeqCst))
    }
}

fn converted(mut door: Value, wanted: &Value) -> Value {
    if let Some(place) = door["spec"].as_object_mut().and_then(|spec| spec.remove("place")) {
        let (host, port) = place.as_str().unwrap_or_default().split_once(':').unwrap_or_default();
        door["spec"]["host"] = json!(host);
        door["spec"]["port"] = json!(port.parse::<u16>().unwrap_or_default());
    } else if let Some(spec) = door["spec"].as_object_mut() {
        let (host, port) = (spec.remove("host").unwrap_or_default(), spec.remove("port").unwrap_or_default());
        spec.insert("place".to_owned(), json!(format!("{}:{port}", host.as_str().unwrap_or_default())));
    }
    door["apiVersion"] = wanted.clone();
    door
}

async fn answer(request: Request<Incoming>, asked: Arc<Asked>) -> Result<Response<Body>, Infallible> {
    let path = request.uri().path().to_owned();
    let mut review: Value = serde_json::from_slice(&request.into_body().collect().await.unwrap().to_bytes()).unwrap();
    let question = review["request"].take();
    let objects = question["objects"].as_array().unwrap();
    asked.questions.fetch_add(1, Ordering::SeqCst);
    asked.objects.fetch_add(objects.len(), Ordering::SeqCst);
    let result = match path.as_str() {
        "/refuse" => json!({ "status": "Failed", "message": "doors are closed" }),
        _ => json!({ "status": "Success" }),
    };
    let objects: Vec<Value> =
        objects.iter().map(|door| converted(door.clone(), &question["desiredAPIVersion"])).collect();
    review["response"] = json!({ "uid": question["uid"], "result": result, "convertedObjects": objects });
    review.as_object_mut().unwrap().remove("request");
    Ok(Response::new(Body::from(review.to_string())))
}

struct Doors {
    cluster: Cluster,
    webhook: HttpsServer,
    asked: Arc<Asked>,
}

impl Doors {
    /// A cluster with doors, stored in `v1`.
    async fn start() -> Self {
        let cluster = Cluster::start().await;
        let asked = Arc::new(Asked::default());
        let counting = Arc::clone(&asked);
        let answer: Answer = Arc::new(move |request| Box::pin(answer(request, Arc::clone(&counting))));
        let webhook = HttpsServer::start(&cluster, &["127.0.0.1"], answer).await;
        let doors = Self { cluster, webhook, asked };
        doors.cluster.define(&doors.definition("/convert", "v1")).await;
        doors
    }

    fn definition(&self, path: &str, storage: &str) -> Value {
        let version = |name: &str, spec: Value, selectable: Value| {
            json!({"name": name, "served": true, "storage": name == storage, "selectableFields": selectable,
                "subresources": {"status": {}},
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {
                    "spec": {"type": "object", "properties": spec},
                    "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}})
        };
        let text = json!({"type": "string"});
        json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "doors.example.com"},
            "spec": {"group": "example.com", "scope": "Namespaced", "names": {"plural": "doors", "kind": "Door"},
                "versions": [
                    version("v1", json!({"place": text, "note": text}), json!([])),
                    version("v2", json!({"host": text, "port": {"type": "integer"}, "note": text}), json!([{"jsonPath": ".spec.host"}]))],
                "conversion": {"strategy": "Webhook", "webhook": {
                    "clientConfig": self.webhook.client_config(&self.cluster, path), "conversionReviewVersions": ["v1"]}}}})
    }

    /// Lets another path convert, or another version be the stored one.
    async fn redefine(&self, path: &str, storage: &str) {
        let at = format!("{DEFINITIONS}/doors.example.com");
        let mut definition = self.cluster.ask(&format!("GET {at}")).await.json();
        definition["spec"] = self.definition(path, storage)["spec"].clone();
        let reply = self.cluster.ask(&format!("PUT {at}\n\n{definition}")).await;
        assert_eq!(reply.code, 200, "{}", reply.text());
    }

    async fn create(&self, path: &str, name: &str, spec: Value) -> Value {
        let version = path.split('/').nth(3).unwrap();
        let door = json!({"apiVersion": format!("example.com/{version}"), "kind": "Door", "metadata": {"name": name}, "spec": spec});
        self.cluster.create(path, door).await
    }

    async fn get(&self, path: &str) -> Value {
        let reply = self.cluster.ask(&format!("GET {path}")).await;
        assert_eq!(reply.code, 200, "{}", reply.text());
        reply.json()
    }

    /// In which version an object lies in the store.
    fn stored_version(&self, name: &str) -> String {
        let resource = self.cluster.registry.find("example.com", "v1", "doors").unwrap();
        let stored = self.cluster.registry.values(&resource);
        let door = stored.iter().find(|door| door["metadata"]["name"] == name).unwrap();
        door["apiVersion"].as_str().unwrap().to_owned()
    }
}

fn shown(door: &Value, expected: Expect) {
    expected.assert_eq(&format!("{} {}", door["apiVersion"].as_str().unwrap(), door["spec"]));
}

#[tokio::test]
async fn every_version_shows_the_same_door() {
    let doors = Doors::start().await;
    let made = doors.create(V2, "a", json!({"host": "x", "port": 1})).await;
    shown(&made, expect![[r#"example.com/v2 {"host":"x","port":1}"#]]);
    assert_eq!(doors.stored_version("a"), "example.com/v1");
    shown(&doors.get(&format!("{V1}/a")).await, expect![[r#"example.com/v1 {"place":"x:1"}"#]]);
    shown(&doors.get(&format!("{V2}/a")).await, expect![[r#"example.com/v2 {"host":"x","port":1}"#]]);
    let mut door = doors.get(&format!("{V2}/a")).await;
    door["spec"]["port"] = json!(2);
    let put = doors.cluster.ask(&format!("PUT {V2}/a\n\n{door}")).await.json();
    assert_eq!(put["metadata"]["generation"], 2, "{put}");
    shown(&doors.get(&format!("{V1}/a")).await, expect![[r#"example.com/v1 {"place":"x:2"}"#]]);
    let patch =
        format!("PATCH {V2}/a\nContent-Type: application/merge-patch+json\n\n{}", json!({"spec": {"host": "y"}}));
    shown(&doors.cluster.ask(&patch).await.json(), expect![[r#"example.com/v2 {"host":"y","port":2}"#]]);
    let config =
        json!({"apiVersion": "example.com/v2", "kind": "Door", "metadata": {"name": "a"}, "spec": {"note": "n"}});
    let apply = format!("PATCH {V2}/a?fieldManager=m\nContent-Type: application/apply-patch+yaml\n\n{config}");
    shown(&doors.cluster.ask(&apply).await.json(), expect![[r#"example.com/v2 {"host":"y","note":"n","port":2}"#]]);
    shown(&doors.get(&format!("{V1}/a")).await, expect![[r#"example.com/v1 {"note":"n","place":"y:2"}"#]]);
    let status = format!(
        "PATCH {V2}/a/status\nContent-Type: application/merge-patch+json\n\n{}",
        json!({"status": {"open": true}})
    );
    assert_eq!(doors.cluster.ask(&status).await.json()["status"], json!({"open": true}));
    let deleted = doors.cluster.ask(&format!("DELETE {V2}/a")).await;
    assert_eq!((deleted.code, &deleted.json()["status"]), (200, &json!("Success")));
}

#[tokio::test]
async fn who_owns_a_field_is_known_in_the_version_each_speaks() {
    let doors = Doors::start().await;
    let apply = |path: &str, manager: &str, spec: Value| {
        let version = path.split('/').nth(3).unwrap();
        let config = json!({"apiVersion": format!("example.com/{version}"), "kind": "Door", "metadata": {"name": "a"}, "spec": spec});
        format!("PATCH {path}/a?fieldManager={manager}\nContent-Type: application/apply-patch+yaml\n\n{config}")
    };
    let made = doors.cluster.ask(&apply(V1, "one", json!({"place": "x:1"}))).await;
    assert_eq!(made.code, 201, "{}", made.text());
    let same = doors.cluster.ask(&apply(V2, "two", json!({"host": "x"}))).await;
    assert_eq!(same.code, 200, "{}", same.text());
    let put = |door: &Value| format!("PUT {V2}/a?fieldManager=three\n\n{door}");
    let mut door = doors.get(&format!("{V2}/a")).await;
    door["spec"]["note"] = json!("n");
    assert_eq!(doors.cluster.ask(&put(&door)).await.code, 200);
    assert_eq!(owners_of(&doors.get(&format!("{V2}/a")).await), "one: f:place, three: f:note, two: f:host");
    let mut door = doors.get(&format!("{V2}/a")).await;
    door["spec"]["port"] = json!(2);
    assert_eq!(doors.cluster.ask(&put(&door)).await.code, 200);
    assert_eq!(owners_of(&doors.get(&format!("{V2}/a")).await), "three: f:note f:port, two: f:host");
}

/// Who owns which fields of the spec.
fn owners_of(door: &Value) -> String {
    let mut owners: Vec<String> = door["metadata"]["managedFields"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            let fields = entry["fieldsV1"]["f:spec"].as_object().unwrap().keys().filter(|field| *field != ".");
            format!("{}: {}", entry["manager"].as_str().unwrap(), fields.cloned().collect::<Vec<_>>().join(" "))
        })
        .collect();
    owners.sort();
    owners.join(", ")
}

#[tokio::test]
async fn a_list_is_converted_at_once_and_selected_from_as_it_is_shown() {
    let doors = Doors::start().await;
    for (name, place) in [("a", "x:1"), ("b", "y:2"), ("c", "x:3")] {
        doors.create(V1, name, json!({"place": place})).await;
    }
    doors.asked.take();
    let list = doors.get(V2).await;
    assert_eq!((list["items"].as_array().unwrap().len(), doors.asked.take()), (3, (1, 3)));
    shown(&list["items"][1], expect![[r#"example.com/v2 {"host":"y","port":2}"#]]);
    let page = doors.get(&format!("{V2}?fieldSelector=spec.host%3Dx&limit=1")).await;
    let rest = page["metadata"]["continue"].as_str().unwrap();
    let last = doors.get(&format!("{V2}?fieldSelector=spec.host%3Dx&limit=1&continue={rest}")).await;
    assert_eq!(
        (&page["items"][0]["metadata"]["name"], &last["items"][0]["metadata"]["name"]),
        (&json!("a"), &json!("c"))
    );
    assert_eq!(last["metadata"]["continue"], Value::Null);
    assert_eq!(doors.asked.take(), (0, 0), "what was shown before is remembered");
}

#[tokio::test]
async fn watchers_see_their_version_and_share_its_conversion() {
    let doors = Doors::start().await;
    doors.create(V1, "a", json!({"place": "x:1"})).await;
    let mut first = doors.cluster.open(&format!("{V2}?watch=1")).await;
    let mut second = doors.cluster.open(&format!("{V2}?watch=1&fieldSelector=spec.host%3Dx")).await;
    shown(&first.event().await.unwrap()["object"], expect![[r#"example.com/v2 {"host":"x","port":1}"#]]);
    assert_eq!(second.told().await, "ADDED a");
    doors.asked.take();
    let patch = |place: &str| {
        format!("PATCH {V1}/a\nContent-Type: application/merge-patch+json\n\n{}", json!({"spec": {"place": place}}))
    };
    doors.cluster.ask(&patch("x:2")).await;
    shown(&first.event().await.unwrap()["object"], expect![[r#"example.com/v2 {"host":"x","port":2}"#]]);
    assert_eq!(second.told().await, "MODIFIED a");
    assert_eq!(doors.asked.take(), (1, 1), "both watchers were told by one question");
    doors.cluster.ask(&patch("z:2")).await;
    let left = second.event().await.unwrap();
    assert_eq!(left["type"], "DELETED");
    shown(&left["object"], expect![[r#"example.com/v2 {"host":"x","port":2}"#]]);
    doors.cluster.ask(&format!("DELETE {V1}/a")).await;
    assert_eq!((first.told().await, first.told().await), ("MODIFIED a".to_owned(), "DELETED a".to_owned()));
}

#[tokio::test]
async fn objects_move_to_a_new_storage_version_when_they_are_written() {
    let doors = Doors::start().await;
    doors.create(V1, "a", json!({"place": "x:1"})).await;
    doors.redefine("/convert", "v2").await;
    doors.create(V1, "b", json!({"place": "y:1"})).await;
    assert_eq!(
        (doors.stored_version("a"), doors.stored_version("b")),
        ("example.com/v1".into(), "example.com/v2".into())
    );
    let list = doors.get(V1).await;
    shown(&list["items"][0], expect![[r#"example.com/v1 {"place":"x:1"}"#]]);
    shown(&list["items"][1], expect![[r#"example.com/v1 {"place":"y:1"}"#]]);
    let same = doors.get(&format!("{V1}/a")).await;
    assert_eq!(doors.cluster.ask(&format!("PUT {V1}/a\n\n{same}")).await.code, 200);
    assert_eq!(doors.stored_version("a"), "example.com/v2");
}

#[tokio::test]
async fn a_webhook_that_fails_is_told_of_and_holds_up_nobody_who_does_not_need_it() {
    let doors = Doors::start().await;
    doors.create(V1, "a", json!({"place": "x:1"})).await;
    doors.redefine("/refuse", "v1").await;
    let failures = [
        doors.cluster.ask(&format!("GET {V2}/a")).await,
        doors.cluster.ask(&format!("GET {V2}")).await,
        doors.cluster.ask(&format!("GET {V2}?watch=1")).await,
        doors.cluster.ask(&format!("POST {V2}\n\n{}", json!({"metadata": {"name": "b"}, "spec": {"host": "x"}}))).await,
        doors.cluster.ask(&format!("DELETE {V2}/a")).await,
    ];
    let told: Vec<String> = failures.iter().map(crate::harness::Reply::failure).collect();
    expect![[r#"
        500  conversion webhook for example.com/v1, Kind=Door failed: doors are closed
        500  conversion webhook for example.com/v1, Kind=Door failed: doors are closed
        500  conversion webhook for example.com/v1, Kind=Door failed: doors are closed
        500  conversion webhook for example.com/v2, Kind=Door failed: doors are closed
        500  conversion webhook for example.com/v1, Kind=Door failed: doors are closed"#]]
    .assert_eq(&told.join("\n"));
    shown(&doors.get(&format!("{V1}/a")).await, expect![[r#"example.com/v1 {"place":"x:1"}"#]]);
    let gone = doors.cluster.ask(&format!("DELETE {DEFINITIONS}/doors.example.com")).await;
    assert_eq!(gone.code, 200, "{}", gone.text());
}

#[tokio::test]
async fn a_definition_has_to_say_who_converts() {
    let doors = Doors::start().await;
    let rows = [
        (
            json!({"strategy": "Webhook"}),
            expect![[
                r#"422 Invalid CustomResourceDefinition.apiextensions.k8s.io "gates.example.com" is invalid: [spec.conversion.webhookClientConfig: Required value: required when strategy is set to Webhook, spec.conversion.conversionReviewVersions: Required value]"#
            ]],
        ),
        (
            json!({"strategy": "Other"}),
            expect![[
                r#"422 Invalid CustomResourceDefinition.apiextensions.k8s.io "gates.example.com" is invalid: spec.conversion.strategy: Unsupported value: "Other": supported values: "None", "Webhook""#
            ]],
        ),
        (
            json!({"strategy": "Webhook", "webhook": {"clientConfig": {"url": "http://x"}, "conversionReviewVersions": ["v3"]}}),
            expect![[
                r#"422 Invalid CustomResourceDefinition.apiextensions.k8s.io "gates.example.com" is invalid: [spec.conversion.webhookClientConfig.url: Invalid value: "http": 'https' is the only allowed URL scheme; desired format: https://host[/path], spec.conversion.conversionReviewVersions: Invalid value: ["v3"]: must include at least one of v1, v1beta1]"#
            ]],
        ),
        (
            json!({"strategy": "None", "webhook": {"clientConfig": {"url": "https://x"}, "conversionReviewVersions": ["v1"]}}),
            expect![[
                r#"422 Invalid CustomResourceDefinition.apiextensions.k8s.io "gates.example.com" is invalid: [spec.conversion.webhookClientConfig: Forbidden: should not be set when strategy is not set to Webhook, spec.conversion.conversionReviewVersions: Forbidden: should not be set when strategy is not set to Webhook]"#
            ]],
        ),
    ];
    for (conversion, expected) in rows {
        let mut definition = doors.definition("/convert", "v1");
        definition["spec"]["names"] = json!({"plural": "gates", "kind": "Gate"});
        definition["metadata"]["name"] = json!("gates.example.com");
        definition["spec"]["conversion"] = conversion;
        expected.assert_eq(&doors.cluster.ask(&format!("POST {DEFINITIONS}\n\n{definition}")).await.failure());
    }
}
