//! The pods a Job makes.

use sampan_api::k8s::api::batch::v1::Job;
use sampan_api::k8s::api::core::v1::{EnvVar, EnvVarSource, ObjectFieldSelector, Pod, PodSpec};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::indexes::INDEX;
use super::per_index::{FAILURES, Failures, IGNORED};
use crate::ownership::controller_reference;

/// Keeps a pod until it is counted.
pub(crate) const FINALIZER: &str = "batch.kubernetes.io/job-tracking";
const ENVIRONMENT: &str = "JOB_COMPLETION_INDEX";

/// Whether the pod is still to be counted.
pub(crate) fn is_tracked(pod: &Pod) -> bool {
    pod.metadata.finalizers.iter().flatten().any(|finalizer| finalizer == FINALIZER)
}

/// A pod to make: its completion index if the Job is indexed, and how often that failed if the Job limits it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) index: Option<u32>,
    pub(super) failures: Option<Failures>,
}

/// A pod of the template; of an indexed Job it knows its index by label, annotation, environment and host name.
pub(crate) fn new_pod(job: &Job, place: Place) -> Pod {
    let Place { index, failures } = place;
    let template = job.spec.as_ref().map(|spec| spec.template.clone()).unwrap_or_default();
    let name = job.metadata.name.as_deref().unwrap_or_default();
    let meta = template.metadata.unwrap_or_default();
    let mut finalizers = meta.finalizers.unwrap_or_default();
    finalizers.push(FINALIZER.to_owned());
    let mut metadata = ObjectMeta {
        generate_name: Some(index.map_or_else(|| format!("{name}-"), |index| format!("{name}-{index}-"))),
        namespace: job.metadata.namespace.clone(),
        labels: meta.labels,
        annotations: meta.annotations,
        finalizers: Some(finalizers),
        owner_references: Some(vec![controller_reference(job)]),
        ..ObjectMeta::default()
    };
    let mut spec = template.spec.unwrap_or_default();
    if let Some(index) = index {
        metadata.labels.get_or_insert_default().insert(INDEX.to_owned(), index.to_string());
        metadata.annotations.get_or_insert_default().insert(INDEX.to_owned(), index.to_string());
        tell_index(&mut spec, name, index);
    }
    if let Some(Failures { counted, ignored }) = failures {
        let annotations = metadata.annotations.get_or_insert_default();
        annotations.insert(FAILURES.to_owned(), counted.to_string());
        if ignored > 0 {
            annotations.insert(IGNORED.to_owned(), ignored.to_string());
        }
    }
    Pod { metadata, spec: Some(spec), ..Pod::default() }
}

fn tell_index(spec: &mut PodSpec, name: &str, index: u32) {
    spec.hostname = Some(format!("{name}-{index}"));
    let field = ObjectFieldSelector { api_version: None, field_path: format!("metadata.labels['{INDEX}']") };
    let source = EnvVarSource { field_ref: Some(field), ..EnvVarSource::default() };
    let containers = spec.containers.iter_mut().chain(spec.init_containers.iter_mut().flatten());
    for container in containers {
        let environment = container.env.get_or_insert_default();
        if environment.iter().all(|variable| variable.name != ENVIRONMENT) {
            let value_from = Some(source.clone());
            environment.push(EnvVar { name: ENVIRONMENT.to_owned(), value: None, value_from });
        }
    }
}
