//! ServiceAccounts. Upstream: `pkg/registry/core/serviceaccount`.

use jiff::Timestamp;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Strategy};

pub(crate) struct ServiceAccountStrategy;

impl Strategy for ServiceAccountStrategy {
    fn names(&self) -> Names {
        let kind = ("ServiceAccount", "ServiceAccountList");
        Names::new(("", "v1"), kind, ("serviceaccounts", "serviceaccount"), "core.v1.ServiceAccount").short(&["sa"])
    }

    fn subresources(&self) -> &'static [Subresource] {
        // Tokens are minted by the access layer; nothing of them is stored.
        const TOKEN: Subresource = Subresource {
            stored: false,
            ..Subresource::posted("token", ("authentication.k8s.io", "v1", "TokenRequest"))
        };
        &[TOKEN]
    }

    fn keep_parsed(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let secrets = cell::text_column("Secrets", "Number of secrets the account may use.");
        vec![Column::name(), secrets, cell::age_column()]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let secrets = cell::count(object, "/secrets").to_string();
        vec![cell::name(object), secrets.into(), cell::age(object, now)]
    }
}
