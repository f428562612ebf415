//! From measurements to a number of replicas. Upstream: `pkg/controller/podautoscaler/replica_calculator.go` and `metrics/utilization.go`.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::{Container, Pod, ResourceRequirements};
use sampan_api::{pod, volume::amount};

/// For so long after its start a pod's CPU use says little (upstream's `--horizontal-pod-autoscaler-cpu-initialization-period`).
const CPU_INITIALIZATION: Duration = Duration::from_secs(300);
/// A pod that was not ready by then never was (`--horizontal-pod-autoscaler-initial-readiness-delay`).
const INITIAL_READINESS: Duration = Duration::from_secs(30);

/// One measurement of one pod, in thousandths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Sample {
    pub(crate) value: i64,
    pub(crate) at: Timestamp,
    pub(crate) window: Duration,
}

/// Measurements by pod.
pub(crate) type Samples = BTreeMap<String, Sample>;

/// How far from its goal a metric may be before anything is done.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct Tolerance {
    pub(crate) down: f64,
    pub(crate) up: f64,
}

impl Tolerance {
    fn covers(self, ratio: f64) -> bool {
        (1.0 - self.down..=1.0 + self.up).contains(&ratio)
    }
}

/// A number of replicas, and what it was computed from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Measured {
    pub(crate) replicas: i32,
    /// In percent, where the goal is.
    pub(crate) utilization: Option<i64>,
    /// In thousandths, for each pod.
    pub(crate) average: i64,
}

/// What numbers of replicas are computed from beside the measurements.
pub(crate) struct Calculator<'a> {
    /// The pods of the target.
    pub(crate) pods: &'a [Arc<Pod>],
    pub(crate) current: i32,
    pub(crate) tolerance: Tolerance,
    pub(crate) now: Timestamp,
}

/// The target's pods by what their measurements are worth.
#[derive(Default)]
struct Groups<'a> {
    ready: usize,
    unready: BTreeSet<&'a str>,
    missing: BTreeSet<&'a str>,
    ignored: BTreeSet<&'a str>,
}

impl Calculator<'_> {
    /// By percent of what the pods request of a resource.
    pub(crate) fn by_utilization(
        &self,
        samples: Samples,
        goal: i64,
        resource: &str,
        container: Option<&str>,
    ) -> Result<Measured, String> {
        let (groups, samples) = self.sorted(samples, resource)?;
        let requests = self.requests(resource, container)?;
        let (ratio, utilization, average) = utilization(&samples, &requests, goal)?;
        // Upstream takes a missing pod for one that uses all it requests, or as much as the goal is if that is more.
        let full = |name: &str| requests.get(name).copied().unwrap_or(0).saturating_mul(goal.max(100)) / 100;
        let again = |samples: &Samples| self::utilization(samples, &requests, goal).map(|(ratio, _, _)| ratio);
        let replicas = self.decide(ratio, &groups, samples, full, again)?;
        Ok(Measured { replicas, utilization: Some(utilization), average })
    }

    /// By so much for each pod.
    pub(crate) fn by_average(&self, samples: Samples, goal: i64, resource: &str) -> Result<Measured, String> {
        let (groups, samples) = self.sorted(samples, resource)?;
        let (ratio, average) = per_pod(&samples, goal);
        let replicas = self.decide(ratio, &groups, samples, |_| goal, |samples| Ok(per_pod(samples, goal).0))?;
        Ok(Measured { replicas, utilization: None, average })
    }

    /// By so much altogether.
    pub(crate) fn by_value(&self, usage: i64, goal: i64) -> Result<i32, String> {
        let ratio = ratio(usage, goal);
        if self.current == 0 {
            return Ok(ceil(ratio));
        }
        if self.tolerance.covers(ratio) {
            return Ok(self.current);
        }
        if self.pods.is_empty() {
            return Err("unable to calculate ready pods: no pods returned by selector while calculating replica count"
                .to_owned());
        }
        let ready = self.pods.iter().filter(|pod| pod::phase(pod) == "Running" && pod::is_ready(pod)).count();
        Ok(ceil(ratio * float(ready)))
    }

    /// By so much altogether, shared out between the replicas. Also answers the share of each.
    pub(crate) fn by_share(&self, usage: i64, goal: i64) -> (i32, i64) {
        let all = f64::from(self.current) * wide(goal);
        let within = self.current != 0 && self.tolerance.covers(wide(usage) / all);
        let replicas = if within { self.current } else { ceil(ratio(usage, goal)) };
        let share = if self.current == 0 {
            0
        } else {
            usage.div_euclid(i64::from(self.current)) + i64::from(usage % i64::from(self.current) != 0)
        };
        (replicas, share)
    }

    /// Upstream's `groupPods`.
    fn sorted(&self, mut samples: Samples, resource: &str) -> Result<(Groups<'_>, Samples), String> {
        if self.pods.is_empty() {
            return Err("no pods returned by selector while calculating replica count".to_owned());
        }
        let mut groups = Groups::default();
        for pod in self.pods {
            let name = pod.metadata.name.as_deref().unwrap_or_default();
            let group = match samples.get(name) {
                _ if pod::is_terminating(pod) || pod::phase(pod) == "Failed" => &mut groups.ignored,
                _ if pod::phase(pod) == "Pending" => &mut groups.unready,
                None => &mut groups.missing,
                Some(sample) if resource == "cpu" && says_little(pod, sample, self.now) => &mut groups.unready,
                Some(_) => {
                    groups.ready += 1;
                    continue;
                }
            };
            group.insert(name);
        }
        samples.retain(|name, _| !groups.ignored.contains(name.as_str()) && !groups.unready.contains(name.as_str()));
        if samples.is_empty() {
            return Err("did not receive metrics for targeted pods (pods might be unready)".to_owned());
        }
        Ok((groups, samples))
    }

    /// Pods that were not measured are taken for what would change the least: neither may they turn growing into shrinking.
    fn decide(
        &self,
        ratio: f64,
        groups: &Groups<'_>,
        mut samples: Samples,
        full: impl Fn(&str) -> i64,
        again: impl Fn(&Samples) -> Result<f64, String>,
    ) -> Result<i32, String> {
        let with_unready = !groups.unready.is_empty() && ratio > 1.0;
        if !with_unready && groups.missing.is_empty() {
            return Ok(if self.tolerance.covers(ratio) { self.current } else { ceil(ratio * float(groups.ready)) });
        }
        let assumed = |value| Sample { value, at: self.now, window: Duration::ZERO };
        if ratio != 1.0 {
            let missing = groups.missing.iter();
            samples.extend(missing.map(|name| ((*name).to_owned(), assumed(if ratio < 1.0 { full(name) } else { 0 }))));
        }
        if with_unready {
            samples.extend(groups.unready.iter().map(|name| ((*name).to_owned(), assumed(0))));
        }
        let new = again(&samples)?;
        if self.tolerance.covers(new) || (ratio < 1.0 && new > 1.0) || (ratio > 1.0 && new < 1.0) {
            return Ok(self.current);
        }
        let replicas = ceil(new * float(samples.len()));
        let turned = (new < 1.0 && replicas > self.current) || (new > 1.0 && replicas < self.current);
        Ok(if turned { self.current } else { replicas })
    }

    /// What each pod requests of a resource, or one container of each.
    fn requests(&self, resource: &str, container: Option<&str>) -> Result<BTreeMap<String, i64>, String> {
        let request = |resources: Option<&ResourceRequirements>| {
            let request = resources.and_then(|resources| resources.requests.as_ref()?.get(resource));
            request.map(|request| i64::try_from(amount(Some(request)).milli()).unwrap_or(i64::MAX))
        };
        let of_pod = |pod: &Arc<Pod>| {
            let name = pod.metadata.name.clone().unwrap_or_default();
            let spec = pod.spec.as_ref();
            if let Some(whole) = request(spec.and_then(|spec| spec.resources.as_ref())).filter(|_| container.is_none())
            {
                return Ok((name, whole));
            }
            let mut sum = 0_i64;
            for one in containers(pod).filter(|one| container.is_none_or(|name| one.name == name)) {
                let missing = || format!("missing request for {resource} in container {} of Pod {name}", one.name);
                sum = sum.saturating_add(request(one.resources.as_ref()).ok_or_else(missing)?);
            }
            Ok((name, sum))
        };
        self.pods.iter().map(of_pod).collect()
    }
}

