//! Lifecycle hooks: postStart and preStop.

use std::net::IpAddr;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::{LifecycleHandler, Pod};

use super::facts;
use crate::context::Context;
use crate::probe::http;

/// Where a hook runs.
pub(crate) struct Place<'a> {
    pub(crate) context: &'a Context,
    pub(crate) pod: &'a Pod,
    pub(crate) container: &'a str,
    pub(crate) runtime: usize,
    pub(crate) id: &'a str,
    pub(crate) address: Option<IpAddr>,
}

/// Runs a hook to its end. The error is what the event tells.
pub(crate) async fn run(handler: &LifecycleHandler, place: &Place<'_>) -> Result<(), String> {
    if let Some(sleep) = &handler.sleep {
        tokio::time::sleep(facts::seconds(sleep.seconds)).await;
        return Ok(());
    }
    if let Some(action) = &handler.http_get {
        let container = facts::container(place.pod, place.container);
        let port = crate::probe::port(&action.port, container).ok_or("its port is not among the container's")?;
        let host = action.host.as_deref().filter(|host| !host.is_empty());
        let address = place.address.ok_or("the pod has no address")?;
        let request = http::Request { address, host, port, action };
        // As upstream's: whatever is answered is good, a server that is not there is not.
        return http::get(&request).await.map(drop).map_err(|error| format!("Get \"{}\": {error}", request.url()));
    }
    if let Some(action) = &handler.exec {
        return exec(action.command.clone().unwrap_or_default(), place).await;
    }
    Err("the hook has no handler this node knows; use httpGet, sleep or exec".to_owned())
}

async fn exec(command: Vec<String>, place: &Place<'_>) -> Result<(), String> {
    let runtime = &place.context.runtimes[place.runtime];
    let exec =
        runtime.exec().ok_or_else(|| format!("runtime {} runs no commands inside containers", runtime.handler()))?;
    match exec.run_within(place.id, command, Duration::MAX).await {
        Ok(Some(ran)) if ran.code == 0 => Ok(()),
        Ok(Some(ran)) => Err(format!("the command ended with exit code {}", ran.code)),
        Ok(None) => Err("the command did not end".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Runs preStop within the time there is. What went wrong is told and stops nothing. Answers whether there is such a hook.
pub(crate) async fn pre_stop(place: &Place<'_>, limit: Duration) -> bool {
    let container = facts::container(place.pod, place.container);
    let hook = container.and_then(|container| container.lifecycle.as_ref()?.pre_stop.as_ref());
    let Some(hook) = hook else { return false };
    let failed = match tokio::time::timeout(limit, run(hook, place)).await {
        Ok(Ok(())) => return true,
        Ok(Err(error)) => error,
        Err(_) => "it did not end within the grace period".to_owned(),
    };
    super::events::failed_pre_stop(place.context, place.pod, place.container, &failed);
    true
}
