use std::collections::BTreeMap;

use jiff::Timestamp;
use sampan_api::request::User;
use serde::{Deserialize, Serialize};

/// What a service-account token says (upstream's `pkg/serviceaccount/claims.go`). Times are seconds since 1970.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Claims {
    /// Whom it is for.
    pub aud: Vec<String>,
    /// Not after.
    pub exp: i64,
    /// Made at.
    pub iat: i64,
    /// By whom.
    pub iss: String,
    /// Its own id, for audit trails.
    #[serde(default)]
    pub jti: String,
    /// Not before.
    #[serde(default)]
    pub nbf: i64,
    /// `system:serviceaccount:NAMESPACE:NAME`
    pub sub: String,
    /// What it is bound to.
    #[serde(rename = "kubernetes.io")]
    pub kubernetes: Binding,
}

/// The objects a token is bound to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binding {
    /// Of the service account, and of the pod or secret.
    pub namespace: String,
    /// Whose token it is.
    pub serviceaccount: Named,
    /// The pod it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Named>,
    /// The secret it was made for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<Named>,
    /// The node it was made for; with a pod, the node that pod runs on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Named>,
}

/// One object and no later one of the same name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Named {
    /// metadata.name
    pub name: String,
    /// metadata.uid
    pub uid: String,
}

impl Claims {
    /// The user the token makes of its bearer.
    pub(super) fn user(&self) -> User {
        let Binding { namespace, serviceaccount, pod, node, .. } = &self.kubernetes;
        let extra = BTreeMap::from_iter(
            [
                ("credential-id", (!self.jti.is_empty()).then(|| format!("JTI={}", self.jti))),
                ("pod-name", pod.as_ref().map(|pod| pod.name.clone())),
                ("pod-uid", pod.as_ref().map(|pod| pod.uid.clone())),
                ("node-name", node.as_ref().map(|node| node.name.clone())),
                ("node-uid", node.as_ref().map(|node| node.uid.clone())),
            ]
            .into_iter()
            .filter_map(|(key, value)| Some((format!("authentication.kubernetes.io/{key}"), vec![value?]))),
        );
        User { uid: serviceaccount.uid.clone(), extra, ..User::service_account(namespace, &serviceaccount.name) }
    }

    /// Whether the token holds at this time, whatever it is bound to.
    pub(super) fn check_time(&self, now: Timestamp) -> Result<(), &'static str> {
        match now.as_second() {
            now if now >= self.exp => Err("service account token has expired"),
            now if now < self.nbf => Err("service account token is not valid yet"),
            _ => Ok(()),
        }
    }
}
