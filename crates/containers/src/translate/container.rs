//! Containers.

use std::path::Path;

use sampan_runtime::{ContainerConfig, Error, LogConfig, Resources, Result, SandboxConfig, Seccomp, Security};

use super::namespaces;
use super::sandbox::{host, kubelet_labels};
use crate::cri;
use crate::names::{self, Names};

/// The time over which a CPU limit is kept, in microseconds, as the kubelet's.
pub(crate) const CPU_PERIOD: u64 = 100_000;
/// The least the kernel takes.
const LEAST_CPU_QUOTA: u64 = 1_000;
const LEAST_CPU_SHARES: u64 = 2;
const MOST_CPU_SHARES: u64 = 262_144;

/// The container and the directory its log file lies in. `image` is its name or id at containerd, `target` the container whose processes
/// it sees.
pub(crate) fn container(
    config: &ContainerConfig,
    sandbox: &SandboxConfig,
    image: &str,
    target: Option<String>,
    names: &Names,
) -> Result<(cri::ContainerConfig, String)> {
    let (directory, file) = log_place(&config.log)?;
    let mut labels = names.container_of(&config.id, &config.sandbox);
    labels.extend(kubelet_labels(sandbox));
    labels.insert("io.kubernetes.container.name".to_owned(), config.name.clone());
    let log = serde_json::to_string(&config.log).map_err(|error| Error::Invalid(format!("strange log: {error}")))?;
    let annotations = [(names::IMAGE, config.image.clone()), (names::LOG, log)];
    let translated = cri::ContainerConfig {
        metadata: Some(cri::ContainerMetadata { name: config.name.clone(), attempt: config.attempt }),
        image: Some(cri::ImageSpec { image: image.to_owned() }),
        command: config.command.clone(),
        args: config.args.clone(),
        working_dir: config.working_dir.clone(),
        envs: config.env.iter().cloned().map(|(key, value)| cri::KeyValue { key, value }).collect(),
        mounts: config.mounts.iter().map(mount).collect::<Result<_>>()?,
        labels,
        annotations: annotations.into_iter().map(|(key, value)| (key.to_owned(), value)).collect(),
        log_path: file,
        stdin: config.interactive.stdin,
        stdin_once: config.interactive.stdin_once,
        tty: config.interactive.tty,
        linux: Some(cri::LinuxContainerConfig {
            resources: Some(resources(&config.resources)),
            security_context: Some(cri::LinuxContainerSecurityContext {
                namespace_options: Some(seen(target, namespaces(&sandbox.shared, host(sandbox)?.is_some()))),
                ..security(&config.security)?
            }),
        }),
    };
    Ok((translated, directory))
}

/// Who sees all processes of the pod, or of the node, sees those of one container.
fn seen(target: Option<String>, namespaces: cri::NamespaceOption) -> cri::NamespaceOption {
    match target {
        Some(target_id) if namespaces.pid() == cri::NamespaceMode::Container => {
            cri::NamespaceOption { pid: cri::NamespaceMode::Target.into(), target_id, ..namespaces }
        }
        _ => namespaces,
    }
}

/// CRI wants a directory and a path below it.
fn log_place(log: &LogConfig) -> Result<(String, String)> {
    let parts = log.path.parent().zip(log.path.file_name());
    let (directory, file) = parts.ok_or_else(|| Error::Invalid(format!("log {} is no file", log.path.display())))?;
    Ok((text(directory)?, text(Path::new(file))?))
}

/// Paths travel as text.
fn text(path: &Path) -> Result<String> {
    let text = path.to_str().ok_or_else(|| Error::Invalid(format!("path {} is not UTF-8", path.display())))?;
    Ok(text.to_owned())
}

fn mount(mount: &sampan_runtime::Mount) -> Result<cri::Mount> {
    Ok(cri::Mount { container_path: text(&mount.target)?, host_path: text(&mount.source)?, readonly: mount.read_only })
}

/// As `MilliCPUToShares` (pkg/kubelet/cm/helpers_linux.go).
pub(crate) fn cpu_shares(millis: u64) -> u64 {
    (millis.saturating_mul(1024) / 1000).clamp(LEAST_CPU_SHARES, MOST_CPU_SHARES)
}

/// As `MilliCPUToQuota` there: microseconds of each period.
pub(crate) fn cpu_quota(millis: u64) -> u64 {
    (millis.saturating_mul(CPU_PERIOD) / 1000).max(LEAST_CPU_QUOTA)
}

pub(super) fn resources(resources: &Resources) -> cri::LinuxContainerResources {
    let Resources { cpu_limit_millis, cpu_request_millis, memory_limit_bytes, oom_score_adj } = *resources;
    let (shares, quota) = (cpu_shares(cpu_request_millis.unwrap_or(0)), cpu_limit_millis.map(cpu_quota));
    let number = |number: u64| i64::try_from(number).unwrap_or(i64::MAX);
    cri::LinuxContainerResources {
        cpu_period: number(CPU_PERIOD),
        // Zero says nothing, and then there is no limit.
        cpu_quota: quota.map_or(0, number),
        cpu_shares: number(shares),
        memory_limit_in_bytes: memory_limit_bytes.map_or(0, number),
        oom_score_adj,
    }
}

fn security(security: &Security) -> Result<cri::LinuxContainerSecurityContext> {
    let id = |id: Option<i64>| id.map(|value| cri::Int64Value { value });
    Ok(cri::LinuxContainerSecurityContext {
        capabilities: Some(cri::Capability {
            add_capabilities: security.add_capabilities.clone(),
            drop_capabilities: security.drop_capabilities.clone(),
        }),
        privileged: security.privileged,
        namespace_options: None,
        run_as_user: id(security.user),
        readonly_rootfs: security.read_only_root,
        supplemental_groups: security.groups.clone(),
        no_new_privs: security.no_new_privileges,
        run_as_group: id(security.group),
        seccomp: Some(seccomp(security)?),
    })
}

/// A privileged container is filtered by nothing, whatever the profile.
fn seccomp(security: &Security) -> Result<cri::SecurityProfile> {
    let profile =
        |kind: cri::ProfileType, file: String| cri::SecurityProfile { profile_type: kind.into(), localhost_ref: file };
    Ok(match &security.seccomp {
        Seccomp::RuntimeDefault if security.privileged => profile(cri::ProfileType::Unconfined, String::new()),
        Seccomp::RuntimeDefault => profile(cri::ProfileType::RuntimeDefault, String::new()),
        Seccomp::Unconfined => profile(cri::ProfileType::Unconfined, String::new()),
        Seccomp::Localhost(file) => profile(cri::ProfileType::Localhost, text(file)?),
    })
}
