//! The controllers, each with an identity of its own.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use futures::future::BoxFuture;
use sampan_access::Authority;
use sampan_access::pki::{self, Requested, SigningRequest};
use sampan_api::request::User;
use sampan_controllers::{
    Controllers, INFORMERS, Network, NodeNetworks, Options, RequestedIdentity, Settings, Signer, SigningError,
};

use super::Server;
use crate::arguments::ControllerManager;
use crate::parts::Parts;

pub(super) fn start(server: &Server, options: &ControllerManager, parts: &mut Parts) -> Result<()> {
    let services = Network::parse(&format!("{}/16", server._range.base));
    let node_networks = node_networks(options)?.map(|networks| networks.without(services));
    let api = server.api.clone();
    let options = Options {
        client: Arc::new(move |name| sampan_client::in_process(api.service_as(identity(name)), "default")),
        clock: server.outside.clock.clone(),
        entropy: server.outside.entropy.clone(),
        settings: Settings {
            root_ca: server.authority.certificate_pem().to_owned(),
            signer: Some(Arc::new(BuiltIn(server.authority.clone()))),
            node_networks,
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
    Ok(())
}

/// Where nodes get networks from, if they are to get any.
fn node_networks(options: &ControllerManager) -> Result<Option<NodeNetworks>> {
    let ControllerManager {
        allocate_node_cidrs,
        cluster_cidr,
        node_cidr_mask_size,
        node_cidr_mask_size_ipv4,
        node_cidr_mask_size_ipv6,
    } = options;
    if !allocate_node_cidrs {
        return Ok(None);
    }
    if node_cidr_mask_size.is_some() && cluster_cidr.len() > 1 {
        bail!("--node-cidr-mask-size is for one family; use --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6");
    }
    let sizes = (node_cidr_mask_size.or(*node_cidr_mask_size_ipv4), node_cidr_mask_size.or(*node_cidr_mask_size_ipv6));
    let networks = NodeNetworks::new(cluster_cidr, sizes);
    Ok(Some(networks.context("--cluster-cidr cannot be shared out to nodes")?))
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

#[cfg(test)]
mod tests {
    use super::*;

    fn check(cluster: &[&str], one: Option<u8>, expected: Result<(), &str>) {
        let options = ControllerManager {
            allocate_node_cidrs: true,
            cluster_cidr: cluster.iter().map(|text| (*text).to_owned()).collect(),
            node_cidr_mask_size: one,
            node_cidr_mask_size_ipv4: None,
            node_cidr_mask_size_ipv6: None,
        };
        let said = node_networks(&options).map(|networks| assert!(networks.is_some()));
        let said = said.map_err(|error| format!("{error:#}"));
        assert_eq!(said.as_ref().copied().map_err(String::as_str), expected);
    }

    #[test]
    fn networks_for_nodes_are_those_that_were_asked_for() {
        check(&["10.244.0.0/16"], None, Ok(()));
        check(&["10.244.0.0/16", "fd00::/48"], None, Ok(()));
        let one =
            "--node-cidr-mask-size is for one family; use --node-cidr-mask-size-ipv4 and --node-cidr-mask-size-ipv6";
        check(&["10.244.0.0/16", "fd00::/48"], Some(24), Err(one));
        let wrong = "--cluster-cidr cannot be shared out to nodes: networks of nodes in 10.244.0.0/16 must have a prefix from 16 to 32, and not 12";
        check(&["10.244.0.0/16"], Some(12), Err(wrong));
        let nothing =
            "--cluster-cidr cannot be shared out to nodes: \"10.244\" is no network; write it as 10.244.0.0/16";
        check(&["10.244"], None, Err(nothing));
    }
}
