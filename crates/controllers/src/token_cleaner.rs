//! Deletes bootstrap tokens that have expired, the moment they do. As upstream's `pkg/controller/bootstrap/tokencleaner.go`.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::Secret;
use sampan_client::{Api, DeleteParams, Informer, Preconditions, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "token-cleaner",
    identity: "token-cleaner",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["secrets"], verbs: &["get", "list", "watch", "delete"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(TokenCleaner::new(context.clone())),
};

const NAMESPACE: &str = "kube-system";
const TYPE: &str = "bootstrap.kubernetes.io/token";

struct TokenCleaner {
    cx: Context,
    secrets: Informer<Secret>,
}

#[derive(Debug, PartialEq, Eq)]
enum Plan {
    Keep,
    Wait(Duration),
    Delete,
}

/// A token whose expiration cannot be read has expired, as upstream: better none than one for ever.
fn plan(secret: &Secret, now: Timestamp) -> Plan {
    let expiration = secret.data.as_ref().and_then(|data| data.get("expiration"));
    let Some(expiration) = expiration.filter(|_| secret.type_.as_deref() == Some(TYPE)) else { return Plan::Keep };
    let expiration = std::str::from_utf8(&expiration.0).ok().and_then(|text| sampan_meta::time::parse_time(text).ok());
    let left = expiration.and_then(|expiration| Duration::try_from(expiration.duration_since(now)).ok());
    left.filter(|left| !left.is_zero()).map_or(Plan::Delete, Plan::Wait)
}

impl TokenCleaner {
    fn new(cx: Context) -> Self {
        let api = Api::<Secret>::namespaced(cx.client.clone(), NAMESPACE);
        let secrets = Informer::builder(api).fields(&format!("type={TYPE}")).start(cx.entropy.clone());
        Self { cx, secrets }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(secret) = self.secrets.get(key) else { return Ok(Next::Settled) };
        match plan(&secret, self.cx.clock.now()) {
            Plan::Keep => Ok(Next::Settled),
            Plan::Wait(delay) => Ok(Next::After(delay)),
            Plan::Delete => {
                let preconditions = Some(Preconditions { uid: secret.uid(), resource_version: None });
                let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
                match self.cx.api::<Secret>(NAMESPACE).delete(&key.name, &parameters).await {
                    Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
                    _ => Ok(Next::Settled),
                }
            }
        }
    }
}

impl Controller for TokenCleaner {
    fn watches(&self) -> Vec<Watch> {
        vec![Watch::each(&self.secrets)]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::now;
    use sampan_api::k8s::ByteString;
    use std::collections::BTreeMap;

    fn check(type_: &str, expiration: Option<&str>, expected: Plan) {
        let data =
            expiration.map(|text| BTreeMap::from([("expiration".to_owned(), ByteString(text.as_bytes().to_vec()))]));
        let secret = Secret { type_: Some(type_.to_owned()), data, ..Secret::default() };
        assert_eq!(plan(&secret, now()), expected);
    }

    #[test]
    fn only_expired_tokens_are_deleted() {
        check(TYPE, Some("2026-01-02T03:04:05Z"), Plan::Delete);
        check(TYPE, Some("2026-01-02T03:05:05Z"), Plan::Wait(Duration::from_secs(60)));
        check(TYPE, Some("tomorrow"), Plan::Delete);
        check(TYPE, None, Plan::Keep);
        check("Opaque", Some("2020-01-01T00:00:00Z"), Plan::Keep);
    }
}
