//! Asks nodes, and keeps what each said last.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use http::{Request, StatusCode};
use http_body_util::BodyExt as _;
use sampan_api::request::Lister;
use sampan_meta::{GroupResource, object};
use serde_json::Value;
use tokio::time::Instant;

use super::Kind;
use super::documents;
use super::reading::Reading;
use crate::connect::node_target;
use crate::decode::RequestBody;
use crate::pipeline::Call;

/// Nodes asked at the same time.
const AT_ONCE: usize = 32;
/// A node that has not answered by then is left out.
const PATIENCE: Duration = Duration::from_secs(5);
/// A page is not longer than this; ten thousand pods are a tenth of it.
const PAGE_BYTES: usize = 64 << 20;
/// A node is not asked again before.
const FRESH: Duration = Duration::from_secs(5);
/// What a node said longer ago says nothing about now.
const STALE: Duration = Duration::from_secs(60);
/// Between the two readings for the first who asks.
const FIRST_WINDOW: Duration = Duration::from_secs(1);

/// What nodes said last.
#[derive(Default)]
pub(crate) struct Collected {
    nodes: Mutex<BTreeMap<String, Arc<tokio::sync::Mutex<History>>>>,
}

/// The last two readings of a node.
#[derive(Default)]
struct History {
    before: Option<Taken>,
    latest: Option<Taken>,
}

struct Taken {
    at: Instant,
    reading: Arc<Reading>,
}

/// What has to be done before there is an answer.
#[derive(Debug, PartialEq, Eq)]
enum Step {
    Nothing,
    Ask,
    AskTwice,
}

/// What was found out.
#[derive(Default)]
pub(super) struct Found {
    /// `NodeMetrics` or `PodMetrics`, without kind and version, in the order of their objects.
    pub(super) items: Vec<Value>,
    /// Why nodes could not be asked.
    pub(super) unreachable: Vec<String>,
}

/// What these nodes or pods use. Those of which nothing is known are left out.
pub(super) async fn used(call: &Call, kind: &Kind, objects: &[Arc<Value>]) -> Found {
    let node_of = |object: &Arc<Value>| {
        let node = if kind.namespaced { object::str_at(object, "/spec/nodeName") } else { Some(object::name(object)) };
        node.filter(|node| !node.is_empty()).map(str::to_owned)
    };
    let mut names: Vec<String> = objects.iter().filter_map(node_of).collect();
    names.sort();
    names.dedup();
    let asked = futures::stream::iter(names).map(|name| async {
        let readings = readings(call, &name).await;
        (name, readings)
    });
    let answers: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
    let (mut found, mut readings) = (Found::default(), BTreeMap::new());
    for (name, answer) in answers {
        match answer {
            Ok(pair) => drop(readings.insert(name, pair)),
            Err(why) => found.unreachable.push(why),
        }
    }
    let now = call.server.clock.now();
    let items = objects.iter().filter_map(|object| {
        let (before, latest) = readings.get(&node_of(object)?)?;
        if kind.namespaced {
            documents::pod(object, before, latest, now)
        } else {
            documents::node(object, before, latest, now)
        }
    });
    found.items = items.collect();
    found
}

/// The last two readings of a node, taken now where they are not fresh. Who asks meanwhile waits for the same ones.
async fn readings(call: &Call, node: &str) -> Result<(Arc<Reading>, Arc<Reading>), String> {
    let history = call.server.usage.history(call, node);
    let mut history = history.lock().await;
    match history.step(Instant::now()) {
        Step::Nothing => {}
        Step::Ask => history.add(ask(call, node).await?),
        Step::AskTwice => {
            *history = History::default();
            history.add(ask(call, node).await?);
            tokio::time::sleep(FIRST_WINDOW).await;
            history.add(ask(call, node).await?);
        }
    }
    let pair = history.before.as_ref().zip(history.latest.as_ref());
    let (before, latest) = pair.expect("every step above leaves two readings");
    Ok((before.reading.clone(), latest.reading.clone()))
}

impl Collected {
    /// What is known of a node; of nodes that are no more, nothing is kept.
    fn history(&self, call: &Call, node: &str) -> Arc<tokio::sync::Mutex<History>> {
        let mut nodes = self.nodes.lock().unwrap_or_else(PoisonError::into_inner);
        if !nodes.contains_key(node) {
            let resource = GroupResource::new("", "nodes");
            nodes.retain(|name, _| Lister::get(&*call.server.registry, &resource, "", name).is_some());
        }
        nodes.entry(node.to_owned()).or_default().clone()
    }
}

impl History {
    fn step(&self, now: Instant) -> Step {
        let age = self.latest.as_ref().map(|latest| now.duration_since(latest.at));
        match (age, &self.before) {
            (Some(age), Some(_)) if age < FRESH => Step::Nothing,
            // Without one before, the first who asked has left before the second reading.
            (Some(age), before) if age < STALE && (before.is_some() || age >= FIRST_WINDOW) => Step::Ask,
            _ => Step::AskTwice,
        }
    }

    fn add(&mut self, reading: Reading) {
        self.before = self.latest.take();
        self.latest = Some(Taken { at: Instant::now(), reading: Arc::new(reading) });
    }
}

async fn ask(call: &Call, node: &str) -> Result<Reading, String> {
    let answer = tokio::time::timeout(PATIENCE, page(call, node)).await;
    let page = answer.unwrap_or_else(|_| Err("it took too long".to_owned()));
    page.map(|page| Reading::parse(&page)).map_err(|why| format!("node {node} did not say what it uses: {why}"))
}

async fn page(call: &Call, node: &str) -> Result<String, String> {
    let target = node_target(call, node).map_err(|status| status.message)?;
    let request = Request::get("/metrics/resource")
        .header(http::header::HOST, target.authority())
        .body(RequestBody::new(http_body_util::Empty::new().map_err(|never| match never {})))
        .map_err(|error| error.to_string())?;
    let answer = call.server.nodes.send(&target, request).await.map_err(|error| error.to_string())?;
    let code = answer.status();
    let body = http_body_util::Limited::new(answer.into_body(), PAGE_BYTES).collect().await;
    let body = body.map_err(|error| error.to_string())?.to_bytes();
    let text = String::from_utf8_lossy(&body).into_owned();
    if code == StatusCode::OK { Ok(text) } else { Err(format!("{code}: {}", text.trim())) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn a_node_is_asked_no_more_often_than_an_answer_needs() {
        let mut history = History::default();
        assert_eq!(history.step(Instant::now()), Step::AskTwice, "nothing is known");
        history.add(Reading::default());
        assert_eq!(history.step(Instant::now()), Step::AskTwice, "one reading is no rate");
        let later = |seconds| Instant::now() + Duration::from_secs(seconds);
        assert_eq!(history.step(later(2)), Step::Ask);
        history.add(Reading::default());
        assert_eq!(history.step(later(4)), Step::Nothing);
        assert_eq!(history.step(later(15)), Step::Ask);
        assert_eq!(history.step(later(61)), Step::AskTwice, "it is too old to compare with");
    }
}
