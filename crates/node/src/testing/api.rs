//! A small apiserver in memory: enough of the real one's manners for an agent. What needs more is tested over the real one.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use http::{Method, Request, Response, StatusCode};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Full, StreamBody};
use hyper::body::Frame;
use parking_lot::Mutex;
use sampan_client::{Body, Client};
use serde_json::{Value, json};
use tokio::sync::watch;

type Answer = Response<UnsyncBoxBody<Bytes, Infallible>>;
type Key = (String, String, String);

#[derive(Clone, Default)]
pub(crate) struct TestApi {
    store: Arc<Mutex<Store>>,
    changed: Arc<watch::Sender<u64>>,
}

#[derive(Default)]
struct Store {
    revision: u64,
    /// By plural, namespace and name.
    objects: BTreeMap<Key, Value>,
    history: Vec<(u64, &'static str, Key, Value)>,
    requests: Vec<String>,
    down: bool,
}

/// Plural, namespace, name, subresource.
struct Place {
    plural: String,
    namespace: String,
    name: String,
    subresource: String,
}

impl Place {
    fn parse(path: &str) -> Self {
        let mut parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        parts.drain(..if parts[0] == "api" { 2 } else { 3 });
        let namespaced = parts.len() > 2 && parts[0] == "namespaces";
        let namespace = if namespaced { parts.drain(..2).nth(1).unwrap_or_default() } else { "" };
        let part = |index: usize| parts.get(index).copied().unwrap_or_default().to_owned();
        Self { plural: part(0), namespace: namespace.to_owned(), name: part(1), subresource: part(2) }
    }

    fn key(&self) -> Key {
        (self.plural.clone(), self.namespace.clone(), self.name.clone())
    }
}

impl TestApi {
    pub(crate) fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request| {
            let api = api.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        sampan_client::in_process(service, "default")
    }

    /// As if the network were cut: every request fails, every watch ends.
    pub(crate) fn set_down(&self, down: bool) {
        self.store.lock().down = down;
        self.changed.send_modify(|_| ());
    }

    pub(crate) fn create(&self, path: &str, object: Value) -> Value {
        let created = self.store.lock().create(&Place::parse(path), object).expect("it is new");
        self.tell();
        created
    }

    pub(crate) fn patch(&self, path: &str, patch: &Value) {
        self.store.lock().patch(&Place::parse(path), patch, false).expect("it is there");
        self.tell();
    }

    /// Deletes as a user does: a pod gets its grace period, anything else goes at once.
    pub(crate) fn delete(&self, path: &str, grace: Option<i64>) {
        self.store.lock().delete(&Place::parse(path), grace, None).expect("it is there");
        self.tell();
    }

    pub(crate) fn get(&self, plural: &str, namespace: &str, name: &str) -> Option<Value> {
        self.store.lock().objects.get(&(plural.to_owned(), namespace.to_owned(), name.to_owned())).cloned()
    }

    pub(crate) fn list(&self, plural: &str) -> Vec<Value> {
        let store = self.store.lock();
        let mut found: Vec<Value> =
            store.objects.iter().filter(|((of, ..), _)| of == plural).map(|(_, object)| object.clone()).collect();
        found.sort_by_key(|object| {
            object["metadata"]["uid"].as_str().map(|uid| uid.trim_start_matches("uid-").parse::<u64>().unwrap_or(0))
        });
        found
    }

    pub(crate) fn count(&self, plural: &str, is: impl Fn(&Value) -> bool) -> usize {
        self.store.lock().objects.iter().filter(|((of, ..), object)| of == plural && is(object)).count()
    }

    /// Requests whose method and path contain the text.
    pub(crate) fn requests(&self, text: &str) -> usize {
        self.store.lock().requests.iter().filter(|request| request.contains(text)).count()
    }

