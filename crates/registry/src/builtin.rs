//! The kinds, one line each.

use crate::strategy::Strategy;
use crate::{
    apps, autoscaling, batch, certificates, coordination, core, discovery, networking, node, policy, rbac, scheduling,
};

/// Every built-in kind, in the order of discovery.
pub fn builtin() -> &'static [&'static dyn Strategy] {
    &[
        &core::binding::BindingStrategy,
        &core::config_map::ConfigMapStrategy,
        &core::endpoints::EndpointsStrategy,
        &core::event::EventStrategy,
        &core::limit_range::LimitRangeStrategy,
        &core::namespace::NamespaceStrategy,
        &core::node::NodeStrategy,
        &core::pod::PodStrategy,
        &core::pod_template::PodTemplateStrategy,
        &core::replication_controller::ReplicationControllerStrategy,
        &core::resource_quota::ResourceQuotaStrategy,
        &core::secret::SecretStrategy,
        &core::service_account::ServiceAccountStrategy,
        &core::service::ServiceStrategy,
        &apps::controller_revision::ControllerRevisionStrategy,
        &apps::daemon_set::DaemonSetStrategy,
        &apps::deployment::DeploymentStrategy,
        &apps::replica_set::ReplicaSetStrategy,
        &apps::stateful_set::StatefulSetStrategy,
        &autoscaling::horizontal_pod_autoscaler::HorizontalPodAutoscalerStrategy,
        &batch::cron_job::CronJobStrategy,
        &batch::job::JobStrategy,
        &certificates::certificate_signing_request::CertificateSigningRequestStrategy,
        &coordination::lease::LeaseStrategy,
        &discovery::endpoint_slice::EndpointSliceStrategy,
        &networking::ingress::IngressStrategy,
        &networking::ingress_class::IngressClassStrategy,
        &networking::ip_address::IpAddressStrategy,
        &networking::network_policy::NetworkPolicyStrategy,
        &networking::service_cidr::ServiceCidrStrategy,
        &node::runtime_class::RuntimeClassStrategy,
        &policy::pod_disruption_budget::PodDisruptionBudgetStrategy,
        &rbac::cluster_role_binding::ClusterRoleBindingStrategy,
        &rbac::cluster_role::ClusterRoleStrategy,
        &rbac::role_binding::RoleBindingStrategy,
        &rbac::role::RoleStrategy,
        &scheduling::priority_class::PriorityClassStrategy,
    ]
}
