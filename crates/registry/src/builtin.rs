//! The kinds, one line each.

use crate::strategy::Strategy;
use crate::{apps, batch, certificates, coordination, core, discovery, node, rbac, scheduling};

/// Every built-in kind, in the order of discovery.
pub fn builtin() -> &'static [&'static dyn Strategy] {
    &[
        &core::binding::BindingStrategy,
        &core::config_map::ConfigMapStrategy,
        &core::endpoints::EndpointsStrategy,
        &core::event::EventStrategy,
        &core::namespace::NamespaceStrategy,
        &core::node::NodeStrategy,
        &core::pod::PodStrategy,
        &core::secret::SecretStrategy,
        &core::service_account::ServiceAccountStrategy,
        &core::service::ServiceStrategy,
        &apps::controller_revision::ControllerRevisionStrategy,
        &apps::deployment::DeploymentStrategy,
        &apps::replica_set::ReplicaSetStrategy,
        &batch::job::JobStrategy,
        &certificates::certificate_signing_request::CertificateSigningRequestStrategy,
        &coordination::lease::LeaseStrategy,
        &discovery::endpoint_slice::EndpointSliceStrategy,
        &node::runtime_class::RuntimeClassStrategy,
        &rbac::cluster_role_binding::ClusterRoleBindingStrategy,
        &rbac::cluster_role::ClusterRoleStrategy,
        &rbac::role_binding::RoleBindingStrategy,
        &rbac::role::RoleStrategy,
        &scheduling::priority_class::PriorityClassStrategy,
    ]
}
