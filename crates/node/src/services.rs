//! Environment variables about services, as pkg/kubelet/envvars makes them.

use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Pod, Service, ServicePort, ServiceSpec};
use sampan_client::{Api, Client, Informer};
use sampan_meta::{Entropy, NamespacedName};

/// All services, with nothing kept of them but what variables are made of.
pub(crate) fn informer(client: &Client, entropy: Arc<dyn Entropy>) -> Informer<Service> {
    Informer::builder(Api::<Service>::all(client.clone())).transform(strip).start(entropy)
}

fn strip(service: &mut Service) {
    service.status = None;
    service.metadata.annotations = None;
    service.metadata.labels = None;
    if let Some(spec) = service.spec.take() {
        service.spec = Some(ServiceSpec { cluster_ip: spec.cluster_ip, ports: spec.ports, ..ServiceSpec::default() });
    }
}

/// Variables for a pod: of the apiserver's own service always, of its namespace's services unless it does not want them.
pub(crate) fn variables(pod: &Pod, services: &Informer<Service>) -> Vec<(String, String)> {
    let links = pod.spec.as_ref().and_then(|spec| spec.enable_service_links).unwrap_or(true);
    let apiserver = NamespacedName { namespace: "default".to_owned(), name: "kubernetes".to_owned() };
    let mut chosen: Vec<Arc<Service>> = services.get(&apiserver).into_iter().collect();
    if links {
        let namespace = crate::pod::facts::namespace(pod);
        let others = services.list_namespace(namespace).into_iter();
        chosen.extend(
            others.filter(|service| namespace != "default" || service.metadata.name.as_deref() != Some("kubernetes")),
        );
    }
    chosen.iter().flat_map(|service| of_service(service)).collect()
}

fn of_service(service: &Service) -> Vec<(String, String)> {
    let Some(spec) = &service.spec else { return Vec::new() };
    let Some(address) = spec.cluster_ip.as_deref().filter(|address| !matches!(*address, "" | "None")) else {
        return Vec::new();
    };
    let name = variable_name(service.metadata.name.as_deref().unwrap_or_default());
    let ports: &[ServicePort] = spec.ports.as_deref().unwrap_or_default();
    let Some(first) = ports.first() else { return Vec::new() };
    let mut variables = vec![
        (format!("{name}_SERVICE_HOST"), address.to_owned()),
        (format!("{name}_SERVICE_PORT"), first.port.to_string()),
    ];
    let named =
        ports.iter().filter_map(|port| Some((port.name.as_deref().filter(|name| !name.is_empty())?, port.port)));
    variables.extend(
        named.map(|(port, number)| (format!("{name}_SERVICE_PORT_{}", variable_name(port)), number.to_string())),
    );
    let host = if address.contains(':') { format!("[{address}]") } else { address.to_owned() };
    for (position, port) in ports.iter().enumerate() {
        link(&name, address, &host, port, position == 0, &mut variables);
    }
    variables
}

/// The older form, as Docker's links were.
fn link(name: &str, address: &str, host: &str, port: &ServicePort, first: bool, variables: &mut Vec<(String, String)>) {
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let number = port.port;
    let url = format!("{}://{host}:{number}", protocol.to_lowercase());
    let prefix = format!("{name}_PORT_{number}_{}", protocol.to_uppercase());
    if first {
        variables.push((format!("{name}_PORT"), url.clone()));
    }
    variables.extend([
        (prefix.clone(), url),
        (format!("{prefix}_PROTO"), protocol.to_lowercase()),
        (format!("{prefix}_PORT"), number.to_string()),
        (format!("{prefix}_ADDR"), address.to_owned()),
    ]);
}

fn variable_name(name: &str) -> String {
    name.to_uppercase().replace('-', "_")
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_service_gives_its_variables() {
        let service = json!({"metadata": {"name": "my-db"}, "spec": {"clusterIP": "127.80.0.3", "ports": [{"name": "pg", "port": 5432}, {"port": 53, "protocol": "UDP"}]}});
        let service: Service = serde_json::from_value(service).expect("a service");
        let text: String = of_service(&service).iter().map(|(name, value)| format!("{name}={value}\n")).collect();
        expect![[r#"
            MY_DB_SERVICE_HOST=127.80.0.3
            MY_DB_SERVICE_PORT=5432
            MY_DB_SERVICE_PORT_PG=5432
            MY_DB_PORT=tcp://127.80.0.3:5432
            MY_DB_PORT_5432_TCP=tcp://127.80.0.3:5432
            MY_DB_PORT_5432_TCP_PROTO=tcp
            MY_DB_PORT_5432_TCP_PORT=5432
            MY_DB_PORT_5432_TCP_ADDR=127.80.0.3
            MY_DB_PORT_53_UDP=udp://127.80.0.3:53
            MY_DB_PORT_53_UDP_PROTO=udp
            MY_DB_PORT_53_UDP_PORT=53
            MY_DB_PORT_53_UDP_ADDR=127.80.0.3
        "#]]
        .assert_eq(&text);
    }

    #[test]
    fn a_headless_service_gives_none() {
        let service = json!({"metadata": {"name": "db"}, "spec": {"clusterIP": "None", "ports": [{"port": 1}]}});
        let service: Service = serde_json::from_value(service).expect("a service");
        assert_eq!(of_service(&service), []);
    }
}
