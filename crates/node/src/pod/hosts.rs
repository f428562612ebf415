//! `/etc/hosts` of a pod with a network of its own, as the kubelet manages it (pkg/kubelet/kubelet_pods.go).

use std::net::IpAddr;

use sampan_api::k8s::api::core::v1::Pod;

use super::{facts, sandbox};

pub(crate) fn hosts(pod: &Pod, address: IpAddr, cluster_domain: &str) -> String {
    let name = sandbox::hostname(pod);
    let spec = facts::spec(pod);
    let subdomain = spec.and_then(|spec| spec.subdomain.as_deref()).filter(|subdomain| !subdomain.is_empty());
    let own = match subdomain {
        Some(subdomain) => format!("{name}.{subdomain}.{}.svc.{cluster_domain}\t{name}", facts::namespace(pod)),
        None => name,
    };
    let mut text = format!(
        "# Kubernetes-managed hosts file.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n{address}\t{own}\n"
    );
    for alias in spec.and_then(|spec| spec.host_aliases.as_ref()).into_iter().flatten() {
        text += &format!("{}\t{}\n", alias.ip, alias.hostnames.clone().unwrap_or_default().join("\t"));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::expect;
    use serde_json::json;

    #[test]
    fn a_pod_knows_itself_its_domain_and_its_aliases() {
        let spec = json!({"containers": [], "subdomain": "db", "hostAliases": [{"ip": "192.0.2.7", "hostnames": ["old", "older"]}]});
        let pod = json!({"metadata": {"name": "db-0", "namespace": "default"}, "spec": spec});
        let pod: Pod = serde_json::from_value(pod).expect("a pod");
        expect![[r#"
            # Kubernetes-managed hosts file.
            127.0.0.1	localhost
            ::1	localhost ip6-localhost ip6-loopback
            10.0.0.3	db-0.db.default.svc.cluster.local	db-0
            192.0.2.7	old	older
        "#]]
        .assert_eq(&hosts(&pod, [10, 0, 0, 3].into(), "cluster.local"));
    }
}
