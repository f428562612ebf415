//! `sampan agent`: a node that joins a server over the network.

use anyhow::{Context, Result};

use crate::arguments::Agent;
use crate::join::Member;
use crate::layout::Layout;
use crate::node::{self, Membership, Serving};
use crate::oci;
use crate::outside::Outside;
use crate::parts::Parts;

pub(crate) async fn run(options: Agent) -> Result<()> {
    let outside = Outside::real();
    let layout = Layout::create(&options.data.data_dir)?;
    let _lock = layout.lock()?;
    let name = node::name(&options.node);
    let mut parts = Parts::new();
    let member = Member::join(&options, &layout, &name, &outside, &mut parts).await?;
    let client = member.client();
    // A cluster without a registry of its own, or one that does not let nodes read it, still runs images from everywhere else.
    let registry = oci::pull_from(&client).await.context("failed to ask for the cluster's registry");
    let registry = registry.unwrap_or_else(|error| {
        tracing::warn!(error = %format_args!("{error:#}"), "going on without the cluster's registry");
        None
    });
    let membership =
        Membership { proxy: client.clone(), client, serving: Serving::Requested(Box::new(member)), registry };
    node::start(&options.node, &layout, membership, outside, &mut parts).await?;
    say_joined(&name, &options.server);
    parts.until_stopped().await
}

#[expect(clippy::print_stdout, reason = "this is what the user waits for")]
fn say_joined(name: &str, server: &str) {
    println!("Sampan is ready: node {name} of {server}");
}
