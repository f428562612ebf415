//! Conditions of both kinds. Upstream: `ValidateFlowSchemaStatus`, `ValidatePriorityLevelConfigurationStatus`.

use std::collections::BTreeSet;

use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

pub(super) fn validate(object: &Value) -> ErrorList {
    let (mut errors, mut types) = (ErrorList::new(), BTreeSet::new());
    for (index, condition) in object::list_at(object, "/status/conditions").iter().enumerate() {
        let path = Path::new("status").child("conditions").index(index).child("type");
        let type_ = object::str_at(condition, "/type").unwrap_or_default();
        if !types.insert(type_) {
            errors.push(field::duplicate(&path, type_));
        }
        if type_.is_empty() {
            errors.push(field::required(&path, "must not be empty"));
        }
    }
    errors
}
