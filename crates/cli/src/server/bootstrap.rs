//! What every cluster starts with: namespaces, priority classes, roles and bindings, and the Service of the API itself. Brought up to
//! this version's expectations at each start; what somebody added stays.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};
use futures::StreamExt;
use sampan_access::bootstrap::{Reconciled, objects, reconcile};
use sampan_access::extension_authentication;
use sampan_client::Client;
use serde_json::Value;

use super::Server;
use crate::cluster::{Stored, create, delete, fetch, replace};

/// Writes in flight at once: they share transactions.
const AT_ONCE: usize = 64;
/// Looks at an object that others write at the same time.
const ATTEMPTS: usize = 10;

pub(super) async fn run(server: &Server, address: (Ipv4Addr, u16)) -> Result<()> {
    let client = server.admin();
    let (namespaces, rest): (Vec<_>, Vec<_>) =
        objects().into_iter().chain(server.oci.objects()).partition(is_namespace);
    for some in [namespaces, rest] {
        let mut written = futures::stream::iter(some).map(|object| ensure(&client, object)).buffer_unordered(AT_ONCE);
        while let Some(done) = written.next().await {
            done?;
        }
    }
    trust_extensions(server, &client).await?;
    server.publish(address).await
}

/// Lets extension servers know this one; other servers of the cluster say so in the same place.
async fn trust_extensions(server: &Server, client: &Client) -> Result<()> {
    let (clients, front_proxy) = (server.authority.certificate_pem(), server.front_proxy.certificate_pem());
    let place = Stored::of(&extension_authentication(None, clients, front_proxy))?;
    let existing = fetch(client, &place).await?;
    ensure(client, extension_authentication(existing.as_ref(), clients, front_proxy)).await
}

fn is_namespace(object: &Value) -> bool {
    object["kind"] == "Namespace"
}

/// Roles and bindings are brought up to date, and so is what a Secret or ConfigMap says: the registry may have another address at each
/// start. Everything else is only made when it is not there.
fn wanted(existing: Option<&Value>, expected: &Value) -> Reconciled {
    let is_policy = expected["apiVersion"].as_str().is_some_and(|version| version.starts_with("rbac."));
    match (existing, expected.get("data")) {
        (Some(existing), Some(data)) if !is_policy && existing["data"] != *data => {
            let mut updated = existing.clone();
            updated["data"] = data.clone();
            Reconciled::Update(updated)
        }
        (Some(_), _) if !is_policy => Reconciled::Unchanged,
        _ => reconcile(existing, expected),
    }
}

/// Another server on the same store may do the same at the same moment: then what it wrote is looked at again.
async fn ensure(client: &Client, expected: Value) -> Result<()> {
    for _ in 1..ATTEMPTS {
        match ensure_once(client, expected.clone()).await {
            Err(error) if error.chain().any(|cause| cause.downcast_ref().is_some_and(is_conflict)) => {}
            done => return done,
        }
    }
    ensure_once(client, expected).await
}

fn is_conflict(error: &sampan_client::Error) -> bool {
    matches!(error, sampan_client::Error::Api(status) if status.code == 409)
}

async fn ensure_once(client: &Client, expected: Value) -> Result<()> {
    let stored = Stored::of(&expected)?;
    let existing = fetch(client, &stored).await?;
    let done = match wanted(existing.as_ref(), &expected) {
        Reconciled::Unchanged => Ok(()),
        Reconciled::Create(object) => create(client, &stored, &object).await,
        Reconciled::Update(object) => replace(client, &stored, &object).await,
        Reconciled::Recreate(object) => {
            delete(client, &stored).await?;
            create(client, &stored, &object).await
        }
    };
    done.with_context(|| format!("failed to set up {stored}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn what_is_there_is_left_alone_but_for_what_it_says() {
        let map =
            |data: Value| json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": data});
        let mut there = map(json!({"host": "old"}));
        there["metadata"]["labels"] = json!({"mine": "yes"});
        assert!(matches!(wanted(Some(&there), &map(json!({"host": "old"}))), Reconciled::Unchanged));
        let Reconciled::Update(updated) = wanted(Some(&there), &map(json!({"host": "new"}))) else {
            panic!("no update")
        };
        assert_eq!((&updated["data"]["host"], &updated["metadata"]["labels"]["mine"]), (&json!("new"), &json!("yes")));
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}});
        assert!(matches!(wanted(Some(&there), &namespace), Reconciled::Unchanged));
        assert!(matches!(wanted(None, &namespace), Reconciled::Create(_)));
    }
}
