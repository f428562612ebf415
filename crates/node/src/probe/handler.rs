//! Asking once.

use std::net::IpAddr;
use std::time::Duration;

use sampan_api::k8s::api::core::v1::{Container, ExecAction, Probe, TCPSocketAction};
use sampan_api::k8s::apimachinery::pkg::util::intstr::IntOrString;
use sampan_runtime::ProbeKind;
use tokio::net::TcpStream;

use super::{Kind, Target, grpc, http};
use crate::pod::facts;

/// What one question brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    Success,
    /// With what the event tells.
    Failure(String),
    /// It could not be asked.
    Error(String),
}

/// Asks the probe's handler and the container's own export, as far as there are such; both have to agree.
pub(super) async fn ask(target: &Target, kind: Kind, probe: Option<&Probe>, timeout: Duration) -> Answer {
    let question = async {
        if let Some(probe) = probe {
            let answer = explicit(target, probe, timeout).await;
            if answer != Answer::Success {
                return answer;
            }
        }
        own(target, kind).await
    };
    match tokio::time::timeout(timeout, question).await {
        Ok(answer) => answer,
        Err(_) => Answer::Failure(format!("probe timed out after {}s", timeout.as_secs())),
    }
}

async fn own(target: &Target, kind: Kind) -> Answer {
    let probe = match kind {
        Kind::Liveness if target.offers.live => ProbeKind::Live,
        Kind::Readiness if target.offers.ready => ProbeKind::Ready,
        _ => return Answer::Success,
    };
    match target.context.runtimes[target.runtime].probe(&target.id, probe).await {
        Ok(Some(true) | None) => Answer::Success,
        Ok(Some(false)) => Answer::Failure("the component's own probe says no".to_owned()),
        Err(error) => Answer::Failure(format!("the component's own probe failed: {error}")),
    }
}

async fn explicit(target: &Target, probe: &Probe, timeout: Duration) -> Answer {
    let container = facts::container(&target.pod, &target.container);
    if let Some(action) = &probe.http_get {
        let host = action.host.as_deref().filter(|host| !host.is_empty());
        let Some(port) = port(&action.port, container) else { return no_port(&action.port) };
        let request = http::Request { address: target.address, host, port, action };
        return match http::get(&request).await {
            Ok(code) if (200..400).contains(&code) => Answer::Success,
            Ok(code) => Answer::Failure(format!("HTTP probe failed with statuscode: {code}")),
            Err(error) => Answer::Failure(format!("Get \"{}\": {error}", request.url())),
        };
    }
    if let Some(action) = &probe.tcp_socket {
        let Some(port) = port(&action.port, container) else { return no_port(&action.port) };
        return tcp(target.address, action, port).await;
    }
    if let Some(action) = &probe.exec {
        return exec(target, action, timeout).await;
    }
    if let Some(action) = &probe.grpc {
        let Ok(port) = u16::try_from(action.port) else { return no_port(&IntOrString::Int(action.port)) };
        let service = action.service.as_deref().unwrap_or_default();
        return grpc::check(&grpc::Call { address: target.address, port, service, timeout }).await;
    }
    Answer::Success
}

fn no_port(port: &IntOrString) -> Answer {
    Answer::Error(format!("couldn't find port: {port:?} among the container's ports"))
}

/// A port by number, or by the name the container gives it.
pub(crate) fn port(port: &IntOrString, container: Option<&Container>) -> Option<u16> {
    let number = match port {
        IntOrString::Int(number) => Some(*number),
        IntOrString::String(name) => {
            let ports = container?.ports.iter().flatten();
            ports
                .filter(|port| port.name.as_deref() == Some(name))
                .map(|port| port.container_port)
                .next()
                .or_else(|| name.parse().ok())
        }
    };
    u16::try_from(number?).ok().filter(|number| *number > 0)
}

async fn tcp(address: IpAddr, action: &TCPSocketAction, port: u16) -> Answer {
    let host = action.host.clone().filter(|host| !host.is_empty()).unwrap_or_else(|| address.to_string());
    match TcpStream::connect((host.as_str(), port)).await {
        Ok(_) => Answer::Success,
        Err(error) => Answer::Failure(format!("dial tcp {host}:{port}: connect: {error}")),
    }
}

async fn exec(target: &Target, action: &ExecAction, timeout: Duration) -> Answer {
    let runtime = &target.context.runtimes[target.runtime];
    let Some(exec) = runtime.exec() else {
        let handler = runtime.handler();
        return Answer::Error(format!(
            "runtime {handler} runs no commands inside containers; use httpGet, tcpSocket or a sampan:pod/probe export"
        ));
    };
    let command = action.command.clone().unwrap_or_default();
    match exec.run_within(&target.id, command, timeout).await {
        Ok(Some(ran)) if ran.code == 0 => Answer::Success,
        Ok(Some(ran)) => Answer::Failure(String::from_utf8_lossy(&ran.output).into_owned()),
        Ok(None) => Answer::Failure(format!("command timed out after {}s", timeout.as_secs())),
        Err(error) => Answer::Error(error.to_string()),
    }
}
