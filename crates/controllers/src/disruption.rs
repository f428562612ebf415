//! The condition by which a pod says that somebody ended it from outside.

use jiff::Timestamp;
use sampan_api::k8s::api::core::v1::PodCondition;
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time;

pub(crate) fn target(reason: &str, message: &str, now: Timestamp) -> PodCondition {
    PodCondition {
        type_: "DisruptionTarget".to_owned(),
        status: "True".to_owned(),
        reason: Some(reason.to_owned()),
        message: Some(message.to_owned()),
        last_transition_time: Some(Time(now)),
        ..PodCondition::default()
    }
}
