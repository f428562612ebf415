//! Probing one running container: startup first, then liveness and readiness side by side, as pkg/kubelet/prober does.

mod grpc;
mod handler;
pub(crate) mod http;
mod series;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;

use sampan_api::k8s::api::core::v1::{Container, Pod, Probe};
use sampan_runtime::ProbeKind;

use crate::context::Context;
use crate::pod::facts;
use crate::pod::mailbox::Mailbox;
use crate::pod::state::Condemned;
use series::{Series, Verdict};

pub(crate) use handler::port;

/// What probing found out; for the worker's mailbox.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Finding {
    pub(crate) container: String,
    pub(crate) attempt: u32,
    pub(crate) what: What,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum What {
    Started,
    Ready(bool),
    Condemned(Condemned),
}

/// Which questions the container's own `sampan:pod/probe` answers.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Offers {
    pub(crate) live: bool,
    pub(crate) ready: bool,
}

/// The running container to be probed.
pub(crate) struct Target {
    pub(crate) context: Arc<Context>,
    /// Names and this container, no more: it is kept as long as the container runs.
    pub(crate) pod: Arc<Pod>,
    pub(crate) container: String,
    pub(crate) attempt: u32,
    pub(crate) runtime: usize,
    pub(crate) id: String,
    pub(crate) address: IpAddr,
    pub(crate) offers: Offers,
}

/// Asks a running container once which questions it answers itself.
pub(crate) async fn offers(context: &Context, runtime: usize, id: &str) -> Offers {
    let runtime = &context.runtimes[runtime];
    let answers = async |kind| {
        let limit = std::time::Duration::from_secs(1);
        // One that does not answer in time has the export: nothing else takes time.
        tokio::time::timeout(limit, runtime.probe(id, kind)).await.map_or(true, |answer| matches!(answer, Ok(Some(_))))
    };
    Offers { live: answers(ProbeKind::Live).await, ready: answers(ProbeKind::Ready).await }
}

/// Whether anything is to be probed at all.
pub(crate) fn is_probed(container: &Container, offers: Offers) -> bool {
    let explicit = [&container.startup_probe, &container.liveness_probe, &container.readiness_probe];
    explicit.iter().any(|probe| probe.is_some()) || offers != Offers::default()
}

/// Probes until dropped.
pub(crate) fn spawn(target: Target, mailbox: Arc<Mailbox>) -> tokio_util::task::AbortOnDropHandle<()> {
    tokio_util::task::AbortOnDropHandle::new(tokio::spawn(run(target, mailbox)))
}

async fn run(target: Target, mailbox: Arc<Mailbox>) {
    let Some(container) = facts::container(&target.pod, &target.container) else { return };
    if let Some(startup) = &container.startup_probe {
        let mut series = Series::new(startup, Kind::Startup, false);
        loop {
            match series.next(&target, Some(startup)).await {
                Some(Verdict::Good) => break,
                Some(Verdict::Bad) => return mailbox.found(target.condemned(Kind::Startup, Some(startup))),
                None => {}
            }
        }
        mailbox.found(target.finding(What::Started));
    }
    let live = liveness(&target, container.liveness_probe.as_ref(), &mailbox);
    let ready = readiness(&target, container.readiness_probe.as_ref(), &mailbox);
    tokio::join!(live, ready);
}

async fn liveness(target: &Target, probe: Option<&Probe>, mailbox: &Mailbox) {
    if probe.is_none() && !target.offers.live {
        return;
    }
    let by_itself = Probe::default();
    let mut series = Series::new(probe.unwrap_or(&by_itself), Kind::Liveness, true);
    loop {
        if series.next(target, probe).await == Some(Verdict::Bad) {
            return mailbox.found(target.condemned(Kind::Liveness, probe));
        }
    }
}

async fn readiness(target: &Target, probe: Option<&Probe>, mailbox: &Mailbox) {
    if probe.is_none() && !target.offers.ready {
        return;
    }
    let by_itself = Probe::default();
    let mut series = Series::new(probe.unwrap_or(&by_itself), Kind::Readiness, false);
    loop {
        if let Some(verdict) = series.next(target, probe).await {
            mailbox.found(target.finding(What::Ready(verdict == Verdict::Good)));
        }
    }
}

/// Which of the three probes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Startup,
    Liveness,
    Readiness,
}

impl Kind {
    fn word(self) -> &'static str {
        match self {
            Kind::Startup => "startup",
            Kind::Liveness => "liveness",
            Kind::Readiness => "readiness",
        }
    }

    /// As events begin with it.
    fn title(self) -> &'static str {
        match self {
            Kind::Startup => "Startup",
            Kind::Liveness => "Liveness",
            Kind::Readiness => "Readiness",
        }
    }
}

impl Target {
    /// Whether nothing stands between the start and the first question for readiness.
    pub(crate) fn asks_readiness_at_once(&self) -> bool {
        let Some(container) = facts::container(&self.pod, &self.container) else { return false };
        let probe = container.readiness_probe.as_ref();
        let asked = probe.is_some() || self.offers.ready;
        asked
            && container.startup_probe.is_none()
            && probe.is_none_or(|probe| probe.initial_delay_seconds.unwrap_or(0) <= 0)
    }

    fn finding(&self, what: What) -> Finding {
        Finding { container: self.container.clone(), attempt: self.attempt, what }
    }

    fn condemned(&self, kind: Kind, probe: Option<&Probe>) -> Finding {
        let grace = probe.and_then(|probe| probe.termination_grace_period_seconds).map(facts::seconds);
        self.finding(What::Condemned(Condemned { probe: kind.word(), grace }))
    }
}
