//! The controllers, each with an identity of its own.

use std::sync::Arc;

use anyhow::Context;
use futures::future::BoxFuture;
use sampan_access::Authority;
use sampan_access::pki::{self, Requested, SigningRequest};
use sampan_api::request::User;
use sampan_controllers::{Controllers, INFORMERS, Options, RequestedIdentity, Settings, Signer, SigningError};

use super::Server;
use crate::parts::Parts;

pub(super) fn start(server: &Server, parts: &mut Parts) {
    let api = server.api.clone();
    let options = Options {
        client: Arc::new(move |name| sampan_client::in_process(api.service_as(identity(name)), "default")),
        clock: server.outside.clock.clone(),
        entropy: server.outside.entropy.clone(),
        settings: Settings {
            root_ca: server.authority.certificate_pem().to_owned(),
            signer: Some(Arc::new(BuiltIn(server.authority.clone()))),
            ..Settings::default()
        },
    };
    let stop = parts.stop();
    parts.start("controllers", async move {
        // A controller whose kinds are not all served would only retry its watches for ever.
        let table = sampan_controllers::served(&(options.client)(INFORMERS), sampan_controllers::all()).await;
        let controllers = Controllers::start(&options, &table.context("failed to ask which kinds are served")?);
        stop.cancelled().await;
        controllers.stop().await;
        Ok(())
    });
}

/// The shared watches are the controller manager's; what a controller writes, it writes as its own service account.
fn identity(name: &str) -> User {
    match name {
        INFORMERS => User::new(format!("system:{INFORMERS}"), [""; 0]),
        controller => User::service_account("kube-system", controller),
    }
}

/// The cluster's own authority behind the built-in signers.
struct BuiltIn(Arc<Authority>);

impl Signer for BuiltIn {
    fn read(&self, request: &[u8]) -> Result<RequestedIdentity, SigningError> {
        let Requested { common_name, organizations, alternative_names } =
            pki::requested(text(request)?).map_err(refused)?;
        Ok(RequestedIdentity { common_name, organizations, alternative_names })
    }

    fn sign<'a>(
        &'a self,
        request: &'a [u8],
        signer_name: &'a str,
        usages: &'a [String],
        expiration_seconds: Option<i32>,
    ) -> BoxFuture<'a, Result<Vec<u8>, SigningError>> {
        Box::pin(async move {
            let (request_pem, expiration_seconds) = (text(request)?, expiration_seconds.map(i64::from));
            let request = SigningRequest { signer_name, request_pem, usages, expiration_seconds };
            self.0.sign(&request).map(String::into_bytes).map_err(refused)
        })
    }
}

fn text(request: &[u8]) -> Result<&str, SigningError> {
    std::str::from_utf8(request).map_err(|_| SigningError::Refused("the request is no PEM".into()))
}

fn refused(refused: pki::Refused) -> SigningError {
    SigningError::Refused(refused.to_string())
}
