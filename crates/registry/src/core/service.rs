//! Services: an address of their own, ports, and who serves them. Upstream: `pkg/registry/core/service`, `ValidateService`.

use futures::future::BoxFuture;
use jiff::Timestamp;
use sampan_meta::Status;
use sampan_meta::field::ErrorList;
use sampan_meta::table::{Cell, Column};
use serde_json::{Value, json};

use crate::allocator::Reservation;
use crate::registry::Registry;
use crate::resource::Subresource;
use crate::strategy::{Names, SelectableField, Strategy};
use crate::validation::NameRule;

mod addresses;
mod rows;
mod rules;

pub(crate) struct ServiceStrategy;

impl Strategy for ServiceStrategy {
    fn names(&self) -> Names {
        let names = Names::new(("", "v1"), ("Service", "ServiceList"), ("services", "service"), "core.v1.Service");
        names.short(&["svc"]).in_all()
    }

    fn verbs(&self) -> &'static [&'static str] {
        &["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::proxy("ServiceProxyOptions"), Subresource::STATUS] }
    }

    fn prepare_create(&self, object: &mut Value) {
        object["status"] = json!({"loadBalancer": {}});
        addresses::drop_unused(object);
    }

    fn prepare_update(&self, object: &mut Value, old: &Value) {
        addresses::carry_over(object, old);
        addresses::drop_unused(object);
    }

    fn validate(&self, object: &Value) -> ErrorList {
        rules::validate(object)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        rules::validate_update(object, old)
    }

    fn name_rule(&self) -> NameRule {
        NameRule::Dns1035Label
    }

    fn allow_create_on_update(&self) -> bool {
        true
    }

    fn reserves(&self) -> bool {
        true
    }

    fn reserve<'a>(
        &self,
        registry: &'a Registry,
        object: &'a mut Value,
        old: Option<&'a Value>,
        dry_run: bool,
    ) -> Option<BoxFuture<'a, Result<Reservation, Status>>> {
        Some(Box::pin(addresses::reserve(registry, object, old, dry_run)))
    }

    fn columns(&self) -> Vec<Column> {
        rows::columns()
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        rows::row(object, now)
    }

    fn selectable_fields(&self) -> &'static [SelectableField] {
        const {
            &[
                SelectableField::new("spec.clusterIP", &["spec.clusterIP"]),
                SelectableField::new("spec.type", &["spec.type"]),
            ]
        }
    }
}
