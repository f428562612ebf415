//! Sandboxes.

use std::net::IpAddr;
use std::path::PathBuf;

use sampan_runtime::{DnsConfig, Error, HostPort, NetworkAttachment, Result, SandboxConfig};

use super::namespaces;
use crate::cri;
use crate::names::{self, Names};

/// The whole configuration, which travels with the sandbox as an annotation: a later agent finds it there.
/// `cgroup` is the pod's control group; empty leaves it to containerd.
pub(crate) fn sandbox(config: &SandboxConfig, cgroup: String, names: &Names) -> Result<cri::PodSandboxConfig> {
    if config.shared.own_users {
        // To run it with the node's users would be less than was asked for.
        return Err(Error::Invalid(format!(
            "this node gives no container users of its own; take hostUsers: false out of pod {}/{}",
            config.pod_namespace, config.pod_name
        )));
    }
    let on_host = host(config)?.is_some();
    let (uid, attempt) = (&config.pod_uid, attempt(config));
    let mut labels = names.sandbox(&config.id);
    labels.extend(kubelet_labels(config));
    let text = serde_json::to_string(config).map_err(|error| Error::Invalid(format!("strange sandbox: {error}")))?;
    let mut annotations = config.annotations.clone();
    annotations.insert(names::SANDBOX_CONFIG.to_owned(), text);
    let security_context = cri::LinuxSandboxSecurityContext {
        namespace_options: Some(namespaces(&config.shared, on_host)),
        privileged: config.shared.privileged,
        seccomp: Some(cri::SecurityProfile::default()),
    };
    Ok(cri::PodSandboxConfig {
        metadata: Some(cri::PodSandboxMetadata {
            name: config.pod_name.clone(),
            uid: uid.clone(),
            namespace: config.pod_namespace.clone(),
            attempt,
        }),
        hostname: if on_host { String::new() } else { config.hostname.clone() },
        log_directory: String::new(),
        dns_config: Some(dns(&config.dns)),
        port_mappings: config.host_ports.iter().map(port_mapping).collect::<Result<_>>()?,
        labels,
        annotations,
        linux: Some(cri::LinuxPodSandboxConfig {
            cgroup_parent: cgroup,
            security_context: Some(security_context),
            sysctls: config.sysctls.clone(),
        }),
    })
}

/// The node's address when the pod is on the node's own network. Addresses made by others are none a container can have.
pub(crate) fn host(config: &SandboxConfig) -> Result<Option<IpAddr>> {
    match &config.network {
        None => Ok(None),
        Some(NetworkAttachment::Host { ip }) => Ok(Some(*ip)),
        Some(other) => Err(Error::Invalid(format!(
            "a container cannot use address {}, which another runtime's containers of pod {}/{} have; use images of one kind in a pod",
            other.ip(),
            config.pod_namespace,
            config.pod_name
        ))),
    }
}

/// What tools that know of Kubernetes look for, as pkg/kubelet/kuberuntime/labels.go.
pub(super) fn kubelet_labels(config: &SandboxConfig) -> [(String, String); 3] {
    let label = |key: &str, value: &String| (format!("io.kubernetes.pod.{key}"), value.clone());
    [label("name", &config.pod_name), label("namespace", &config.pod_namespace), label("uid", &config.pod_uid)]
}

/// With the pod's name and UID it makes the sandbox's name, which containerd wants to be new.
fn attempt(config: &SandboxConfig) -> u32 {
    let suffix = config.id.strip_prefix(&config.pod_uid).and_then(|rest| rest.strip_prefix('.'));
    suffix.and_then(|attempt| attempt.parse().ok()).unwrap_or(0)
}

fn dns(dns: &DnsConfig) -> cri::DnsConfig {
    cri::DnsConfig {
        servers: dns.servers.iter().map(IpAddr::to_string).collect(),
        searches: dns.searches.clone(),
        options: dns.options.clone(),
    }
}

fn port_mapping(port: &HostPort) -> Result<cri::PortMapping> {
    let protocol = match port.protocol.as_str() {
        "TCP" | "" => cri::Protocol::Tcp,
        "UDP" => cri::Protocol::Udp,
        "SCTP" => cri::Protocol::Sctp,
        other => return Err(Error::Invalid(format!("host port {} has unknown protocol {other}", port.host_port))),
    };
    Ok(cri::PortMapping {
        protocol: protocol.into(),
        container_port: port.port.into(),
        host_port: port.host_port.into(),
        host_ip: port.host_ip.clone(),
    })
}

/// Where an opened sandbox is: from its configuration, its status and what the runtime tells of it besides.
pub(crate) fn network(host: Option<IpAddr>, answer: &cri::PodSandboxStatusResponse) -> Result<NetworkAttachment> {
    if let Some(ip) = host {
        return Ok(NetworkAttachment::Host { ip });
    }
    let network = answer.status.as_ref().and_then(|status| status.network.as_ref());
    let ip = network.and_then(|network| network.ip.parse().ok());
    let ip = ip.ok_or_else(|| {
        Error::Unavailable("the sandbox has no address; see whether containerd has a CNI configuration".to_owned())
    })?;
    Ok(NetworkAttachment::Namespace { ip, path: namespace_path(answer).unwrap_or_default() })
}

/// containerd tells the container's specification for runc, in which the namespace stands.
fn namespace_path(answer: &cri::PodSandboxStatusResponse) -> Option<PathBuf> {
    let info: serde_json::Value = serde_json::from_str(answer.info.get("info")?).ok()?;
    let namespaces = info.pointer("/runtimeSpec/linux/namespaces")?.as_array()?;
    let network = namespaces.iter().find(|namespace| namespace["type"] == "network")?;
    Some(PathBuf::from(network["path"].as_str()?))
}
