//! ValidatingWebhookConfigurations. Upstream: `pkg/registry/admissionregistration/validatingwebhookconfiguration`,
//! `ValidateValidatingWebhookConfiguration`.

use jiff::Timestamp;
use sampan_meta::field::ErrorList;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{GROUP, webhook};
use crate::cell;
use crate::strategy::{Names, Scope, Strategy};

pub(crate) struct ValidatingWebhookConfigurationStrategy;

impl Strategy for ValidatingWebhookConfigurationStrategy {
    fn names(&self) -> Names {
        let kind = ("ValidatingWebhookConfiguration", "ValidatingWebhookConfigurationList");
        let names = ("validatingwebhookconfigurations", "validatingwebhookconfiguration");
        Names::new(GROUP, kind, names, "admissionregistration.v1.ValidatingWebhookConfiguration").in_api_extensions()
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn validate(&self, object: &Value) -> ErrorList {
        webhook::validate_all(object, None)
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        webhook::validate_all(object, Some(old))
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn spec_changed(&self, object: &Value, old: &Value) -> bool {
        object.get("webhooks") != old.get("webhooks")
    }

    fn allow_unconditional_update(&self) -> bool {
        false
    }

    fn keep_parsed(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        vec![Column::name(), cell::number_column("Webhooks", "How many webhooks there are."), cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![cell::name(object), cell::count(object, "/webhooks").into(), cell::age(object, now)]
    }
}
