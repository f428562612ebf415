//! Sandboxes, by the ids the node gave them.

use sampan_runtime::{Error, NetworkAttachment, Result, SandboxConfig, SandboxStatus};

use super::Parts;
use crate::cgroups::Driver;
use crate::names;
use crate::{cri, translate};

/// What of a sandbox making a container in it takes.
pub(crate) struct Found {
    pub(crate) id: String,
    pub(crate) config: SandboxConfig,
}

impl Parts {
    pub(super) async fn open_sandbox(&self, config: SandboxConfig) -> Result<NetworkAttachment> {
        let host = translate::host(&config)?;
        let subject = format!("sandbox {}", config.id);
        for known in self.list_sandboxes(self.names.sandbox(&config.id)).await? {
            if known.state() == cri::PodSandboxState::Ready {
                return self.network(&known.id, host, &subject).await;
            }
            // Half made, or its process is gone: containerd keeps the name until it is removed.
            self.discard(&known.id, &subject).await?;
        }
        let wanted = translate::sandbox(&config, self.open_group(&config).await?, &self.names)?;
        let request = cri::RunPodSandboxRequest { config: Some(wanted), runtime_handler: String::new() };
        let id = self.client.call(request, &subject).await?.pod_sandbox_id;
        self.network(&id, host, &subject).await
    }

    async fn network(&self, id: &str, host: Option<std::net::IpAddr>, subject: &str) -> Result<NetworkAttachment> {
        let request = cri::PodSandboxStatusRequest { pod_sandbox_id: id.to_owned(), verbose: true };
        translate::network(host, &self.client.call(request, subject).await?)
    }

    pub(super) async fn close_sandbox(&self, id: &str) -> Result<()> {
        for known in self.list_sandboxes(self.names.sandbox(id)).await? {
            self.discard(&known.id, &format!("sandbox {id}")).await?;
            self.close_group(&known).await;
        }
        Ok(())
    }

    /// The pod's control group, as containerd calls it.
    pub(super) async fn open_group(&self, config: &SandboxConfig) -> Result<String> {
        let driver = *self.driver.get_or_try_init(|| self.ask_driver()).await?;
        let (groups, uid, resources) = (self.cgroups.clone(), config.pod_uid.clone(), config.resources);
        let opened = tokio::task::spawn_blocking(move || groups.open(&uid, &resources, driver)).await;
        Ok(opened.unwrap_or_default())
    }

    async fn close_group(&self, sandbox: &cri::PodSandbox) {
        // One that was made by an older version has a group that its successor finds.
        let Ok(config) = config_of(sandbox) else { return };
        let groups = self.cgroups.clone();
        let closed = tokio::task::spawn_blocking(move || groups.close(&config.pod_uid, config.resources.class)).await;
        if let Err(error) = closed {
            tracing::error!(%error, "removing a pod's control group panicked");
        }
    }

    /// containerd's own configuration says it in every version; RuntimeConfig would in late ones alone.
    async fn ask_driver(&self) -> Result<Driver> {
        let info = self.client.call(cri::StatusRequest { verbose: true }, "").await?.info;
        let config = info.get("config").and_then(|text| serde_json::from_str::<serde_json::Value>(text).ok());
        let of_systemd = |config: serde_json::Value| {
            let containerd = config.get("containerd")?;
            let runtime = containerd["runtimes"].get(containerd["defaultRuntimeName"].as_str()?)?;
            runtime["options"]["SystemdCgroup"].as_bool()
        };
        let systemd = config.and_then(of_systemd).unwrap_or(false);
        Ok(if systemd { Driver::Systemd } else { Driver::Cgroupfs })
    }

    /// Stops and removes it with all its containers.
    async fn discard(&self, id: &str, subject: &str) -> Result<()> {
        let fine = |result: Result<cri::Empty>| match result {
            Err(Error::NotFound(_)) => Ok(()),
            other => other.map(drop),
        };
        fine(self.client.call(cri::StopPodSandboxRequest { pod_sandbox_id: id.to_owned() }, subject).await)?;
        fine(self.client.call(cri::RemovePodSandboxRequest { pod_sandbox_id: id.to_owned() }, subject).await)
    }

    pub(super) async fn sandboxes(&self) -> Result<Vec<SandboxStatus>> {
        let status = |sandbox: cri::PodSandbox| SandboxStatus {
            id: names::sandbox_id(&sandbox.labels).to_owned(),
            pod_uid: sandbox.metadata.clone().unwrap_or_default().uid,
            ready: sandbox.state() == cri::PodSandboxState::Ready,
        };
        Ok(self.list_sandboxes(self.names.all()).await?.into_iter().map(status).collect())
    }

    /// The sandbox with the configuration it was opened with.
    pub(crate) async fn find_sandbox(&self, id: &str) -> Result<Found> {
        let missing = || Error::NotFound(format!("sandbox {id}"));
        let known = self.list_sandboxes(self.names.sandbox(id)).await?;
        let known = known.into_iter().find(|known| known.state() == cri::PodSandboxState::Ready).ok_or_else(missing)?;
        let config = config_of(&known).map_err(|error| {
            Error::Invalid(format!("sandbox {id} was made by another version of this program: {error}; delete its pod"))
        })?;
        Ok(Found { id: known.id, config })
    }

    async fn list_sandboxes(&self, labels: names::Labels) -> Result<Vec<cri::PodSandbox>> {
        let filter = Some(cri::PodSandboxFilter { label_selector: labels });
        Ok(self.client.call(cri::ListPodSandboxRequest { filter }, "").await?.items)
    }
}

/// What the sandbox was opened with.
fn config_of(sandbox: &cri::PodSandbox) -> serde_json::Result<SandboxConfig> {
    serde_json::from_str(sandbox.annotations.get(names::SANDBOX_CONFIG).map_or("", String::as_str))
}