    /// Waits, by the tests' clock, until the question has an answer.
    pub(crate) async fn until<T>(&self, what: &str, question: impl Fn(&Self) -> Option<T>) -> T {
        let mut changed = self.changed.subscribe();
        let wait = async {
            loop {
                if let Some(answer) = question(self) {
                    return answer;
                }
                changed.changed().await.expect("the server is there");
            }
        };
        let limit = Duration::from_secs(3600);
        match tokio::time::timeout(limit, wait).await {
            Ok(answer) => answer,
            Err(_) => panic!("never: {what}\n{:#?}", self.list("pods")),
        }
    }

    fn tell(&self) {
        let revision = self.store.lock().revision;
        self.changed.send_replace(revision);
    }

    async fn answer(&self, request: Request<Body>) -> Answer {
        let (parts, body) = request.into_parts();
        let query: BTreeMap<String, String> =
            parts.uri.query().unwrap_or_default().split('&').filter_map(pair).collect();
        let place = Place::parse(parts.uri.path());
        self.store.lock().requests.push(format!("{} {}", parts.method, parts.uri));
        if self.store.lock().down {
            return reply(Err((503, "ServiceUnavailable")));
        }
        let body = body.collect().await.map(|body| body.to_bytes()).unwrap_or_default();
        let body: Value = serde_json::from_slice(&body).unwrap_or_default();
        let strategic = parts
            .headers
            .get("content-type")
            .is_some_and(|kind| kind.to_str().is_ok_and(|kind| kind.contains("strategic")));
        if query.get("watch").is_some_and(|watch| watch == "true") {
            return self.watch(place, &query);
        }
        let answer = {
            let mut store = self.store.lock();
            match (&parts.method, place.subresource.as_str()) {
                (&Method::POST, "token") => Ok(token(&store)),
                (&Method::GET, _) if place.name.is_empty() => Ok(store.list(&place, &query)),
                (&Method::GET, _) => store.objects.get(&place.key()).cloned().ok_or((404, "NotFound")),
                (&Method::POST, _) => store.create(&place, body),
                (&Method::PATCH, _) => store.patch(&place, &body, strategic),
                (&Method::DELETE, _) => {
                    store.delete(&place, body["gracePeriodSeconds"].as_i64(), body["preconditions"]["uid"].as_str())
                }
                _ => Err((405, "MethodNotAllowed")),
            }
        };
        self.tell();
        reply(answer)
    }

