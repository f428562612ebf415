//! DeviceClasses. Upstream: `pkg/registry/resource/deviceclass`, `ValidateDeviceClass`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::qualified_name;
use serde_json::Value;

use super::{GROUP, claim, lists};
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};

pub(crate) struct DeviceClassStrategy;

impl Strategy for DeviceClassStrategy {
    fn names(&self) -> Names {
        let kind = ("DeviceClass", "DeviceClassList");
        Names::new(GROUP, kind, ("deviceclasses", "deviceclass"), "resource.v1.DeviceClass")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
        let spec = object.get("spec").unwrap_or(&Value::Null);
        claim::validate_selectors(&mut errors, spec, &path);
        let config = lists::list(spec, "config");
        lists::each(&mut errors, config, claim::MOST, &path.child("config"), &mut claim::validate_configuration);
        if let Some(name) = object::str_at(spec, "/extendedResourceName").filter(|name| !is_extended(name)) {
            let why = "must be a valid extended resource name";
            errors.push(field::invalid(&path.child("extendedResourceName"), name, why));
        }
        errors
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::age(object, now)]
    }
}

/// A name of somebody else's domain that a quota can hold. Upstream: `IsExtendedResourceName`.
fn is_extended(name: &str) -> bool {
    let own = !name.contains('/') || name.split('/').next().is_some_and(|domain| domain.contains("kubernetes.io"));
    !own && !name.starts_with("requests.") && qualified_name(&format!("requests.{name}")).is_empty()
}
