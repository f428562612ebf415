//! Scales targets by what is measured of them. As upstream's `pkg/controller/podautoscaler`: the one controller that looks every 15
//! seconds, for measurements do not announce themselves; without autoscalers it does nothing.

mod measure;
mod plan;
mod source;

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use jiff::Timestamp;
use parking_lot::Mutex;
use sampan_api::k8s::api::autoscaling::v1::Scale;
use sampan_api::k8s::api::autoscaling::v2::HorizontalPodAutoscaler;
use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::{Api, ApiResource, DynamicObject, Informer, PostParams, ResourceExt, error};
use sampan_meta::selector::LabelSelector;
use sampan_meta::{GroupVersion, object};
use serde_json::Value;

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::discover;
use crate::table::Entry;
use measure::{Place, measure};
use plan::{Bounded, Bounds, Calculator, Conditions, History, Rules, Wanted};
use source::Source;

pub(crate) const ENTRY: Entry = Entry {
    name: "horizontal-pod-autoscaler",
    identity: "horizontal-pod-autoscaler",
    requires: &[("autoscaling", "horizontalpodautoscalers")],
    permissions: &[
        Rule { group: "autoscaling", resources: &["horizontalpodautoscalers"], verbs: &["get", "list", "watch"] },
        Rule { group: "autoscaling", resources: &["horizontalpodautoscalers/status"], verbs: &["update"] },
        Rule { group: "*", resources: &["*/scale"], verbs: &["get", "update"] },
        Rule { group: "", resources: &["pods"], verbs: &["list", "watch"] },
        Rule { group: "metrics.k8s.io", resources: &["pods"], verbs: &["list", "watch"] },
        Rule { group: "custom.metrics.k8s.io", resources: &["*"], verbs: &["get", "list", "watch"] },
        Rule { group: "external.metrics.k8s.io", resources: &["*"], verbs: &["get", "list", "watch"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(Autoscaler::new(context.clone())),
};

/// Upstream's `--horizontal-pod-autoscaler-sync-period`.
const PERIOD: Duration = Duration::from_secs(15);

struct Autoscaler {
    cx: Context,
    autoscalers: Informer<HorizontalPodAutoscaler>,
    pods: Informer<Pod>,
    source: Source,
    histories: Mutex<HashMap<Key, History>>,
    /// Kinds that were scaled before, by group and kind.
    kinds: Mutex<HashMap<(String, String), ApiResource>>,
}

/// An autoscaler at work.
struct Round<'a> {
    key: &'a Key,
    autoscaler: &'a HorizontalPodAutoscaler,
    value: Value,
    conditions: Conditions,
    now: Timestamp,
}

impl Autoscaler {
    fn new(cx: Context) -> Self {
        let (autoscalers, pods, source) = (cx.informer(), cx.informer(), Source::new(cx.clone()));
        Self { autoscalers, pods, source, histories: Mutex::default(), kinds: Mutex::default(), cx }
    }

    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(autoscaler) = self.autoscalers.get(key) else {
            self.histories.lock().remove(key);
            return Ok(Next::Settled);
        };
        let value = serde_json::to_value(&*autoscaler).expect("objects of the API are JSON");
        let now = self.cx.now();
        let conditions = Conditions::of(&value, now);
        self.look(Round { key, autoscaler: &autoscaler, value, conditions, now }).await?;
        Ok(Next::After(PERIOD))
    }

    async fn look(&self, mut round: Round<'_>) -> Result<(), Failure> {
        let (api, name) = match self.target(&round).await {
            Ok(target) => target,
            Err(why) => return self.out_of_reach(round, &why).await,
        };
        let scale = match api.get_scale(&name).await {
            Ok(scale) => scale,
            Err(failure) => return self.out_of_reach(round, &error::message(&failure)).await,
        };
        let message = "the HPA controller was able to get the target's current scale";
        round.conditions.set("AbleToScale", true, "SucceededGetScale", message);
        let current = scale.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(0);
        let bounds = bounds(&round.value, current);
        let Some((desired, reason, metrics)) = self.decide(&mut round, &scale, bounds).await else {
            let (now, last) = (current, scale.status.as_ref().map_or(0, |status| status.replicas));
            let desired = round.value.pointer("/status/desiredReplicas").and_then(Value::as_i64).map_or(now, narrow);
            return self.write(round, last, desired, Vec::new(), None).await;
        };
        let rescaled = match desired == current {
            true => None,
            false => self.rescale(&mut round, &api, &name, scale, desired, &reason).await?,
        };
        let shown = if desired == current || rescaled.is_some() { desired } else { current };
        self.write(round, current, shown, metrics, rescaled).await
    }

    /// The target's API and name.
    async fn target(&self, round: &Round<'_>) -> Result<(Api<DynamicObject>, String), String> {
        let text =
            |member: &str| object::str_at(&round.value, &format!("/spec/scaleTargetRef/{member}")).unwrap_or_default();
        let group = GroupVersion::parse(text("apiVersion")).group;
        let wanted = (group, text("kind").to_owned());
        let known = self.kinds.lock().get(&wanted).cloned();
        let resource = match known {
            Some(resource) => resource,
            None => {
                let served = discover::resources(&self.cx.client).await.map_err(|failure| error::message(&failure))?;
                let is_it =
                    |(resource, _): &(ApiResource, _)| (&resource.group, &resource.kind) == (&wanted.0, &wanted.1);
                let found = served.into_iter().find(is_it);
                let (resource, _) =
                    found.ok_or_else(|| format!("no matches for kind {:?} in group {:?}", wanted.1, wanted.0))?;
                self.kinds.lock().insert(wanted, resource.clone());
                resource
            }
        };
        let api = Api::namespaced_with(self.cx.client.clone(), &round.key.namespace, &resource);
        Ok((api, text("name").to_owned()))
    }

    async fn out_of_reach(&self, mut round: Round<'_>, why: &str) -> Result<(), Failure> {
        self.cx.recorder.warning(round.autoscaler, "FailedGetScale", why);
        let message = format!("the HPA controller was unable to get the target's current scale: {why}");
        round.conditions.set("AbleToScale", false, "FailedGetScale", message);
        let kept =
            |name: &str| round.value.pointer(&format!("/status/{name}")).and_then(Value::as_i64).map_or(0, narrow);
        let (current, desired) = (kept("currentReplicas"), kept("desiredReplicas"));
        let metrics = object::list_at(&round.value, "/status/currentMetrics").to_vec();
        self.write(round, current, desired, metrics, None).await
    }

    /// How many there shall be, why, and what was measured; `None`: nobody knows.
    async fn decide(&self, round: &mut Round<'_>, scale: &Scale, bounds: Bounds) -> Option<(i32, String, Vec<Value>)> {
        match plan::bounds(bounds.current, bounds.least, bounds.most) {
            Bounded::Off => {
                let message = "scaling is disabled since the replica count of the target is zero";
                round.conditions.set("ScalingActive", false, "ScalingDisabled", message);
                return Some((0, String::new(), Vec::new()));
            }
            Bounded::To(replicas, reason) => return Some((replicas, reason.to_owned(), Vec::new())),
            Bounded::Inside => {}
        }
        let rules = Rules::of(&round.value["spec"]);
        let Wanted { replicas, statuses, failure } = self.measure(round, scale, bounds.current, &rules).await?;
        if let Some(why) = &failure {
            tracing::debug!(autoscaler = %round.key, why, "not all metrics could be had");
        }
        let Some((wanted, metric)) = replicas else {
            self.cx.recorder.warning(round.autoscaler, "FailedComputeMetricsReplicas", failure.unwrap_or_default());
            return None;
        };
        let mut histories = self.histories.lock();
        let history = histories.entry(round.key.clone()).or_default();
        history.begin(bounds.current, round.now);
        let desired = history.normalize(wanted, bounds, &rules, round.now, &mut round.conditions);
        let reason = if wanted > bounds.current {
            format!("{metric} above target")
        } else {
            "All metrics below target".to_owned()
        };
        Some((desired, reason, statuses))
    }

    async fn measure(&self, round: &mut Round<'_>, scale: &Scale, current: i32, rules: &Rules) -> Option<Wanted> {
        let selector = scale.status.as_ref().and_then(|status| status.selector.as_deref()).unwrap_or_default();
        let parsed = LabelSelector::parse(selector).map_err(|problem| problem.to_string());
        let selected = match parsed {
            Ok(selected) if !selector.is_empty() => self.pods.list_matching(&round.key.namespace, &selected),
            other => {
                let (event, message) = match other {
                    Ok(_) => ("SelectorRequired", "the HPA target's scale is missing a selector".to_owned()),
                    Err(why) => (
                        "InvalidSelector",
                        format!("couldn't convert selector into a corresponding internal selector object: {why}"),
                    ),
                };
                let words = if event == "SelectorRequired" { "selector is required" } else { &message };
                self.cx.recorder.warning(round.autoscaler, event, words);
                round.conditions.set("ScalingActive", false, "InvalidSelector", message);
                return None;
            }
        };
        let calculator = Calculator { pods: &selected, current, tolerance: rules.tolerance(), now: round.now };
        let place = Place { source: &self.source, namespace: &round.key.namespace, selector };
        let mut results = Vec::new();
        let specs = object::list_at(&round.value, "/spec/metrics");
        for (metric, spec) in plan::metrics(&round.value["spec"]).iter().zip(specs) {
            let result = measure(metric, spec, &place, &calculator).await;
            if let Err(unmeasured) = &result {
                self.cx.recorder.warning(round.autoscaler, unmeasured.reason, unmeasured.message.clone());
            }
            results.push(result);
        }
        Some(plan::together(results, current, &mut round.conditions))
    }

    /// Writes the target's scale; answers when, if it could.
    async fn rescale(
        &self,
        round: &mut Round<'_>,
        api: &Api<DynamicObject>,
        name: &str,
        mut scale: Scale,
        desired: i32,
        reason: &str,
    ) -> Result<Option<Timestamp>, Failure> {
        let before = scale.spec.get_or_insert_default().replicas.replace(desired).unwrap_or(0);
        if let Err(failure) = api.replace_scale(name, &PostParams::default(), &scale).await {
            let why = error::message(&failure);
            let message = format!("New size: {desired}; reason: {reason}; error: {why}");
            self.cx.recorder.warning(round.autoscaler, "FailedRescale", message);
            let message = format!("the HPA controller was unable to update the target scale: {why}");
            round.conditions.set("AbleToScale", false, "FailedUpdateScale", message);
            return Ok(None);
        }
        let message = format!("the HPA controller was able to update the target scale to {desired}");
        round.conditions.set("AbleToScale", true, "SucceededRescale", message);
        self.cx.recorder.normal(
            round.autoscaler,
            "SuccessfulRescale",
            format!("New size: {desired}; reason: {reason}"),
        );
        let rules = Rules::of(&round.value["spec"]);
        self.histories.lock().entry(round.key.clone()).or_default().scaled(before, desired, round.now, &rules);
        Ok(Some(round.now))
    }

    async fn write(
        &self,
        round: Round<'_>,
        current: i32,
        desired: i32,
        metrics: Vec<Value>,
        scaled: Option<Timestamp>,
    ) -> Result<(), Failure> {
        let Round { key, value, conditions, .. } = round;
        let mut changed = value.clone();
        changed["status"] = plan::status(&value, current, desired, metrics, conditions, scaled);
        let changed: HorizontalPodAutoscaler =
            serde_json::from_value(changed).map_err(|problem| Failure::Object(problem.to_string()))?;
        if changed.status == round.autoscaler.status {
            return Ok(());
        }
        let api: Api<HorizontalPodAutoscaler> = self.cx.api(&key.namespace);
        match api.replace_status(&key.name, &PostParams::default(), &changed).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }
}

fn bounds(autoscaler: &Value, current: i32) -> Bounds {
    let number = |name: &str| autoscaler.pointer(&format!("/spec/{name}")).and_then(Value::as_i64).map(narrow);
    Bounds { current, least: number("minReplicas").unwrap_or(1), most: number("maxReplicas").unwrap_or(i32::MAX) }
}

fn narrow(number: i64) -> i32 {
    i32::try_from(number).unwrap_or(i32::MAX)
}

impl Controller for Autoscaler {
    /// Only what a person changes is looked at before its time: a status would bring itself back.
    fn watches(&self) -> Vec<Watch> {
        vec![Watch::new(&self.autoscalers, |change| {
            let generation = |autoscaler: &Arc<HorizontalPodAutoscaler>| autoscaler.metadata.generation;
            let same =
                change.new.is_some() && change.old.as_ref().map(generation) == change.new.as_ref().map(generation);
            let autoscaler = change.object();
            let key = Key::new(autoscaler.metadata.namespace.clone().unwrap_or_default(), autoscaler.name_any());
            if same { Vec::new() } else { vec![key] }
        })]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}
