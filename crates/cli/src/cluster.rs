//! Objects of a cluster as plain values: what bootstrap, the demo and the client commands write.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use futures::{StreamExt, pin_mut};
use sampan_client::{
    Api, ApiResource, Client, DeleteParams, DynamicObject, Error, Patch, PatchParams, PostParams, WatchEvent,
    WatchParams,
};
use serde_json::Value;

use crate::arguments;
use crate::parts::Hint;

/// Where an object is kept, read from the object itself.
pub(crate) struct Stored {
    resource: ApiResource,
    namespace: Option<String>,
    name: String,
}

impl fmt::Display for Stored {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = self.resource.kind.to_lowercase();
        match &self.namespace {
            Some(namespace) => write!(f, "{kind} {namespace}/{}", self.name),
            None => write!(f, "{kind} {}", self.name),
        }
    }
}

impl Stored {
    /// Reads kind, namespace and name. The plural is formed by Kubernetes' own rules, which hold for every built-in kind.
    pub(crate) fn of(object: &Value) -> Result<Self> {
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let (version, kind, name) = (text("/apiVersion"), text("/kind"), text("/metadata/name"));
        if version.is_empty() || kind.is_empty() || name.is_empty() {
            bail!("an object needs apiVersion, kind and metadata.name; got {version:?}, {kind:?}, {name:?}");
        }
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = sampan_client::GroupVersionKind::gvk(group, version, kind);
        let namespace = Some(text("/metadata/namespace").to_owned()).filter(|namespace| !namespace.is_empty());
        Ok(Self { resource: ApiResource::from_gvk(&kind), namespace, name: name.to_owned() })
    }

    /// The same kind of object under another name.
    pub(crate) fn named(api_version: &str, kind: &str, namespace: &str, name: &str) -> Result<Self> {
        Self::of(
            &serde_json::json!({"apiVersion": api_version, "kind": kind, "metadata": {"namespace": namespace, "name": name}}),
        )
    }

    pub(crate) fn api(&self, client: &Client) -> Api<DynamicObject> {
        match &self.namespace {
            Some(namespace) => Api::namespaced_with(client.clone(), namespace, &self.resource),
            None => Api::all_with(client.clone(), &self.resource),
        }
    }
}

/// The object as it is, if it is there.
pub(crate) async fn fetch(client: &Client, stored: &Stored) -> Result<Option<Value>> {
    let object = stored.api(client).get_opt(&stored.name).await.with_context(|| format!("failed to read {stored}"))?;
    object.map(|object| serde_json::to_value(object).context("an object is JSON")).transpose()
}

/// The object, waited for by a watch if it is not there yet: after a start, controllers need a moment for what every cluster has.
pub(crate) async fn appears(client: &Client, stored: &Stored, patience: Duration) -> Result<Value> {
    let seen = tokio::time::timeout(patience, first_seen(client, stored)).await;
    seen.with_context(|| Hint("look in the server's log for why its controllers do not run".into()))
        .with_context(|| format!("{stored} did not appear in {} s", patience.as_secs()))?
}

async fn first_seen(client: &Client, stored: &Stored) -> Result<Value> {
    let named = WatchParams::default().fields(&format!("metadata.name={}", stored.name));
    let failed = || format!("failed to watch {stored}");
    // From version 0: what is there comes as added.
    let api = stored.api(client);
    let events = api.watch(&named, "0").await.with_context(failed)?;
    pin_mut!(events);
    while let Some(event) = events.next().await {
        if let WatchEvent::Added(object) | WatchEvent::Modified(object) = event.with_context(failed)? {
            return serde_json::to_value(object).context("an object is JSON");
        }
    }
    bail!("the server ended the watch of {stored}")
}

pub(crate) async fn create(client: &Client, stored: &Stored, object: &Value) -> Result<()> {
    let object = serde_json::from_value(object.clone())?;
    stored
        .api(client)
        .create(&PostParams::default(), &object)
        .await
        .with_context(|| format!("failed to create {stored}"))?;
    Ok(())
}

