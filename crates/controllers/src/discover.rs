//! Which resources the apiserver serves, in their preferred versions.

use sampan_client::discovery::{ApiCapabilities, Discovery};
use sampan_client::{ApiResource, Client, Error};

/// All resources, each in its group's preferred version, by group and name. Asks the server in any case: what it serves may have changed.
pub(crate) async fn resources(client: &Client) -> Result<Vec<(ApiResource, ApiCapabilities)>, Error> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    let mut found: Vec<_> = discovery.groups().flat_map(|group| group.recommended_resources()).collect();
    // kube keeps groups in the order of their hashes, which differs from run to run: watches would start in another order each time.
    found.sort_by(|(one, _), (other, _)| (&one.group, &one.plural).cmp(&(&other.group, &other.plural)));
    Ok(found)
}
