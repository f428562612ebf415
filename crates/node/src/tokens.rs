//! Service account tokens for projected volumes, asked of the apiserver and asked again before they age.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use parking_lot::Mutex;
use sampan_api::k8s::api::authentication::v1::{BoundObjectReference, TokenRequest, TokenRequestSpec};
use sampan_api::k8s::api::core::v1::{Pod, ServiceAccount};
use sampan_client::{Api, Client, PostParams};

use crate::pod::facts;
use crate::pod::state::later;
use crate::volumes::{TokenKey, Tokens, token_requests};

/// A token is renewed at the latest after a day, as the kubelet's token manager does.
const OLDEST: Duration = Duration::from_secs(24 * 3600);
/// How soon a renewal that failed is tried again while the old token is good.
const RETRY: Duration = Duration::from_secs(60);

pub(crate) struct TokenSource {
    client: Client,
    /// By the pod's UID.
    known: Mutex<BTreeMap<String, BTreeMap<TokenKey, Arc<Issued>>>>,
}

struct Issued {
    token: String,
    expires: Timestamp,
    renew: Timestamp,
}

impl TokenSource {
    pub(crate) fn new(client: Client) -> Self {
        Self { client, known: Mutex::default() }
    }

    /// The tokens the pod's volumes need, and when to come again for newer ones.
    pub(crate) async fn tokens(&self, pod: &Pod, now: Timestamp) -> Result<(Tokens, Option<Timestamp>), String> {
        let (mut tokens, mut refresh) = (Tokens::new(), None::<Timestamp>);
        for key in token_requests(pod) {
            let (token, renew) = self.token(pod, &key, now).await?;
            refresh = Some(refresh.map_or(renew, |refresh| refresh.min(renew)));
            tokens.insert(key, token);
        }
        Ok((tokens, refresh))
    }

    async fn token(&self, pod: &Pod, key: &TokenKey, now: Timestamp) -> Result<(String, Timestamp), String> {
        let uid = facts::uid(pod);
        let known = self.known.lock().get(uid).and_then(|tokens| tokens.get(key)).cloned();
        if let Some(known) = known.as_ref().filter(|known| known.renew > now) {
            return Ok((known.token.clone(), known.renew));
        }
        match self.request(pod, key, now).await {
            Ok(issued) => {
                let answer = (issued.token.clone(), issued.renew);
                self.known.lock().entry(uid.to_owned()).or_default().insert(key.clone(), Arc::new(issued));
                Ok(answer)
            }
            Err(error) => match known.filter(|known| known.expires > now) {
                Some(known) => Ok((known.token.clone(), later(now, RETRY))),
                None => Err(error),
            },
        }
    }

    async fn request(&self, pod: &Pod, (audience, seconds): &TokenKey, now: Timestamp) -> Result<Issued, String> {
        let account = facts::spec(pod).and_then(|spec| spec.service_account_name.as_deref()).unwrap_or("default");
        let bound = BoundObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Pod".to_owned()),
            name: pod.metadata.name.clone(),
            uid: pod.metadata.uid.clone(),
        };
        let audiences = Some(audience.clone()).filter(|audience| !audience.is_empty()).map(|audience| vec![audience]);
        let spec = TokenRequestSpec { audiences, bound_object_ref: Some(bound), expiration_seconds: Some(*seconds) };
        let body = TokenRequest { spec: Some(spec), ..TokenRequest::default() };
        let api = Api::<ServiceAccount>::namespaced(self.client.clone(), facts::namespace(pod));
        let answer =
            api.create_subresource::<TokenRequest, TokenRequest>("token", account, &PostParams::default(), &body).await;
        let answer = answer.map_err(|error| {
            format!("failed to fetch token for service account {account}: {}", sampan_client::error::message(&error))
        })?;
        let status = answer.status.ok_or("the apiserver issued no token")?;
        let expires = status.expiration_timestamp.map_or_else(|| later(now, facts::seconds(*seconds)), |time| time.0);
        let token = status.token.ok_or("the apiserver issued an empty token")?;
        Ok(Issued { renew: renew(now, expires), token, expires })
    }

    pub(crate) fn forget(&self, uid: &str) {
        self.known.lock().remove(uid);
    }
}

/// After four fifths of its life, and within a day.
fn renew(now: Timestamp, expires: Timestamp) -> Timestamp {
    let life = Duration::try_from(expires.duration_since(now)).unwrap_or_default();
    later(now, life.mul_f64(0.8).min(OLDEST))
}