    fn watch(&self, place: Place, query: &BTreeMap<String, String>) -> Answer {
        let after: u64 = query.get("resourceVersion").and_then(|version| version.parse().ok()).unwrap_or(0);
        let selector = query.get("fieldSelector").cloned().unwrap_or_default();
        let state = (self.clone(), self.changed.subscribe(), place, selector, after);
        let lines = stream::unfold(state, |(api, mut changed, place, selector, after)| async move {
            loop {
                changed.borrow_and_update();
                let (lines, revision) = {
                    let store = api.store.lock();
                    if store.down {
                        return None;
                    }
                    (store.events(&place, &selector, after), store.revision)
                };
                if !lines.is_empty() {
                    let frame = Frame::data(Bytes::from(lines));
                    return Some((Ok::<_, Infallible>(frame), (api, changed, place, selector, revision)));
                }
                changed.changed().await.ok()?;
            }
        });
        Response::new(StreamBody::new(lines.boxed()).boxed_unsync())
    }
}

fn pair(pair: &str) -> Option<(String, String)> {
    let (key, value) = pair.split_once('=')?;
    Some((key.to_owned(), value.replace("%3D", "=").replace("%2C", ",")))
}

fn token(store: &Store) -> Value {
    let status = json!({"token": format!("token-{}", store.revision), "expirationTimestamp": "2026-01-02T04:04:05Z"});
    json!({"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "metadata": {}, "spec": {"audiences": []}, "status": status})
}

fn reply(answer: Result<Value, (u16, &str)>) -> Answer {
    let (code, body) = match answer {
        Ok(body) => (200, body),
        Err((code, reason)) => (
            code,
            json!({"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "message": reason, "reason": reason, "code": code}),
        ),
    };
    let mut response = Response::new(Full::new(Bytes::from(body.to_string())).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(code).expect("a status code");
    response
}

impl Store {
    fn put(&mut self, event: &'static str, key: Key, mut object: Value) -> Value {
        self.revision += 1;
        object["metadata"]["resourceVersion"] = json!(self.revision.to_string());
        if event == "DELETED" {
            self.objects.remove(&key);
        } else {
            self.objects.insert(key.clone(), object.clone());
        }
        self.history.push((self.revision, event, key, object.clone()));
        object
    }

    fn create(&mut self, place: &Place, mut object: Value) -> Result<Value, (u16, &'static str)> {
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let key = (place.plural.clone(), place.namespace.clone(), name);
        if self.objects.contains_key(&key) {
            return Err((409, "AlreadyExists"));
        }
        object["metadata"]["uid"] = json!(format!("uid-{}", self.revision + 1));
        if !place.namespace.is_empty() {
            object["metadata"]["namespace"] = json!(place.namespace);
        }
        Ok(self.put("ADDED", key, object))
    }

    fn patch(&mut self, place: &Place, patch: &Value, strategic: bool) -> Result<Value, (u16, &'static str)> {
        let mut object = self.objects.get(&place.key()).cloned().ok_or((404, "NotFound"))?;
        if patch["metadata"]["uid"].as_str().is_some_and(|uid| object["metadata"]["uid"] != uid) {
            return Err((409, "Conflict"));
        }
        let schema = sampan_api::schema();
        let kind = match place.plural.as_str() {
            "pods" => schema.get("core.v1.Pod"),
            "nodes" => schema.get("core.v1.Node"),
            _ => None,
        };
        match kind.filter(|_| strategic) {
            Some(kind) => sampan_meta::patch::strategic(schema, kind, &mut object, patch).expect("a good patch"),
            None => sampan_meta::patch::merge(&mut object, patch),
        }
        Ok(self.put("MODIFIED", place.key(), object))
    }

    fn delete(&mut self, place: &Place, grace: Option<i64>, uid: Option<&str>) -> Result<Value, (u16, &'static str)> {
        let mut object = self.objects.get(&place.key()).cloned().ok_or((404, "NotFound"))?;
        if uid.is_some_and(|uid| object["metadata"]["uid"] != uid) {
            return Err((409, "Conflict"));
        }
        let grace = grace.or_else(|| object["spec"]["terminationGracePeriodSeconds"].as_i64()).unwrap_or(30);
        if place.plural == "pods" && grace > 0 {
            object["metadata"]["deletionTimestamp"] = json!("2026-01-02T03:04:05Z");
            object["metadata"]["deletionGracePeriodSeconds"] = json!(grace);
            return Ok(self.put("MODIFIED", place.key(), object));
        }
        Ok(self.put("DELETED", place.key(), object))
    }

    fn list(&self, place: &Place, query: &BTreeMap<String, String>) -> Value {
        let selector = query.get("fieldSelector").map_or("", String::as_str);
        let items = self.objects.iter().filter(|(key, object)| covers(place, key) && selects(selector, object));
        let items: Vec<&Value> = items.map(|(_, object)| object).collect();
        json!({"kind": "List", "apiVersion": "v1", "metadata": {"resourceVersion": self.revision.to_string()}, "items": items})
    }

    fn events(&self, place: &Place, selector: &str, after: u64) -> String {
        let later = &self.history[self.history.partition_point(|(revision, ..)| *revision <= after)..];
        let events = later.iter().filter(|(_, _, key, object)| covers(place, key) && selects(selector, object));
        events.map(|(_, event, _, object)| json!({"type": event, "object": object}).to_string() + "\n").collect()
    }
}

fn covers(place: &Place, (plural, namespace, _): &Key) -> bool {
    *plural == place.plural && (place.namespace.is_empty() || place.namespace == *namespace)
}

fn selects(selector: &str, object: &Value) -> bool {
    let mut terms = selector.split(',').filter_map(|term| term.split_once('='));
    terms.all(|(path, wanted)| {
        object.pointer(&format!("/{}", path.replace('.', "/"))).and_then(Value::as_str) == Some(wanted)
    })
}
