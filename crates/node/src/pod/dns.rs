//! Name resolution of a pod, as pkg/kubelet/network/dns decides it.

use sampan_api::k8s::api::core::v1::Pod;
use sampan_runtime::DnsConfig;

use super::facts;
use crate::context::Context;

/// What upstream allows.
const MOST_SERVERS: usize = 3;

pub(crate) fn config(context: &Context, pod: &Pod) -> DnsConfig {
    let spec = facts::spec(pod);
    let policy = spec.and_then(|spec| spec.dns_policy.as_deref()).unwrap_or("ClusterFirst");
    let mut dns = match policy {
        "None" => DnsConfig::default(),
        "ClusterFirst" if facts::host_network(pod) => context.host_dns.clone(),
        "ClusterFirst" | "ClusterFirstWithHostNet" if !context.cluster_dns.is_empty() => {
            cluster(context, facts::namespace(pod))
        }
        _ => context.host_dns.clone(),
    };
    if let Some(own) = spec.and_then(|spec| spec.dns_config.as_ref()) {
        add(&mut dns.servers, own.nameservers.iter().flatten().filter_map(|server| server.parse().ok()));
        add(&mut dns.searches, own.searches.iter().flatten().cloned());
        for option in own.options.iter().flatten() {
            let name = option.name.as_deref().unwrap_or_default();
            dns.options.retain(|known| known.split(':').next() != Some(name));
            dns.options.push(option.value.as_ref().map_or_else(|| name.to_owned(), |value| format!("{name}:{value}")));
        }
    }
    dns.servers.truncate(MOST_SERVERS);
    dns
}

fn cluster(context: &Context, namespace: &str) -> DnsConfig {
    let domain = &context.cluster_domain;
    let mut searches = vec![format!("{namespace}.svc.{domain}"), format!("svc.{domain}"), domain.clone()];
    add(&mut searches, context.host_dns.searches.iter().cloned());
    DnsConfig { servers: context.cluster_dns.clone(), searches, options: vec!["ndots:5".to_owned()] }
}

/// What is not there yet, in order.
fn add<T: PartialEq>(list: &mut Vec<T>, more: impl Iterator<Item = T>) {
    for item in more {
        if !list.contains(&item) {
            list.push(item);
        }
    }
}
