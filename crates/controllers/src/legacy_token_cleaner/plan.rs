//! What becomes of one token.

use std::collections::BTreeSet;
use std::time::Duration;

use jiff::civil::Date;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp, ToSpan};
use sampan_api::k8s::api::core::v1::{
    ConfigMap, Container, EnvFromSource, EnvVar, Pod, Secret, ServiceAccount, Volume,
};
use sampan_api::volume::annotation;

use crate::controller::Key;

/// When it was last shown, as a day; the authenticator's.
const LAST_USED: &str = "kubernetes.io/legacy-token-last-used";
/// From which day on it is not to be believed any more; ours. Who takes it off keeps the token.
pub(super) const INVALID_SINCE: &str = "kubernetes.io/legacy-token-invalid-since";
const ACCOUNT: &str = "kubernetes.io/service-account.name";
const ACCOUNT_UID: &str = "kubernetes.io/service-account.uid";

/// What is known.
pub(super) struct Observed<'a> {
    pub(super) secret: &'a Secret,
    /// The one of the name in the Secret.
    pub(super) account: Option<&'a ServiceAccount>,
    /// The day from which on uses are written down.
    pub(super) tracked_since: Option<Date>,
    /// Whether a pod names the Secret; asked only when it matters.
    pub(super) mounted: &'a (dyn Fn() -> bool + Sync),
    pub(super) now: Timestamp,
    /// How long a token has to be unused, and then marked.
    pub(super) unused_for: Duration,
}

#[derive(Debug, PartialEq, Eq)]
pub(super) enum Plan {
    /// Until something changes.
    Keep,
    /// Until then nothing can be said.
    Wait(Duration),
    /// As invalid since this day.
    Mark(String),
    Delete,
}

/// Days are UTC's, as upstream's.
pub(super) fn plan(observed: &Observed<'_>) -> Plan {
    let Observed { secret, account, tracked_since, mounted, now, unused_for } = *observed;
    let labels = secret.metadata.labels.as_ref();
    let label = |name: &str| labels.and_then(|labels| labels.get(name)).map(String::as_str);
    let Some(tracked_since) = tracked_since.filter(|_| secret.metadata.deletion_timestamp.is_none()) else {
        return Plan::Keep;
    };
    let last_used = match label(LAST_USED).map(day) {
        // A day that cannot be read says nothing of when.
        Some(None) => return Plan::Keep,
        Some(Some(day)) => Some(day),
        None => None,
    };
    if !account.is_some_and(|account| is_of(secret, account)) {
        return Plan::Keep;
    }
    let created = secret.metadata.creation_timestamp.as_ref().map_or(now, |time| time.0);
    let unused_since = [Some(after(tracked_since)), Some(created), last_used.map(after)].into_iter().flatten().max();
    if let Some(left) = left(unused_since.unwrap_or(now), unused_for, now) {
        return Plan::Wait(left);
    }
    if mounted() {
        return Plan::Keep;
    }
    match label(INVALID_SINCE).and_then(day) {
        None => Plan::Mark(TimeZone::UTC.to_datetime(now).date().to_string()),
        Some(marked) => left(after(marked), unused_for, now).map_or(Plan::Delete, Plan::Wait),
    }
}

/// Whether the Secret was made of itself for this very account.
fn is_of(secret: &Secret, account: &ServiceAccount) -> bool {
    let uid = annotation(&secret.metadata, ACCOUNT_UID).filter(|uid| !uid.is_empty());
    let mut listed = account.secrets.iter().flatten();
    uid.is_none_or(|uid| account.metadata.uid.as_deref() == Some(uid))
        && listed.any(|reference| reference.name == secret.metadata.name)
}

/// How long until `period` after `since` has passed; `None`: it has.
fn left(since: Timestamp, period: Duration, now: Timestamp) -> Option<Duration> {
    let period = SignedDuration::try_from(period).unwrap_or(SignedDuration::MAX);
    let due = since.checked_add(period).unwrap_or(Timestamp::MAX);
    Duration::try_from(due.duration_since(now)).ok().filter(|left| !left.is_zero())
}

