//! What a field is when the client says nothing, per type, as upstream's `pkg/apis/*/v*/defaults.go` has it.
//!
//! One walk over the object along the schema table. At each object it meets, the rule for the object's type runs first, then the constants the table
//! itself knows are filled in, then the walk goes on below; so a rule can make what a rule below completes. Structs that Go
//! always writes (`status: {}`, `resources: {}`) are made on the way, as clients of upstream see them.
//!
//! Defaulting what has been defaulted changes nothing.

mod admissionregistration;
mod apiextensions;
mod apps;
mod autoscaling;
mod batch;
mod core;
mod devices;
mod fill;
mod flowcontrol;
mod pod;
mod policy;

use fill::Members;
use sampan_meta::schema::{Element, Field, Schema, Shape, Type};
use sampan_meta::{GroupVersionKind, Quantity};
use serde_json::{Map, Value};

/// Gives every field that has a default and no value its default. A kind that is not in the schema is left as it is.
pub fn default_object(group_version_kind: &GroupVersionKind, object: &mut Value) {
    let schema = crate::schema();
    let Some(type_) = schema.by_kind(&group_version_kind.api_version(), &group_version_kind.kind) else { return };
    if let Value::Object(members) = object {
        default_members(schema, type_, members);
    }
}

/// Completes one object of a type; what is below comes afterwards.
type Rule = fn(&mut Members);

/// The rule of a type, one line a type.
fn rule(type_name: &str) -> Option<Rule> {
    Some(match type_name {
        "admissionregistration.v1.MatchResources" => policy::match_resources,
        "admissionregistration.v1.MutatingWebhook" => policy::mutating_webhook,
        "admissionregistration.v1.NamedRuleWithOperations" => admissionregistration::rule,
        "admissionregistration.v1.RuleWithOperations" => admissionregistration::rule,
        "admissionregistration.v1.ServiceReference" => policy::webhook_service,
        "admissionregistration.v1.ValidatingAdmissionPolicySpec" => policy::admission_policy,
        "admissionregistration.v1.MutatingAdmissionPolicySpec" => policy::admission_policy,
        "admissionregistration.v1.ValidatingWebhook" => policy::webhook,
        "apiextensions.v1.CustomResourceDefinitionSpec" => apiextensions::definition_spec,
        "apiextensions.v1.ServiceReference" => apiextensions::webhook_service,
        "apiregistration.v1.ServiceReference" => flowcontrol::api_service_reference,
        "apps.v1.DaemonSet" => apps::daemon_set,
        "apps.v1.Deployment" => apps::deployment,
        "apps.v1.ReplicaSet" => apps::replica_set,
        "apps.v1.StatefulSet" => apps::stateful_set,
        "autoscaling.v1.HorizontalPodAutoscaler" => autoscaling::first_horizontal_pod_autoscaler,
        "autoscaling.v2.HorizontalPodAutoscaler" => autoscaling::horizontal_pod_autoscaler,
        "batch.v1.CronJob" => batch::cron_job,
        "batch.v1.Job" => batch::job,
        "batch.v1.PodFailurePolicyOnPodConditionsPattern" => batch::pod_condition_pattern,
        "core.v1.ConfigMapVolumeSource" => pod::file_mode,
        "core.v1.Container" => pod::container,
        "core.v1.DownwardAPIVolumeSource" => pod::file_mode,
        "core.v1.EndpointPort" => core::port_protocol,
        "core.v1.EphemeralContainer" => pod::container,
        "core.v1.GRPCAction" => pod::grpc_action,
        "core.v1.HTTPGetAction" => pod::http_get_action,
        "core.v1.HostPathVolumeSource" => pod::host_path,
        "core.v1.LimitRangeItem" => core::limit_range_item,
        "core.v1.Namespace" => core::namespace,
        "core.v1.NamespaceStatus" => core::namespace_status,
        "core.v1.NodeStatus" => core::node_status,
        "core.v1.ObjectFieldSelector" => pod::object_field_selector,
        "core.v1.PersistentVolume" => core::persistent_volume,
        "core.v1.PersistentVolumeClaim" => core::persistent_volume_claim,
        "core.v1.PersistentVolumeClaimSpec" => core::persistent_volume_claim_spec,
        "core.v1.Pod" => pod::pod,
        "core.v1.PodSpec" => pod::pod_spec,
        "core.v1.Probe" => pod::probe,
        "core.v1.ProjectedVolumeSource" => pod::file_mode,
        "core.v1.ReplicationController" => core::replication_controller,
        "core.v1.Secret" => core::secret,
        "core.v1.SecretVolumeSource" => pod::file_mode,
        "core.v1.Service" => core::service,
        "core.v1.ServiceAccountTokenProjection" => pod::service_account_token,
        "core.v1.Volume" => pod::volume,
        "discovery.v1.EndpointPort" => core::endpoint_slice_port,
        "flowcontrol.v1.ExemptPriorityLevelConfiguration" => flowcontrol::exempt_level,
        "flowcontrol.v1.FlowSchemaSpec" => flowcontrol::flow_schema,
        "flowcontrol.v1.LimitedPriorityLevelConfiguration" => flowcontrol::limited_level,
        "flowcontrol.v1.QueuingConfiguration" => flowcontrol::queuing,
        "networking.v1.IngressClassParametersReference" => policy::ingress_class_parameters,
        "networking.v1.NetworkPolicySpec" => policy::network_policy,
        "networking.v1.NetworkPolicyPort" => core::port_protocol,
        "rbac.v1.RoleRef" => policy::role_ref,
        "rbac.v1.Subject" => policy::subject,
        "resource.v1.DeviceSubRequest" => devices::request,
        "resource.v1.ExactDeviceRequest" => devices::request,
        "scheduling.v1.PriorityClass" => policy::priority_class,
        "storage.v1.CSIDriverSpec" => policy::csi_driver,
        "storage.v1.StorageClass" => policy::storage_class,
        _ => return None,
    })
}

