//! Containers, by the ids the node gave them.

use std::time::Duration;

use futures::stream::{self, StreamExt as _};
use sampan_runtime::{ContainerConfig, ContainerState, ContainerStats, ContainerStatus, Error, Result, Security};

use super::Parts;
use super::sandboxes::Found;
use crate::names;
use crate::{cri, translate};

/// How many containers are asked for at a time when all of them are.
const AT_ONCE: usize = 16;

impl Parts {
    pub(super) async fn create(&self, config: ContainerConfig) -> Result<()> {
        if self.find(&config.id).await?.is_some() {
            return Ok(());
        }
        let Found { id, config: sandbox } = self.find_sandbox(&config.sandbox).await?;
        let image = self.images.known(&config.image).await?;
        let image = image.ok_or_else(|| Error::NotFound(format!("image {}", config.image)))?;
        check_user(&config.security, &image)?;
        let target = match &config.security.sees {
            Some(target) => Some(self.running(target).await?.0),
            None => None,
        };
        let (container, log_directory) = translate::container(&config, &sandbox, &image.id, target, &self.names)?;
        // containerd takes the group from here and not from what the sandbox was made with.
        let cgroup = self.open_group(&sandbox).await?;
        let sandbox_config =
            cri::PodSandboxConfig { log_directory, ..translate::sandbox(&sandbox, cgroup, &self.names)? };
        let (container, sandbox_config) = (Some(container), Some(sandbox_config));
        let request = cri::CreateContainerRequest { pod_sandbox_id: id, config: container, sandbox_config };
        let subject = format!("container {}", config.id);
        self.client.call(request, &subject).await.map(drop)
    }

    pub(super) async fn start(&self, id: &str) -> Result<()> {
        let (found, status) = self.known(id).await?;
        if status.state != ContainerState::Created {
            return Ok(());
        }
        self.client.call(cri::StartContainerRequest { container_id: found }, &subject(id)).await?;
        self.logs.grows(id);
        self.hint(&status.sandbox, id);
        Ok(())
    }

    pub(super) async fn stop(&self, id: &str, grace: Duration) -> Result<()> {
        let (found, status) = self.known(id).await?;
        if !matches!(status.state, ContainerState::Running { .. }) {
            return Ok(());
        }
        // CRI counts in whole seconds; none at all kills at once.
        let seconds = grace.as_millis().div_ceil(1000);
        let timeout = i64::try_from(seconds).unwrap_or(i64::MAX);
        let patience = grace.saturating_add(Duration::from_secs(120));
        let request = cri::StopContainerRequest { container_id: found, timeout };
        self.client.call_within(request, &subject(id), patience).await?;
        self.hint(&status.sandbox, id);
        Ok(())
    }

    pub(super) async fn remove(&self, id: &str) -> Result<()> {
        let (found, status) = match self.known(id).await {
            Err(Error::NotFound(_)) => return Ok(()),
            other => other?,
        };
        if matches!(status.state, ContainerState::Running { .. }) {
            return Err(Error::Invalid(format!("container {id} is running; stop it before removing it")));
        }
        match self.client.call(cri::RemoveContainerRequest { container_id: found }, &subject(id)).await {
            Ok(_) | Err(Error::NotFound(_)) => {}
            Err(error) => return Err(error),
        }
        self.hint(&status.sandbox, id);
        Ok(())
    }

    pub(crate) async fn containers(&self) -> Result<Vec<ContainerStatus>> {
        let listed = self.list(self.names.all()).await?;
        let asked = stream::iter(listed).map(|container| async move { self.ask(&container.id).await });
        let answers: Vec<_> = asked.buffer_unordered(AT_ONCE).collect().await;
        let mut statuses = Vec::new();
        for answer in answers {
            statuses.extend(answer?.as_ref().map(translate::status));
        }
        statuses.sort_by(|one, other| one.id.cmp(&other.id));
        Ok(statuses)
    }

    pub(crate) async fn container(&self, id: &str) -> Result<Option<ContainerStatus>> {
        match self.known(id).await {
            Ok((_, status)) => Ok(Some(status)),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }

    pub(super) async fn stats(&self, id: &str) -> Result<ContainerStats> {
        let (found, _) = self.known(id).await?;
        let stats = self.client.call(cri::ContainerStatsRequest { container_id: found }, &subject(id)).await?.stats;
        let stats = stats.unwrap_or_default();
        let value = |value: Option<cri::UInt64Value>| value.map_or(0, |value| value.value);
        Ok(ContainerStats {
            cpu_usage: Duration::from_nanos(value(stats.cpu.and_then(|cpu| cpu.usage_core_nano_seconds))),
            memory_bytes: value(stats.memory.and_then(|memory| memory.working_set_bytes)),
        })
    }

    /// containerd's id and the status.
    pub(crate) async fn known(&self, id: &str) -> Result<(String, ContainerStatus)> {
        let missing = || Error::NotFound(subject(id));
        let found = self.find(id).await?.ok_or_else(missing)?;
        let status = self.ask(&found).await?.ok_or_else(missing)?;
        Ok((found, translate::status(&status)))
    }

    /// containerd's id.
    async fn find(&self, id: &str) -> Result<Option<String>> {
        let found = self.list(self.names.container(id)).await?;
        Ok(found.into_iter().next().map(|container| container.id))
    }

    async fn list(&self, labels: names::Labels) -> Result<Vec<cri::Container>> {
        let filter = Some(cri::ContainerFilter { label_selector: labels });
        Ok(self.client.call(cri::ListContainersRequest { filter }, "").await?.containers)
    }

    /// The container by containerd's id; `None` when it is gone.
    pub(crate) async fn ask(&self, found: &str) -> Result<Option<cri::ContainerStatus>> {
        let request = cri::ContainerStatusRequest { container_id: found.to_owned() };
        match self.client.call(request, found).await {
            Ok(answer) => Ok(answer.status),
            Err(Error::NotFound(_)) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

fn subject(id: &str) -> String {
    format!("container {id}")
}

/// As `verifyRunAsNonRoot` (pkg/kubelet/kuberuntime/security_context.go).
fn check_user(security: &Security, image: &cri::Image) -> Result<()> {
    if !security.not_root {
        return Ok(());
    }
    let wrong = |message: String| Err(Error::Invalid(message));
    match (security.user, &image.uid, image.username.as_str()) {
        (Some(0), _, _) => wrong("container's runAsUser breaks non-root policy".to_owned()),
        (Some(_), _, _) => Ok(()),
        (None, Some(uid), _) if uid.value != 0 => Ok(()),
        (None, None, name) if !name.is_empty() => wrong(format!(
            "container has runAsNonRoot and image has non-numeric user ({name}), cannot verify user is non-root"
        )),
        _ => wrong("container has runAsNonRoot and image will run as root".to_owned()),
    }
}
