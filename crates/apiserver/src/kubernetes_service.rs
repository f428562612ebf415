//! The Service `default/kubernetes`: how pods find the API (upstream's `pkg/controlplane/controller/kubernetesservice`).

use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use sampan_api::request::{AdmitAll, Attributes, MASTERS, User};
use sampan_meta::{Status, object};
use sampan_registry::{Registry, RequestContext, Resource};
use serde_json::{Value, json};

const NAME: &str = "kubernetes";
const NAMESPACE: &str = "default";
const PORT: u16 = 443;
/// Looks at an object that others write at the same time.
const ATTEMPTS: usize = 10;

/// Where the API is.
#[derive(Debug, Clone, Copy)]
pub struct Address {
    /// First address of the service range; pods connect here on port 443.
    pub cluster_ip: IpAddr,
    /// Where this server listens, as pods and nodes reach it.
    pub endpoint: SocketAddr,
}

/// Makes the Service, its Endpoints and its EndpointSlice say where the API is. Run at start and whenever the address changes; a
/// second run writes nothing.
///
/// # Errors
/// What the registry answers; try again if it is retryable.
pub async fn publish(registry: &Arc<Registry>, address: Address) -> Result<(), Status> {
    for object in [service(address), endpoints(address.endpoint), endpoint_slice(address.endpoint)] {
        settle(registry, object).await?;
    }
    Ok(())
}

fn service(Address { cluster_ip, endpoint }: Address) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": metadata(&[("component", "apiserver"), ("provider", NAME)]),
        "spec": {
            "type": "ClusterIP",
            "clusterIP": cluster_ip.to_string(),
            "clusterIPs": [cluster_ip.to_string()],
            "ipFamilies": [family(cluster_ip)],
            "ipFamilyPolicy": "SingleStack",
            "sessionAffinity": "None",
            "ports": [{ "name": "https", "protocol": "TCP", "port": PORT, "targetPort": endpoint.port() }],
        },
    })
}

fn endpoints(endpoint: SocketAddr) -> Value {
    json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": metadata(&[("endpointslice.kubernetes.io/skip-mirror", "true")]),
        "subsets": [{
            "addresses": [{ "ip": endpoint.ip().to_string() }],
            "ports": [{ "name": "https", "port": endpoint.port(), "protocol": "TCP" }],
        }],
    })
}

fn endpoint_slice(endpoint: SocketAddr) -> Value {
    json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata(&[("kubernetes.io/service-name", NAME)]),
        "addressType": family(endpoint.ip()),
        "endpoints": [{ "addresses": [endpoint.ip().to_string()], "conditions": { "ready": true } }],
        "ports": [{ "name": "https", "port": endpoint.port(), "protocol": "TCP" }],
    })
}

fn metadata(labels: &[(&str, &str)]) -> Value {
    let labels: serde_json::Map<String, Value> =
        labels.iter().map(|(key, value)| ((*key).to_owned(), (*value).into())).collect();
    json!({ "name": NAME, "namespace": NAMESPACE, "labels": labels })
}

fn family(ip: IpAddr) -> &'static str {
    if ip.is_ipv4() { "IPv4" } else { "IPv6" }
}

/// Creates the object, or writes the wanted members over those that are there. Another server that does so at the same moment is no
/// failure: what it wrote is looked at again.
async fn settle(registry: &Arc<Registry>, wanted: Value) -> Result<(), Status> {
    for _ in 1..ATTEMPTS {
        match settle_once(registry, wanted.clone()).await {
            Err(status) if status.is_conflict() => {}
            done => return done,
        }
    }
    settle_once(registry, wanted).await
}

async fn settle_once(registry: &Arc<Registry>, wanted: Value) -> Result<(), Status> {
    if registry.ensure(wanted.clone()).await? {
        return Ok(());
    }
    let kind = object::group_version_kind(&wanted);
    let resource = registry.resources().iter().find(|resource| resource.group_version_kind() == kind);
    let resource = resource.ok_or_else(Status::path_not_found)?;
    let attributes = attributes(resource);
    let context = RequestContext::new(&attributes, &AdmitAll);
    let mut object = registry.get(&context, resource, "").await?.value();
    if !overlay(&mut object, &wanted) {
        return Ok(());
    }
    registry.update(&context, resource, object).await.map(drop)
}

fn attributes(resource: &Resource) -> Attributes {
    Attributes {
        user: User::new("system:apiserver", [MASTERS]),
        verb: "update".to_owned(),
        group: resource.names.group.to_owned(),
        version: resource.names.version.to_owned(),
        resource: resource.names.plural.to_owned(),
        namespace: NAMESPACE.to_owned(),
        name: NAME.to_owned(),
        resource_request: true,
        ..Attributes::default()
    }
}

/// Makes every member of `wanted` so in `object`; others stay. Says if anything changed.
fn overlay(object: &mut Value, wanted: &Value) -> bool {
    match (object, wanted) {
        (Value::Object(members), Value::Object(wanted)) => {
            let mut changed = false;
            for (name, value) in wanted {
                changed |= overlay(members.entry(name).or_insert(Value::Null), value);
            }
            changed
        }
        (Value::Array(items), Value::Array(wanted)) if items.len() == wanted.len() => {
            items.iter_mut().zip(wanted).fold(false, |changed, (item, wanted)| overlay(item, wanted) | changed)
        }
        (object, wanted) if object == wanted => false,
        (object, wanted) => {
            object.clone_from(wanted);
            true
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_overlay_changes_what_differs_and_nothing_else() {
        let mut object = json!({"a": {"b": 1, "c": 2}, "l": [{"x": 1, "y": 2}]});
        assert!(!overlay(&mut object, &json!({"a": {"b": 1}, "l": [{"x": 1}]})));
        assert!(overlay(&mut object, &json!({"a": {"b": 3}, "l": [{"x": 4}]})));
        assert_eq!(object, json!({"a": {"b": 3, "c": 2}, "l": [{"x": 4, "y": 2}]}));
        assert!(overlay(&mut object, &json!({"l": []})));
    }
}
