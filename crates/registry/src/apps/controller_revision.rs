//! ControllerRevisions. Upstream: `pkg/registry/apps/controllerrevision`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use crate::cell;
use crate::strategy::{Names, Strategy};
use crate::validation::immutable;

pub(crate) struct ControllerRevisionStrategy;

impl Strategy for ControllerRevisionStrategy {
    fn names(&self) -> Names {
        let kind = ("ControllerRevision", "ControllerRevisionList");
        Names::new(("apps", "v1"), kind, ("controllerrevisions", "controllerrevision"), "apps.v1.ControllerRevision")
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        if object.get("data").is_none_or(Value::is_null) {
            errors.push(field::required(&Path::new("data"), "data is mandatory"));
        }
        crate::validation::not_negative(&mut errors, object, "/revision", &Path::new("revision"));
        errors
    }

    fn validate_update(&self, object: &Value, old: &Value) -> ErrorList {
        let mut errors = self.validate(object);
        immutable(&mut errors, object, old, "/data", &Path::new("data"));
        errors
    }

    fn columns(&self) -> Vec<Column> {
        vec![
            Column::name(),
            cell::text_column("Controller", "The object whose state it keeps."),
            cell::text_column("Revision", "Its number in the history."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        vec![
            cell::name(object),
            controller(object).into(),
            cell::number(object, "/revision").to_string().into(),
            cell::age(object, now),
        ]
    }
}

/// `deployment.apps/web`. Upstream: `formatResourceName`.
fn controller(object: &Value) -> String {
    let Some(owner) = object::controller_of(object) else { return cell::NONE.to_owned() };
    let kind = owner.kind.to_lowercase();
    match owner.api_version.split_once('/') {
        Some((group, _)) => format!("{kind}.{group}/{}", owner.name),
        None => format!("{kind}/{}", owner.name),
    }
}
