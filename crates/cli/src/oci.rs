//! The cluster's own OCI registry: where it listens, who may use it, and how others find it.
//!
//! Images name it by [`HOST`], whatever address it has on this machine. Its two passwords are Secrets of `kube-system`: nodes may read the
//! one to pull with, whoever may read the other may push. Tools that look for a registry of a development cluster find it by the
//! ConfigMap `kube-public/local-registry-hosting` (KEP-1755).

use std::net::Ipv4Addr;
use std::sync::Arc;

use anyhow::{Context, Result};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use futures::future::BoxFuture;
use sampan_client::Client;
use sampan_meta::Entropy;
use sampan_oci::{Access, Limits, Registry};
use sampan_runtime::Credentials;
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::cluster::{Stored, fetch};
use crate::layout::Layout;
use crate::parts::{Hint, Parts};

/// What image references call the cluster's own registry.
pub(crate) const HOST: &str = "sampan.local";

const NAMESPACE: &str = "kube-system";
const PULL: &str = "sampan-registry-pull";
const PUSH: &str = "sampan-registry-push";

/// The registry of this process: bound, and serving once started.
pub(crate) struct EmbeddedRegistry {
    listener: std::sync::Mutex<Option<TcpListener>>,
    address: String,
    registry: Registry,
    passwords: Passwords,
}

#[derive(Clone)]
struct Passwords {
    pull: String,
    push: String,
}

impl EmbeddedRegistry {
    pub(crate) async fn bind(layout: &Layout, port: u16, entropy: &dyn Entropy) -> Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await;
        let listener = listener
            .with_context(|| {
                Hint("stop what listens there, or choose another port with --registry-port (0 takes a free one)".into())
            })
            .with_context(|| format!("failed to listen on 127.0.0.1:{port} for the registry"))?;
        let address = listener.local_addr()?.to_string();
        let passwords = Passwords::kept(layout, entropy)?;
        let registry = Registry::open(&layout.registry(), Arc::new(passwords.clone()), Limits::default())
            .with_context(|| format!("failed to open the registry's content below {}", layout.registry().display()))?;
        Ok(Self { listener: std::sync::Mutex::new(Some(listener)), address, registry, passwords })
    }

    /// What pulls from it.
    pub(crate) fn pull_credentials(&self) -> Credentials {
        credentials(&self.address, "pull", &self.passwords.pull)
    }

    /// What pushes to it.
    pub(crate) fn push_credentials(&self) -> Credentials {
        credentials(&self.address, "push", &self.passwords.push)
    }

    /// The objects by which others find it and may use it.
    pub(crate) fn objects(&self) -> Vec<Value> {
        let rule = json!([{"apiGroups": [""], "resources": ["secrets"], "resourceNames": [PULL], "verbs": ["get"]}]);
        let subject = json!([{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:nodes"}]);
        let role = json!({"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": PULL});
        let public = json!({"apiGroups": [""], "resources": ["configmaps"], "resourceNames": ["local-registry-hosting"], "verbs": ["get"]});
        vec![
            json!({"apiVersion": "v1", "kind": "ConfigMap",
                "metadata": {"namespace": "kube-public", "name": "local-registry-hosting"},
                "data": {"localRegistryHosting.v1": format!("host: \"{}\"\nhostFromClusterNetwork: {HOST}\n", self.address)}}),
            self.secret(PULL, "pull", &self.passwords.pull),
            self.secret(PUSH, "push", &self.passwords.push),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"namespace": NAMESPACE, "name": PULL}, "rules": rule}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"namespace": NAMESPACE, "name": PULL}, "subjects": subject, "roleRef": role}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "Role",
                "metadata": {"namespace": "kube-public", "name": "local-registry-hosting"}, "rules": [public]}),
            json!({"apiVersion": "rbac.authorization.k8s.io/v1", "kind": "RoleBinding",
                "metadata": {"namespace": "kube-public", "name": "local-registry-hosting"},
                "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "Group", "name": "system:authenticated"}],
                "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "Role", "name": "local-registry-hosting"}}),
        ]
    }

    fn secret(&self, name: &str, user: &str, password: &str) -> Value {
        let address = STANDARD.encode(&self.address);
        json!({"apiVersion": "v1", "kind": "Secret", "type": "sampan.dev/registry",
            "metadata": {"namespace": NAMESPACE, "name": name},
            "data": {"address": address, "username": STANDARD.encode(user), "password": STANDARD.encode(password)}})
    }

    /// Serves from now on.
    pub(crate) fn serve(&self, parts: &mut Parts) -> Result<()> {
        let listener = self.listener.lock().expect("nobody panics while holding it").take();
        let listener = listener.context("the registry serves already")?;
        let (router, stop) = (self.registry.router(), parts.stop());
        let serving = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned());
        parts.start("registry", async move { Ok(serving.await?) });
        Ok(())
    }
}

