//! The events a pod's life leaves, with the kubelet's reasons and words.

use std::time::Duration;

use sampan_api::k8s::api::core::v1::Pod;
use sampan_client::EventType::{Normal, Warning};

use super::facts;
use crate::context::Context;
use crate::images::ImageError;

pub(crate) fn pulling(context: &Context, pod: &Pod, container: &str, image: &str) {
    context.event(pod, Some(container), Normal, "Pulling", format!("Pulling image \"{image}\""));
}

pub(crate) fn pulled(context: &Context, pod: &Pod, container: &str, image: &str, took: Duration, size: u64) {
    let milliseconds = took.as_millis();
    let message = format!(
        "Successfully pulled image \"{image}\" in {milliseconds}ms ({milliseconds}ms including waiting). Image size: {size} bytes."
    );
    context.event(pod, Some(container), Normal, "Pulled", message);
}

pub(crate) fn present(context: &Context, pod: &Pod, container: &str, image: &str) {
    context.event(
        pod,
        Some(container),
        Normal,
        "Pulled",
        format!("Container image \"{image}\" already present on machine"),
    );
}

pub(crate) fn not_pulled(context: &Context, pod: &Pod, container: &str, image: &str, error: &ImageError) {
    let (reason, message) = match error.reason {
        "ErrImagePull" => ("Failed", format!("Failed to pull image \"{image}\": {}", error.message)),
        "InvalidImageName" => ("InspectFailed", error.message.clone()),
        reason => (reason, error.message.clone()),
    };
    context.event(pod, Some(container), Warning, reason, message);
    context.event(pod, Some(container), Warning, "Failed", format!("Error: {}", error.reason));
}

pub(crate) fn image_back_off(context: &Context, pod: &Pod, container: &str, image: &str) {
    context.event(pod, Some(container), Normal, "BackOff", format!("Back-off pulling image \"{image}\""));
    context.event(pod, Some(container), Warning, "Failed", "Error: ImagePullBackOff");
}

pub(crate) fn restart_back_off(context: &Context, pod: &Pod, container: &str) {
    let message = format!("Back-off restarting failed container {container} in pod {}", facts::full_name(pod));
    context.event(pod, Some(container), Warning, "BackOff", message);
}

pub(crate) fn created(context: &Context, pod: &Pod, container: &str) {
    context.event(pod, Some(container), Normal, "Created", format!("Created container: {container}"));
}

pub(crate) fn started(context: &Context, pod: &Pod, container: &str) {
    context.event(pod, Some(container), Normal, "Started", format!("Started container {container}"));
}

pub(crate) fn not_started(context: &Context, pod: &Pod, container: &str, message: &str) {
    context.event(pod, Some(container), Warning, "Failed", format!("Error: {message}"));
}

pub(crate) fn failed_post_start(context: &Context, pod: &Pod, container: &str, why: &str) {
    context.event(pod, Some(container), Warning, "FailedPostStartHook", format!("PostStartHook failed: {why}"));
}

pub(crate) fn failed_pre_stop(context: &Context, pod: &Pod, container: &str, why: &str) {
    context.event(pod, Some(container), Warning, "FailedPreStopHook", format!("PreStopHook failed: {why}"));
}

pub(crate) fn killing(context: &Context, pod: &Pod, container: &str, probe: Option<&str>) {
    let message = match probe {
        Some("definition") => format!("Container {container} definition changed, will be restarted"),
        Some(probe) => format!("Container {container} failed {probe} probe, will be restarted"),
        None => format!("Stopping container {container}"),
    };
    context.event(pod, Some(container), Normal, "Killing", message);
}

pub(crate) fn failed_mount(context: &Context, pod: &Pod, message: &str) {
    context.event(pod, None, Warning, "FailedMount", message);
}

pub(crate) fn failed_sandbox(context: &Context, pod: &Pod, why: &str) {
    context.event(pod, None, Warning, "FailedCreatePodSandBox", format!("Failed to create pod sandbox: {why}"));
}

pub(crate) fn not_joined(context: &Context, pod: &Pod, why: &str) {
    tracing::warn!(pod = super::facts::full_name(pod), why, "a pod reaches no Services and is reached by no Wasm pods");
    context.event(pod, None, Warning, "FailedJoinPodNetwork", format!("The pod reaches no Services: {why}"));
}

pub(crate) fn sandbox_changed(context: &Context, pod: &Pod) {
    context.event(pod, None, Normal, "SandboxChanged", "Pod sandbox changed, it will be killed and re-created.");
}

pub(crate) fn deadline_exceeded(context: &Context, pod: &Pod) {
    context.event(
        pod,
        None,
        Normal,
        "DeadlineExceeded",
        "Pod was active on the node longer than the specified deadline",
    );
}
