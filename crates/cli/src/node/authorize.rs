//! Who may use the node's own API: whoever the apiserver says may use this node (a SubjectAccessReview on `nodes/log`, `nodes/metrics`,
//! …, as the kubelet's webhook mode asks it), remembered for a short while.

use std::collections::HashMap;
use std::time::Duration;

use futures::future::BoxFuture;
use sampan_client::Client;
use sampan_node::{Caller, NodeAuthorizer, subresource};
use serde_json::{Value, json};
use tokio::time::Instant;

/// The kubelet remembers a yes for 5 minutes and a no for 30 seconds; both are short here, since asking costs little.
const REMEMBERED: Duration = Duration::from_secs(10);

/// Answers kept at most; beyond that all are forgotten.
const MOST: usize = 1024;

/// Who, which verb, which subresource of the node.
type Question = (String, String, String);

pub(super) struct BySubjectAccessReview {
    client: Client,
    node: String,
    remembered: std::sync::Mutex<HashMap<Question, (bool, Instant)>>,
}

impl BySubjectAccessReview {
    pub(super) fn new(client: Client, node: String) -> Self {
        Self { client, node, remembered: std::sync::Mutex::default() }
    }

    fn known(&self, key: &Question) -> Option<bool> {
        let remembered = self.remembered.lock().expect("nobody panics while holding it");
        remembered.get(key).filter(|(_, since)| since.elapsed() < REMEMBERED).map(|(allowed, _)| *allowed)
    }

    fn remember(&self, key: Question, allowed: bool) {
        let mut remembered = self.remembered.lock().expect("nobody panics while holding it");
        if remembered.len() >= MOST {
            remembered.clear();
        }
        remembered.insert(key, (allowed, Instant::now()));
    }

    async fn ask(&self, caller: &Caller, verb: &str, path: &str) -> Option<bool> {
        let review = json!({"apiVersion": "authorization.k8s.io/v1", "kind": "SubjectAccessReview", "spec": {
            "user": caller.name, "groups": caller.groups,
            "resourceAttributes": {
                "verb": verb, "version": "v1", "resource": "nodes", "subresource": subresource(path), "name": self.node,
            },
        }});
        let request = http::Request::post("/apis/authorization.k8s.io/v1/subjectaccessreviews")
            .header(http::header::CONTENT_TYPE, "application/json")
            .body(serde_json::to_vec(&review).ok()?)
            .ok()?;
        match self.client.request::<Value>(request).await {
            Ok(answer) => answer["status"]["allowed"].as_bool(),
            Err(error) => {
                tracing::warn!(user = caller.name, path, %error, "failed to ask whether a request to the node is allowed");
                None
            }
        }
    }
}

impl NodeAuthorizer for BySubjectAccessReview {
    fn allowed<'a>(&'a self, caller: &'a Caller, verb: &'a str, path: &'a str) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let key = (caller.name.clone(), verb.to_owned(), subresource(path).to_owned());
            if let Some(allowed) = self.known(&key) {
                return allowed;
            }
            let Some(allowed) = self.ask(caller, verb, path).await else { return false };
            self.remember(key, allowed);
            allowed
        })
    }
}
