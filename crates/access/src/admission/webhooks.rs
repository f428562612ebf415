//! Webhooks: others that are asked whether an object may enter, and how it should look. Upstream: `admission/plugin/webhook`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures::future::join_all;
use parking_lot::Mutex;
use sampan_api::request::{AdmissionRequest, Lister};
use sampan_api::webhook::WebhookClient;
use sampan_meta::{GroupResource, Status, new_uid, object};
use serde_json::Value;

use super::Context;
use super::expressions::{Conditions, Inputs, describe};
use super::matching::{Criteria, Subject};

mod review;

use review::{Answer, Refusal};

const GROUP: &str = "admissionregistration.k8s.io";
const PATIENCE: i64 = 10;

/// One webhook of a configuration.
struct Hook {
    name: String,
    /// Names it among all.
    key: String,
    criteria: Criteria,
    conditions: Conditions,
    client_config: Value,
    timeout: Duration,
    fails_open: bool,
    /// Whether it may be asked about what will not be stored.
    harmless: bool,
    reinvocable: bool,
    speaks_v1: bool,
}

impl Hook {
    fn of(configuration: &str, index: usize, webhook: &Value) -> Self {
        let text = |pointer: &str| object::str_at(webhook, pointer).unwrap_or_default();
        let seconds = object::i64_at(webhook, "/timeoutSeconds").unwrap_or(PATIENCE).clamp(1, 30);
        let mut versions = object::list_at(webhook, "/admissionReviewVersions").iter();
        Self {
            name: text("/name").to_owned(),
            key: format!("{configuration}/{}/{index}", text("/name")),
            criteria: Criteria::of(webhook),
            conditions: Conditions::of(webhook, false),
            client_config: webhook.get("clientConfig").cloned().unwrap_or_default(),
            timeout: Duration::from_secs(seconds.unsigned_abs()),
            fails_open: text("/failurePolicy") == "Ignore",
            harmless: matches!(text("/sideEffects"), "None" | "NoneOnDryRun"),
            reinvocable: text("/reinvocationPolicy") == "IfNeeded",
            speaks_v1: versions.any(|version| version == "v1"),
        }
    }
}

/// The webhooks of all configurations of a kind, in the order of the configurations' names.
struct Hooks {
    resource: GroupResource,
    state: Mutex<(u64, Arc<Vec<Hook>>)>,
}

impl Hooks {
    fn new(resource: &str) -> Self {
        Self { resource: GroupResource::new(GROUP, resource), state: Mutex::default() }
    }

    /// Costs one look-up until a configuration changes.
    fn current(&self, lister: &dyn Lister) -> Arc<Vec<Hook>> {
        let version = lister.version(&self.resource);
        let mut state = self.state.lock();
        if state.0 != version {
            let mut configurations = lister.list(&self.resource, None);
            configurations.sort_by(|one, other| object::name(one).cmp(object::name(other)));
            let hooks = configurations.iter().flat_map(|configuration| {
                let webhooks = object::list_at(configuration, "/webhooks").iter().enumerate();
                webhooks.map(|(index, webhook)| Hook::of(object::name(configuration), index, webhook))
            });
            *state = (version, Arc::new(hooks.collect()));
        }
        Arc::clone(&state.1)
    }
}

/// Both kinds of webhooks, and the way to them.
pub(super) struct Webhooks {
    client: Arc<dyn WebhookClient>,
    mutating: Hooks,
    validating: Hooks,
}

/// What of one mutation decides about a second round: a webhook that may be asked again is, when something changed after it.
#[derive(Default)]
pub(super) struct Rounds {
    /// Reinvocable ones that were asked, by their keys.
    asked: BTreeSet<String>,
    again: BTreeSet<String>,
    /// Something was changed that others want to see.
    pub(super) changed: bool,
    is_second: bool,
}

impl Rounds {
    /// Notes that an object was changed after those that were asked so far.
    pub(super) fn change(&mut self) {
        self.changed = true;
        self.again.append(&mut self.asked);
    }

    /// Begins the second round; `differs` says that the built-in plugins changed the object in it.
    pub(super) fn second(&mut self, differs: bool) {
        self.is_second = true;
        if differs {
            self.again.append(&mut self.asked);
        }
    }

    /// Whether this one is to be asked now.
    pub(super) fn asks(&self, key: &str) -> bool {
        !self.is_second || self.again.contains(key)
    }

    /// Notes that one was asked.
    pub(super) fn note(&mut self, key: &str, reinvocable: bool) {
        if reinvocable {
            self.asked.insert(key.to_owned());
        }
    }
}

