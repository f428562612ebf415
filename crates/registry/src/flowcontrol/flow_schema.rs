//! FlowSchemas: which requests flow at which priority level. Upstream: `pkg/registry/flowcontrol/flowschema`,
//! `ValidateFlowSchema`, `printFlowSchema`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use sampan_meta::validation::dns1123_subdomain;
use serde_json::Value;

use super::{GROUP, bootstrap, status};
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, Strategy};
use crate::validation::invalid_all;
use crate::{cell, conditions};

mod rules;

const HIGHEST_PRECEDENCE: i64 = 10_000;
const EXEMPT: &str = "exempt";

pub(crate) struct FlowSchemaStrategy;

impl Strategy for FlowSchemaStrategy {
    fn names(&self) -> Names {
        let kind = ("FlowSchema", "FlowSchemaList");
        Names::new(GROUP, kind, ("flowschemas", "flowschema"), "flowcontrol.v1.FlowSchema")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let (mut errors, path) = (ErrorList::new(), Path::new("spec"));
        validate_precedence(&mut errors, object, &path.child("matchingPrecedence"));
        validate_distinguisher(&mut errors, object, &path.child("distinguisherMethod").child("type"));
        validate_level(&mut errors, object, &path.child("priorityLevelConfiguration").child("name"));
        for (index, rule) in object::list_at(object, "/spec/rules").iter().enumerate() {
            rules::validate(&mut errors, rule, &path.child("rules").index(index));
        }
        bootstrap::validate_mandatory(&mut errors, object);
        errors.extend(status::validate(object));
        errors
    }

    fn validate_status_update(&self, _: &str, object: &Value, _: &Value) -> ErrorList {
        status::validate(object)
    }

    fn has_generation(&self) -> bool {
        true
    }

    fn columns(&self) -> Vec<Column> {
        let text = cell::text_column;
        vec![
            Column::name(),
            text("PriorityLevel", "The level its requests are served at."),
            cell::number_column("MatchingPrecedence", "Lower ones are tried first."),
            text("DistinguisherMethod", "What makes two requests one flow."),
            cell::age_column(),
            text("MissingPL", "Whether the level is not there."),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let missing = conditions::get(object, "Dangling").and_then(|condition| object::str_at(condition, "/status"));
        vec![
            cell::name(object),
            cell::text(object, "/spec/priorityLevelConfiguration/name", ""),
            cell::number(object, "/spec/matchingPrecedence").into(),
            cell::text(object, "/spec/distinguisherMethod/type", cell::NONE),
            cell::age(object, now),
            missing.unwrap_or("?").into(),
        ]
    }
}

fn validate_precedence(errors: &mut ErrorList, object: &Value, path: &Path) {
    let precedence = cell::number(object, "/spec/matchingPrecedence");
    if precedence <= 0 {
        errors.push(field::invalid(path, precedence, "must be a positive value"));
    }
    if precedence > HIGHEST_PRECEDENCE {
        errors.push(field::invalid(path, precedence, format!("must not be greater than {HIGHEST_PRECEDENCE}")));
    }
    if precedence == 1 && object::name(object) != EXEMPT {
        let why = "only the schema named 'exempt' may have matchingPrecedence 1";
        errors.push(field::invalid(path, precedence, why));
    }
}

fn validate_distinguisher(errors: &mut ErrorList, object: &Value, path: &Path) {
    let Some(method) = object.pointer("/spec/distinguisherMethod").filter(|method| method.is_object()) else { return };
    let type_ = object::str_at(method, "/type").unwrap_or_default();
    if !["ByNamespace", "ByUser"].contains(&type_) {
        errors.push(field::not_supported(path, method.clone(), &["ByNamespace", "ByUser"]));
    }
}

fn validate_level(errors: &mut ErrorList, object: &Value, path: &Path) {
    match object::str_at(object, "/spec/priorityLevelConfiguration/name") {
        Some(name) => invalid_all(errors, path, name, dns1123_subdomain(name)),
        None => errors.push(field::required(path, "must reference a priority level")),
    }
}
