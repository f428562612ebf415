//! Fills Secrets of type `kubernetes.io/service-account-token` with a token of the account they name, for what runs outside of the
//! cluster; deletes them when the account is gone. As upstream's `pkg/controller/serviceaccount/tokens_controller.go`.
//!
//! Upstream's tokens of this kind never expire. Here they live as long as the server gives them, bound to their Secret, and are replaced
//! in time: whoever reads the Secret again has a good one.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use sampan_api::k8s::ByteString;
use sampan_api::k8s::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use sampan_api::k8s::api::core::v1::{Secret, ServiceAccount};
use sampan_client::{Api, DeleteParams, Informer, PostParams, Preconditions, ResourceExt, error};
use sampan_meta::time::{format_time, parse_time};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "serviceaccount-token-controller",
    identity: "service-account-token-controller",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["secrets"], verbs: &["get", "list", "watch", "update", "delete"] },
        Rule { group: "", resources: &["serviceaccounts"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["serviceaccounts/token"], verbs: &["create"] },
    ],
    make: |context| Arc::new(Tokens::new(context.clone())),
};

const TYPE: &str = "kubernetes.io/service-account-token";
const NAME: &str = "kubernetes.io/service-account.name";
const UID: &str = "kubernetes.io/service-account.uid";
/// When the token is to be replaced.
const RENEW: &str = "sampan.dev/service-account-token-renew";
/// The longest that may be asked for; the server gives what it gives.
const LIFE: i64 = 1 << 32;
/// Secrets by the account (`namespace/name`) they name.
const BY_ACCOUNT: &str = "account";

struct Tokens {
    cx: Context,
    secrets: Informer<Secret>,
    accounts: Informer<ServiceAccount>,
}

/// What to do about a Secret.
#[derive(Debug, PartialEq, Eq)]
enum Plan {
    /// It is in order, for so long.
    Keep(Option<Duration>),
    /// Its account is gone, or another one of the same name.
    Delete,
    /// It lacks something, or its token is old.
    Fill,
}

fn annotation<'a>(secret: &'a Secret, name: &str) -> Option<&'a str> {
    sampan_api::volume::annotation(&secret.metadata, name)
}

fn plan(secret: &Secret, account: Option<&ServiceAccount>, root_ca: &str, now: Timestamp) -> Plan {
    if secret.metadata.deletion_timestamp.is_some() {
        return Plan::Keep(None);
    }
    let Some(account) = account else { return Plan::Delete };
    let uid = account.metadata.uid.as_deref();
    if annotation(secret, UID).is_some_and(|known| Some(known) != uid) {
        return Plan::Delete;
    }
    let has = |name: &str| secret.data.as_ref().and_then(|data| data.get(name));
    let namespace = secret.metadata.namespace.as_deref().unwrap_or_default().as_bytes();
    let complete = has("token").is_some_and(|token| !token.0.is_empty())
        && has("ca.crt").is_some_and(|held| held.0 == root_ca.as_bytes())
        && has("namespace").is_some_and(|held| held.0 == namespace)
        && annotation(secret, UID).is_some();
    let renew = annotation(secret, RENEW).and_then(|text| parse_time(text).ok());
    let left = renew.and_then(|renew| Duration::try_from(renew.duration_since(now)).ok());
    match left.filter(|left| complete && !left.is_zero()) {
        Some(left) => Plan::Keep(Some(left)),
        None => Plan::Fill,
    }
}

/// After four fifths of its life.
fn renew(now: Timestamp, expires: Timestamp) -> Timestamp {
    let life = expires.duration_since(now);
    now.saturating_add(SignedDuration::from_secs(life.as_secs() / 5 * 4)).unwrap_or(expires)
}

impl Tokens {
    fn new(cx: Context) -> Self {
        let api = Api::<Secret>::all(cx.client.clone());
        let secrets = Informer::builder(api).fields(&format!("type={TYPE}")).start(cx.entropy.clone());
        secrets.add_index(BY_ACCOUNT, |secret| account_of(secret).iter().map(Key::to_string).collect());
        Self { secrets, accounts: cx.informer(), cx }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(secret) = self.secrets.get(key) else { return Ok(Next::Settled) };
        let Some(account) = account_of(&secret) else { return Ok(Next::Settled) };
        let now = self.cx.now();
        let mut found = self.accounts.get(&account);
        if found.is_none() {
            // Not by hearsay: the account may have come with the Secret.
            found = self.cx.api::<ServiceAccount>(&account.namespace).get_opt(&account.name).await?.map(Arc::new);
        }
        match plan(&secret, found.as_deref(), &self.cx.settings.root_ca, now) {
            Plan::Keep(time) => Ok(Next::from(time)),
            Plan::Delete => {
                let preconditions = Some(Preconditions { uid: secret.uid(), resource_version: None });
                let parameters = DeleteParams { preconditions, ..DeleteParams::default() };
                match self.cx.api::<Secret>(&key.namespace).delete(&key.name, &parameters).await {
                    Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
                    _ => Ok(Next::Settled),
                }
            }
            Plan::Fill => self.fill(&secret, &account, now).await,
        }
    }