impl Webhooks {
    pub(super) fn new(client: Arc<dyn WebhookClient>) -> Self {
        let (mutating, validating) = ("mutatingwebhookconfigurations", "validatingwebhookconfigurations");
        Self { client, mutating: Hooks::new(mutating), validating: Hooks::new(validating) }
    }

    /// Asks the mutating ones, one after the other: each sees what those before it made of the object.
    pub(super) async fn mutate(
        &self,
        context: &Context,
        request: &AdmissionRequest<'_>,
        object: &mut Value,
        rounds: &mut Rounds,
    ) -> Result<(), Status> {
        let hooks = self.mutating.current(&*context.lister);
        for hook in hooks.iter() {
            let subject = Subject::new(request, object);
            if subject.is_exempt() || !rounds.asks(&hook.key) || !wants(hook, context, &subject)? {
                continue;
            }
            let answered = self.ask(hook, context, &subject, true).await;
            let patch = match answered {
                Ok(answer) => answer.patch,
                Err(refusal) => refusal.settle(hook)?.and_then(|answer: Answer| answer.patch),
            };
            if let Some(patch) = patch {
                if subject.object.is_none() {
                    return Err(Status::internal(format!(
                        "admission webhook {:?} attempted to modify the object, which is not supported for this operation",
                        hook.name
                    )));
                }
                let patched = super::patched(object, &patch)?;
                if patched != *object {
                    *object = patched;
                    rounds.change();
                }
            }
            rounds.note(&hook.key, hook.reinvocable);
        }
        Ok(())
    }

    /// Asks the validating ones, all at once.
    pub(super) async fn validate(
        &self,
        context: &Context,
        request: &AdmissionRequest<'_>,
        object: &Value,
    ) -> Result<(), Status> {
        let (hooks, subject) = (self.validating.current(&*context.lister), Subject::new(request, object));
        if hooks.is_empty() || subject.is_exempt() {
            return Ok(());
        }
        let mut asked = Vec::new();
        for hook in hooks.iter() {
            if wants(hook, context, &subject)? {
                asked.push(async move {
                    self.ask(hook, context, &subject, false)
                        .await
                        .or_else(|refusal| refusal.settle(hook).map(Option::unwrap_or_default))
                });
            }
        }
        join_all(asked).await.into_iter().collect::<Result<Vec<Answer>, Status>>().map(drop)
    }

    async fn ask(
        &self,
        hook: &Hook,
        context: &Context,
        subject: &Subject<'_>,
        mutates: bool,
    ) -> Result<Answer, Refusal> {
        if subject.request.dry_run && !hook.harmless {
            let why = format!("admission webhook {:?} does not support dry run", hook.name);
            return Err(Refusal::Denied(Status::bad_request(why)));
        }
        if !hook.speaks_v1 {
            let why = "could not create admission objects: webhook does not accept known AdmissionReview versions (v1)";
            return Err(Refusal::Failed(why.to_owned()));
        }
        let uid = new_uid(&*context.entropy);
        let review = review::question(describe(subject), &uid, subject);
        let answered = self.client.ask(&hook.client_config, &review, hook.timeout).await;
        let answered = answered.map_err(|why| Refusal::Failed(format!("failed to call webhook: {why}")))?;
        let answer = review::answer(&answered, &uid, mutates, &hook.name)?;
        answer.warnings.iter().for_each(|warning| subject.request.warnings.add(warning.as_str()));
        for (key, value) in &answer.annotations {
            subject.request.warnings.annotate(format!("{}/{key}", hook.name), value.as_str());
        }
        Ok(answer)
    }
}

impl Refusal {
    /// A refusal is one; a failure is, unless the webhook is not that important.
    fn settle(self, hook: &Hook) -> Result<Option<Answer>, Status> {
        match self {
            Self::Denied(status) => Err(status),
            Self::Failed(why) if hook.fails_open => {
                tracing::warn!(webhook = hook.name, why, "failed calling webhook, failing open");
                Ok(None)
            }
            Self::Failed(why) => Err(Status::internal(format!("failed calling webhook {:?}: {why}", hook.name))),
        }
    }
}

/// Whether a webhook is to be asked about this request.
fn wants(hook: &Hook, context: &Context, subject: &Subject<'_>) -> Result<bool, Status> {
    if !hook.criteria.matches(subject, &*context.lister, false)? {
        return Ok(false);
    }
    if hook.conditions.is_empty() {
        return Ok(true);
    }
    let inputs = Inputs::new(*subject, None, &context.authorizer);
    match hook.conditions.hold(&inputs.bind(subject.object, None)) {
        Ok(holds) => Ok(holds),
        Err(_) if hook.fails_open => Ok(false),
        Err(why) => Err(super::forbidden(subject.request, subject.either(), why)),
    }
}
