//! The kinds, one line each.

use crate::strategy::Strategy;
use crate::{
    admissionregistration, apiregistration, apps, batch, certificates, coordination, core, discovery, dra, flowcontrol,
    node, rbac, scheduling, storage,
};

/// Every built-in kind, in the order of discovery.
pub fn builtin() -> &'static [&'static dyn Strategy] {
    &[
        &core::binding::BindingStrategy,
        &core::config_map::ConfigMapStrategy,
        &core::endpoints::EndpointsStrategy,
        &core::event::EventStrategy,
        &core::namespace::NamespaceStrategy,
        &core::node::NodeStrategy,
        &core::persistent_volume::PersistentVolumeStrategy,
        &core::persistent_volume_claim::PersistentVolumeClaimStrategy,
        &core::pod::PodStrategy,
        &core::secret::SecretStrategy,
        &core::service_account::ServiceAccountStrategy,
        &core::service::ServiceStrategy,
        &admissionregistration::mutating_admission_policy::MutatingAdmissionPolicyStrategy,
        &admissionregistration::mutating_admission_policy_binding::MutatingAdmissionPolicyBindingStrategy,
        &admissionregistration::mutating_webhook_configuration::MutatingWebhookConfigurationStrategy,
        &admissionregistration::validating_admission_policy::ValidatingAdmissionPolicyStrategy,
        &admissionregistration::validating_admission_policy_binding::ValidatingAdmissionPolicyBindingStrategy,
        &admissionregistration::validating_webhook_configuration::ValidatingWebhookConfigurationStrategy,
        &apiregistration::api_service::ApiServiceStrategy,
        &apps::controller_revision::ControllerRevisionStrategy,
        &apps::deployment::DeploymentStrategy,
        &apps::replica_set::ReplicaSetStrategy,
        &batch::job::JobStrategy,
        &certificates::certificate_signing_request::CertificateSigningRequestStrategy,
        &coordination::lease::LeaseStrategy,
        &discovery::endpoint_slice::EndpointSliceStrategy,
        &flowcontrol::flow_schema::FlowSchemaStrategy,
        &flowcontrol::priority_level_configuration::PriorityLevelConfigurationStrategy,
        &node::runtime_class::RuntimeClassStrategy,
        &rbac::cluster_role_binding::ClusterRoleBindingStrategy,
        &rbac::cluster_role::ClusterRoleStrategy,
        &rbac::role_binding::RoleBindingStrategy,
        &rbac::role::RoleStrategy,
        &dra::device_class::DeviceClassStrategy,
        &dra::resource_claim::ResourceClaimStrategy,
        &dra::resource_claim_template::ResourceClaimTemplateStrategy,
        &dra::resource_slice::ResourceSliceStrategy,
        &scheduling::priority_class::PriorityClassStrategy,
        &storage::csi_driver::CsiDriverStrategy,
        &storage::csi_node::CsiNodeStrategy,
        &storage::csi_storage_capacity::CsiStorageCapacityStrategy,
        &storage::storage_class::StorageClassStrategy,
        &storage::volume_attachment::VolumeAttachmentStrategy,
        &storage::volume_attributes_class::VolumeAttributesClassStrategy,
    ]
}
