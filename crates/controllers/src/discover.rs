//! Which resources the apiserver serves, in their preferred versions.

use sampan_client::discovery::{ApiCapabilities, Discovery};
use sampan_client::{ApiResource, Client, Error};

/// All resources, each in its group's preferred version. Asks the server in any case: what it serves may have changed.
pub(crate) async fn resources(client: &Client) -> Result<Vec<(ApiResource, ApiCapabilities)>, Error> {
    let discovery = Discovery::new(client.clone()).run_aggregated().await?;
    Ok(discovery.groups().flat_map(|group| group.recommended_resources()).collect())
}