/// The containers that run as long as the pod does.
fn containers(pod: &Pod) -> impl Iterator<Item = &Container> {
    let spec = pod.spec.iter();
    spec.flat_map(|spec| {
        let sidecars = spec.init_containers.iter().flatten();
        let sidecars = sidecars.filter(|container| container.restart_policy.as_deref() == Some("Always"));
        spec.containers.iter().chain(sidecars)
    })
}

/// Whether a CPU measurement is of a pod that is still getting ready.
fn says_little(pod: &Pod, sample: &Sample, now: Timestamp) -> bool {
    let started = pod.status.as_ref().and_then(|status| status.start_time.as_ref());
    let (Some(ready), Some(started)) = (pod::condition(pod, "Ready"), started) else { return true };
    let changed = crate::time::or_min(ready.last_transition_time.as_ref());
    if started.0 + CPU_INITIALIZATION > now {
        return ready.status == "False" || sample.at < changed.saturating_add(sample.window).unwrap_or(changed);
    }
    ready.status == "False" && started.0 + INITIAL_READINESS > changed
}

/// The ratio to the goal, the percentage, and the average of each pod.
fn utilization(samples: &Samples, requests: &BTreeMap<String, i64>, goal: i64) -> Result<(f64, i64, i64), String> {
    let known = samples.iter().filter_map(|(name, sample)| Some((sample.value, *requests.get(name)?)));
    let (mut used, mut requested, mut pods) = (0_i64, 0_i64, 0_i64);
    for (value, request) in known {
        (used, requested, pods) = (used.saturating_add(value), requested.saturating_add(request), pods + 1);
    }
    if requested == 0 || pods == 0 {
        return Err("no metrics returned matched known pods".to_owned());
    }
    let percent = used.saturating_mul(100) / requested;
    Ok((ratio(percent, goal), percent, used / pods))
}

/// The ratio to the goal, and the average of each pod.
fn per_pod(samples: &Samples, goal: i64) -> (f64, i64) {
    let total = samples.values().fold(0_i64, |total, sample| total.saturating_add(sample.value));
    let average = total / i64::try_from(samples.len().max(1)).unwrap_or(i64::MAX);
    (ratio(average, goal), average)
}

fn ratio(usage: i64, goal: i64) -> f64 {
    wide(usage) / wide(goal)
}

#[allow(clippy::cast_precision_loss, reason = "measurements are no more exact than that")]
fn wide(number: i64) -> f64 {
    number as f64
}

fn float(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Up to a whole number of replicas; what is none, as of a goal of zero, is the most there can be.
#[allow(clippy::cast_possible_truncation, reason = "`as` between floats and integers saturates")]
fn ceil(replicas: f64) -> i32 {
    if replicas.is_nan() { i32::MAX } else { replicas.ceil() as i32 }
}
