//! `sampan up`: a whole cluster in one process.

use anyhow::Result;
use sampan_api::request::User;

use crate::arguments::Up;
use crate::demo;
use crate::node::{self, Membership};
use crate::outside::Outside;
use crate::parts::Parts;
use crate::server::Server;

pub(crate) async fn run(options: Up) -> Result<()> {
    let mut parts = Parts::new();
    let server = Server::start(&options.server, &mut parts, Outside::real()).await?;
    let name = node::name(&options.node);
    let membership = Membership {
        client: server.client_as(User::new(format!("system:node:{name}"), ["system:nodes"])),
        proxy: server.client_as(User::new("system:kube-proxy", [""; 0])),
        serving: node::Serving::issued_by(&server.authority),
        registry: Some(server.oci.pull_credentials()),
    };
    let node = node::start(&options.node, &server.layout, membership, server.outside().clone(), &mut parts).await?;
    server.say_ready();
    if let Some(directory) = &options.demo {
        demo::deploy(&server, directory).await?;
    }
    let stopped = parts.until_stopped().await;
    // Whoever ends the whole cluster expects nothing of it to go on in the background.
    node.end_pods().await;
    stopped
}