fn default_members(schema: &Schema, type_: &Type, members: &mut Members) {
    if let Some(rule) = rule(type_.name) {
        rule(members);
    }
    for field in type_.fields() {
        if field.default.is_some() {
            constant(field, members);
        }
        let is_struct = field.shape == Shape::One && matches!(field.element, Element::Message(_));
        if is_struct && field.always && members.get(field.name).is_none_or(Value::is_null) {
            members.insert(field.name.to_owned(), Value::Object(Map::new()));
        }
        if let Some(value) = members.get_mut(field.name) {
            default_field(schema, field, value);
        }
    }
}

fn constant(field: &Field, members: &mut Members) {
    let value = field.default.and_then(|text| serde_json::from_str(text).ok());
    let value: Value = value.expect("the table's defaults are JSON, which a test shows");
    if field.nullable {
        fill::if_absent(members, field.name, value);
    } else {
        fill::if_zero(members, field.name, value);
    }
}

fn default_field(schema: &Schema, field: &Field, value: &mut Value) {
    if field.element == Element::Quantity && field.shape == Shape::Map {
        return round_resources(value);
    }
    let Some(type_) = schema.message(field) else { return };
    let one = |value: &mut Value| {
        if let Value::Object(members) = value {
            default_members(schema, type_, members);
        }
    };
    match (field.shape, value) {
        (Shape::One, value) => one(value),
        (Shape::List, Value::Array(list)) => list.iter_mut().for_each(one),
        (Shape::Map, Value::Object(entries)) => entries.values_mut().for_each(one),
        (Shape::List | Shape::Map, _) => {}
    }
}

/// Amounts of resources are kept in thousandths at the finest; smaller parts are rounded up.
fn round_resources(resources: &mut Value) {
    let Value::Object(resources) = resources else { return };
    for amount in resources.values_mut() {
        let Some(quantity) = amount.as_str().and_then(|text| Quantity::parse(text).ok()) else { continue };
        let rounded = quantity.round_up_to_milli();
        if rounded != quantity {
            *amount = Value::String(rounded.to_string());
        }
    }
}

#[cfg(test)]
mod tests;