/// How to pull from a cluster's registry, asked of the cluster itself.
pub(crate) async fn pull_from(client: &Client) -> Result<Option<Credentials>> {
    published(client, PULL).await
}

/// How to push to a cluster's registry, asked of the cluster itself.
pub(crate) async fn push_to(client: &Client) -> Result<Credentials> {
    let found = published(client, PUSH).await?;
    found.with_context(|| format!("this cluster has no registry of its own (no secret {NAMESPACE}/{PUSH})"))
}

async fn published(client: &Client, name: &str) -> Result<Option<Credentials>> {
    let secret = fetch(client, &Stored::named("v1", "Secret", NAMESPACE, name)?).await?;
    Ok(secret.and_then(|secret| {
        let text = |key: &str| String::from_utf8(STANDARD.decode(secret["data"][key].as_str()?).ok()?).ok();
        Some(credentials(&text("address")?, &text("username")?, &text("password")?))
    }))
}

fn credentials(address: &str, username: &str, password: &str) -> Credentials {
    Credentials { registry: address.to_owned(), username: username.to_owned(), password: password.to_owned() }
}

impl Passwords {
    fn kept(layout: &Layout, entropy: &dyn Entropy) -> Result<Self> {
        let kept = |fact: &str| -> Result<String> {
            if let Some(password) = layout.remembered(fact) {
                return Ok(password);
            }
            let mut bytes = [0; 24];
            entropy.fill(&mut bytes);
            let password = base64::engine::general_purpose::URL_SAFE_NO_PAD.encode(bytes);
            layout.remember(fact, &password)?;
            Ok(password)
        };
        Ok(Self { pull: kept(PULL)?, push: kept(PUSH)? })
    }
}

impl sampan_oci::Authorize for Passwords {
    fn authorize<'a>(
        &'a self,
        credentials: &'a sampan_oci::Credentials,
        action: sampan_oci::Action,
        _: Option<&'a sampan_oci::name::Repository>,
    ) -> BoxFuture<'a, Access> {
        Box::pin(std::future::ready(self.judge(credentials, action)))
    }
}

impl Passwords {
    /// Both users may pull; only one may change anything.
    fn judge(&self, credentials: &sampan_oci::Credentials, action: sampan_oci::Action) -> Access {
        let sampan_oci::Credentials::Basic { user, password } = credentials else { return Access::Unauthenticated };
        let pusher = user == "push" && same(password, &self.push);
        let puller = user == "pull" && same(password, &self.pull);
        match action {
            sampan_oci::Action::Pull if pusher || puller => Access::Granted,
            sampan_oci::Action::Push | sampan_oci::Action::Delete if pusher => Access::Granted,
            _ if puller => Access::Denied,
            _ => Access::Unauthenticated,
        }
    }
}

/// Compares in a time that does not depend on where the texts differ.
fn same(a: &str, b: &str) -> bool {
    a.len() == b.len() && a.bytes().zip(b.bytes()).fold(0, |differ, (a, b)| differ | (a ^ b)) == 0
}

#[cfg(test)]
mod tests {
    use super::*;
    use sampan_oci::Action;

    fn check(user: &str, password: &str, action: Action, expected: Access) {
        let passwords = Passwords { pull: "one".into(), push: "two".into() };
        let credentials = sampan_oci::Credentials::Basic { user: user.into(), password: password.into() };
        assert_eq!(passwords.judge(&credentials, action), expected, "{user} {password} {action:?}");
    }

    #[test]
    fn nodes_pull_and_people_push() {
        check("pull", "one", Action::Pull, Access::Granted);
        check("push", "two", Action::Pull, Access::Granted);
        check("push", "two", Action::Push, Access::Granted);
        check("pull", "one", Action::Push, Access::Denied);
        check("pull", "two", Action::Pull, Access::Unauthenticated);
        check("push", "one", Action::Delete, Access::Unauthenticated);
    }

    #[test]
    fn nobody_gets_in_without_a_password() {
        let passwords = Passwords { pull: "one".into(), push: "two".into() };
        assert_eq!(passwords.judge(&sampan_oci::Credentials::None, Action::Pull), Access::Unauthenticated);
    }
}