    async fn fill(&self, secret: &Secret, account: &Key, now: Timestamp) -> Result<Next, Failure> {
        let accounts = self.cx.api::<ServiceAccount>(&account.namespace);
        let bound = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Secret".to_owned()),
            name: secret.metadata.name.clone(),
            uid: secret.metadata.uid.clone(),
        };
        let spec = TokenRequestSpec { audiences: None, bound_object_ref: Some(bound), expiration_seconds: Some(LIFE) };
        let body = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let answer: TokenRequest =
            accounts.create_subresource("token", &account.name, &PostParams::default(), &body).await?;
        let status = answer.status.unwrap_or_default();
        let (token, expires) =
            (status.token.unwrap_or_default(), status.expiration_timestamp.map_or(now, |time| time.0));
        let uid = accounts.get(&account.name).await?.metadata.uid.unwrap_or_default();
        let mut changed = secret.clone();
        let annotations = changed.metadata.annotations.get_or_insert_default();
        annotations.insert(UID.to_owned(), uid);
        annotations.insert(RENEW.to_owned(), format_time(renew(now, expires)));
        let data = changed.data.get_or_insert_default();
        data.insert("token".to_owned(), ByteString(token.into_bytes()));
        data.insert("ca.crt".to_owned(), ByteString(self.cx.settings.root_ca.clone().into_bytes()));
        data.insert("namespace".to_owned(), ByteString(account.namespace.clone().into_bytes()));
        let api: Api<Secret> = self.cx.api(&account.namespace);
        match api.replace(&secret.name_any(), &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            // The change brings it back, to wait for its renewal.
            _ => Ok(Next::Settled),
        }
    }
}

fn account_of(secret: &Secret) -> Option<Key> {
    let name = annotation(secret, NAME).filter(|name| !name.is_empty())?;
    Some(Key::new(secret.metadata.namespace.clone().unwrap_or_default(), name))
}

impl Controller for Tokens {
    fn watches(&self) -> Vec<Watch> {
        let secrets = self.secrets.clone();
        let by_account = Watch::new(&self.accounts, move |change| {
            let account = change.object();
            let account = Key::new(account.metadata.namespace.clone().unwrap_or_default(), account.name_any());
            let named = secrets.by_index(BY_ACCOUNT, &account.to_string());
            named.iter().map(|secret| Key::new(account.namespace.clone(), secret.name_any())).collect()
        });
        vec![Watch::each(&self.secrets), by_account]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::testing::{ago, now, object};

    /// `ROOT` and `default` in base64.
    fn data() -> Value {
        json!({ "token": "dG9rZW4=", "ca.crt": "Uk9PVA==", "namespace": "ZGVmYXVsdA==" })
    }

    fn check(uid: Option<&str>, renew: Option<&str>, data: Value, account: Option<&str>, expected: Plan) {
        let mut annotations = json!({ NAME: "robot" });
        uid.into_iter().for_each(|uid| annotations[UID] = json!(uid));
        renew.into_iter().for_each(|renew| annotations[RENEW] = json!(renew));
        let metadata = json!({ "name": "s", "namespace": "default", "annotations": annotations });
        let secret: Secret = object(json!({ "metadata": metadata, "type": TYPE, "data": data }));
        let account: Option<ServiceAccount> =
            account.map(|uid| object(json!({ "metadata": { "name": "robot", "uid": uid } })));
        assert_eq!(plan(&secret, account.as_ref(), "ROOT", now()), expected);
    }

    #[test]
    fn a_secret_is_filled_kept_renewed_and_goes_with_its_account() {
        let later = "2026-01-02T04:04:05Z";
        check(None, None, json!({}), Some("a"), Plan::Fill);
        check(Some("a"), Some(later), data(), Some("a"), Plan::Keep(Some(Duration::from_secs(3600))));
        check(Some("a"), Some(&ago(1)), data(), Some("a"), Plan::Fill);
        check(Some("a"), Some(later), json!({ "token": "dG9rZW4=" }), Some("a"), Plan::Fill);
        check(Some("a"), Some(later), data(), None, Plan::Delete);
        check(Some("a"), Some(later), data(), Some("another"), Plan::Delete);
        check(None, None, json!({}), None, Plan::Delete);
    }

    #[test]
    fn a_token_is_replaced_after_four_fifths_of_its_life() {
        let expires = now() + SignedDuration::from_secs(1000);
        assert_eq!(renew(now(), expires), now() + SignedDuration::from_secs(800));
    }
}