pub(crate) async fn replace(client: &Client, stored: &Stored, object: &Value) -> Result<()> {
    let object = serde_json::from_value(object.clone())?;
    let replaced = stored.api(client).replace(&stored.name, &PostParams::default(), &object).await;
    replaced.with_context(|| format!("failed to update {stored}"))?;
    Ok(())
}

pub(crate) async fn delete(client: &Client, stored: &Stored) -> Result<()> {
    let deleted = stored.api(client).delete(&stored.name, &DeleteParams::default()).await;
    deleted.with_context(|| format!("failed to delete {stored}"))?;
    Ok(())
}

/// Creates the object, or merges it into the one that is there. Returns what was done, in kubectl's words.
pub(crate) async fn apply(client: &Client, object: &Value) -> Result<&'static str> {
    let stored = Stored::of(object)?;
    let typed: DynamicObject = serde_json::from_value(object.clone())?;
    match stored.api(client).create(&PostParams::default(), &typed).await {
        Ok(_) => Ok("created"),
        Err(Error::Api(status)) if status.reason == "AlreadyExists" => {
            let patched = stored.api(client).patch(&stored.name, &PatchParams::default(), &Patch::Merge(object)).await;
            patched.with_context(|| format!("failed to update {stored}"))?;
            Ok("configured")
        }
        Err(error) => Err(error).with_context(|| format!("failed to create {stored}")),
    }
}

/// A client for the cluster a command was pointed at.
pub(crate) async fn connect(cluster: &arguments::Cluster) -> Result<Client> {
    let path = kubeconfig(cluster)?;
    let client = sampan_client::from_kubeconfig(&path).await;
    client.with_context(|| format!("failed to use {}", path.display()))
}

fn kubeconfig(cluster: &arguments::Cluster) -> Result<PathBuf> {
    let path = cluster.kubeconfig.clone().unwrap_or_else(|| cluster.data.data_dir.join("kubeconfig"));
    if !path.exists() {
        let hint = Hint("start a cluster with: sampan up; or point at one with --kubeconfig FILE or KUBECONFIG".into());
        return Err(anyhow::Error::new(hint).context(format!("no cluster found: {} does not exist", path.display())));
    }
    Ok(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn an_object_says_where_it_is_kept() {
        let stored = Stored::of(
            &json!({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"namespace": "a", "name": "b"}}),
        );
        let stored = stored.unwrap();
        assert_eq!((stored.to_string().as_str(), stored.resource.plural.as_str()), ("deployment a/b", "deployments"));
        let error = Stored::of(&json!({"kind": "Pod"})).map(drop).unwrap_err().to_string();
        assert!(error.contains("needs apiVersion, kind and metadata.name"), "{error}");
    }

    /// A server that answers the only request with what is written to `body`, as it comes.
    fn answering(body: impl futures::Stream<Item = String> + Send + 'static) -> Client {
        let mut body = Some(axum::body::Body::from_stream(body.map(Ok::<_, std::convert::Infallible>)));
        let service = tower::service_fn(move |_: http::Request<_>| {
            let body = body.take().expect("one request is enough");
            async move { Ok::<_, std::convert::Infallible>(http::Response::new(body)) }
        });
        sampan_client::in_process(service, "default")
    }

    const AUTHORITY: &str = "configmap kube-system/kube-root-ca.crt";

    fn authority() -> Stored {
        Stored::named("v1", "ConfigMap", "kube-system", "kube-root-ca.crt").unwrap()
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_comes_later_is_waited_for() {
        let object = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "kube-root-ca.crt"}, "data": {"a": "1"}});
        let event = format!("{}\n", json!({"type": "ADDED", "object": object}));
        let later = futures::stream::once(async move {
            tokio::time::sleep(Duration::from_secs(20)).await;
            event
        });
        let seen = appears(&answering(later), &authority(), Duration::from_secs(30)).await.unwrap();
        assert_eq!(seen["data"]["a"], "1");
    }

    #[tokio::test(start_paused = true)]
    async fn an_object_that_never_comes_is_named_in_the_error() {
        let error = appears(&answering(futures::stream::pending()), &authority(), Duration::from_secs(30)).await;
        assert_eq!(error.unwrap_err().to_string(), format!("{AUTHORITY} did not appear in 30 s"));
    }
}