fn day(text: &str) -> Option<Date> {
    Date::strptime("%Y-%m-%d", text).ok()
}

/// The first moment of the next day: until then, what is said of a day may still be true.
fn after(day: Date) -> Timestamp {
    let next = day.checked_add(1.day()).ok().and_then(|next| next.to_zoned(TimeZone::UTC).ok());
    next.map_or(Timestamp::MAX, |next| next.timestamp())
}

/// The account a Secret names.
pub(super) fn account(secret: &Secret) -> Option<Key> {
    let name = annotation(&secret.metadata, ACCOUNT).filter(|name| !name.is_empty())?;
    Some(Key::new(secret.metadata.namespace.clone().unwrap_or_default(), name))
}

/// The day in the ConfigMap; what cannot be read is none.
pub(super) fn since(tracking: &ConfigMap) -> Option<Date> {
    day(tracking.data.as_ref()?.get("since")?)
}

/// Every Secret a pod names, wherever it may (upstream's `VisitPodSecretNames`).
pub(super) fn secret_names(pod: &Pod) -> BTreeSet<String> {
    let Some(spec) = &pod.spec else { return BTreeSet::new() };
    let pulls = spec.image_pull_secrets.iter().flatten().map(|secret| secret.name.clone());
    let init = spec.init_containers.iter().flatten();
    let containers = init.chain(&spec.containers).flat_map(of_container);
    let ephemeral = spec.ephemeral_containers.iter().flatten();
    let ephemeral = ephemeral.flat_map(|one| of_environment(one.env.as_deref(), one.env_from.as_deref()));
    let volumes = spec.volumes.iter().flatten().flat_map(of_volume);
    pulls.chain(containers).chain(ephemeral).chain(volumes).filter(|name| !name.is_empty()).collect()
}

fn of_container(container: &Container) -> Vec<String> {
    of_environment(container.env.as_deref(), container.env_from.as_deref())
}

fn of_environment(variables: Option<&[EnvVar]>, sources: Option<&[EnvFromSource]>) -> Vec<String> {
    let whole = sources.unwrap_or_default().iter().filter_map(|source| Some(source.secret_ref.as_ref()?.name.clone()));
    let single = variables
        .unwrap_or_default()
        .iter()
        .filter_map(|variable| Some(variable.value_from.as_ref()?.secret_key_ref.as_ref()?.name.clone()));
    whole.chain(single).collect()
}

fn of_volume(volume: &Volume) -> Vec<String> {
    let projected = volume.projected.iter().flat_map(|projected| projected.sources.iter().flatten());
    let projected = projected.filter_map(|source| Some(source.secret.as_ref()?.name.clone()));
    let named = [
        volume.secret.as_ref().and_then(|source| source.secret_name.clone()),
        volume.azure_file.as_ref().map(|source| source.secret_name.clone()),
        volume.cephfs.as_ref().and_then(|source| Some(source.secret_ref.as_ref()?.name.clone())),
        volume.cinder.as_ref().and_then(|source| Some(source.secret_ref.as_ref()?.name.clone())),
        volume.csi.as_ref().and_then(|source| Some(source.node_publish_secret_ref.as_ref()?.name.clone())),
        volume.flex_volume.as_ref().and_then(|source| Some(source.secret_ref.as_ref()?.name.clone())),
        volume.iscsi.as_ref().and_then(|source| Some(source.secret_ref.as_ref()?.name.clone())),
        volume.rbd.as_ref().and_then(|source| Some(source.secret_ref.as_ref()?.name.clone())),
        volume.scale_io.as_ref().map(|source| source.secret_ref.name.clone()),
        volume.storageos.as_ref().and_then(|source| Some(source.secret_ref.as_ref()?.name.clone())),
    ];
    named.into_iter().flatten().chain(projected).collect()
}

#[cfg(test)]
mod tests;
