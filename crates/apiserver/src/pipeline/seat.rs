//! The place a request takes among those being answered.

use sampan_api::request::Attributes;
use sampan_meta::Status;

use crate::flow_control::{Classified, Demand, Seat};
use crate::metrics::Sort;
use crate::query::Query;
use crate::server::ApiServer;

/// Waits for a place. A watch takes its seat for as long as it begins; logs and proxies take none.
pub(super) async fn seat(
    server: &ApiServer,
    attributes: &Attributes,
    query: &Query,
    sort: Sort,
    classified: &mut Classified,
) -> Result<Option<Seat>, Status> {
    if sort == Sort::LongRunning && attributes.verb != "watch" {
        return Ok(None);
    }
    server.follow_flow_control();
    let demand = demand(server, attributes, query, sort);
    let (found, seat) = server.flow_control.enter(attributes, demand).await;
    *classified = found;
    seat
}

/// How much work a request is.
fn demand(server: &ApiServer, attributes: &Attributes, query: &Query, sort: Sort) -> Demand {
    let Attributes { group, version, resource, verb, name, .. } = attributes;
    if !attributes.resource_request {
        return Demand::One;
    }
    // A watch that goes on from a version reads nothing first.
    let from_the_start = || query.flag("sendInitialEvents") || matches!(query.get("resourceVersion"), None | Some("0"));
    match &**verb {
        "list" | "watch" | "deletecollection" if name.is_empty() && (verb != "watch" || from_the_start()) => {
            let found = server.registry.find(group, version, resource);
            Demand::List { objects: found.map_or(0, |resource| server.registry.count(&resource) as u64) }
        }
        // A token is stored nowhere, so that no watcher hears of it.
        _ if sort == Sort::Mutating && attributes.subresource != "token" => {
            Demand::Write { watchers: server.metrics.watchers(group, resource) }
        }
        _ => Demand::One,
    }
}
