//! PriorityLevelConfigurations: how much is served at a level at a time. Upstream:
//! `pkg/registry/flowcontrol/prioritylevelconfiguration`, `ValidatePriorityLevelConfiguration`, `printPriorityLevelConfiguration`.

use jiff::Timestamp;
use sampan_meta::field::{self, ErrorList, Path};
use sampan_meta::object;
use sampan_meta::table::{Cell, Column};
use serde_json::Value;

use super::{GROUP, bootstrap, status};
use crate::cell;
use crate::resource::Subresource;
use crate::strategy::{Names, Scope, Strategy};

const EXEMPT: &str = "Exempt";
const MOST_QUEUES: i64 = 10_000_000;
/// Bits of the hash that deals a flow its hand of queues. Upstream: `shufflesharding.MaxHashBits`.
const HASH_BITS: f64 = 60.0;

pub(crate) struct PriorityLevelConfigurationStrategy;

impl Strategy for PriorityLevelConfigurationStrategy {
    fn names(&self) -> Names {
        let kind = ("PriorityLevelConfiguration", "PriorityLevelConfigurationList");
        let names = ("prioritylevelconfigurations", "prioritylevelconfiguration");
        Names::new(GROUP, kind, names, "flowcontrol.v1.PriorityLevelConfiguration")
    }

    fn scope(&self) -> Scope {
        Scope::Cluster
    }

    fn subresources(&self) -> &'static [Subresource] {
        const { &[Subresource::STATUS] }
    }

    fn validate(&self, object: &Value) -> ErrorList {
        let mut errors = ErrorList::new();
        validate_spec(&mut errors, object, &Path::new("spec"));
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
        let number = cell::text_column;
        vec![
            Column::name(),
            cell::text_column("Type", "Whether there is a limit at all."),
            number("NominalConcurrencyShares", "Its share of what the server does at a time."),
            number("Queues", "How many queues there are."),
            number("HandSize", "How many of them a flow may use."),
            number("QueueLengthLimit", "How many requests wait in one."),
            cell::age_column(),
        ]
    }

    fn row(&self, object: &Value, now: Timestamp) -> Vec<Cell> {
        let number = |pointer: &str| object.pointer(pointer).filter(|number| number.is_number()).cloned();
        let or_none = |number: Option<Cell>| number.unwrap_or_else(|| cell::NONE.into());
        let queuing = |name: &str| {
            let queuing = object.pointer("/spec/limited/limitResponse/queuing").filter(|queuing| queuing.is_object());
            or_none(queuing.map(|queuing| cell::number(queuing, &format!("/{name}")).into()))
        };
        vec![
            cell::name(object),
            cell::text(object, "/spec/type", ""),
            or_none(number("/spec/limited/nominalConcurrencyShares")),
            queuing("queues"),
            queuing("handSize"),
            queuing("queueLengthLimit"),
            cell::age(object, now),
        ]
    }
}

fn validate_spec(errors: &mut ErrorList, object: &Value, path: &Path) {
    let type_ = object::str_at(object, "/spec/type").unwrap_or_default();
    if (object::name(object) == "exempt") != (type_ == EXEMPT) {
        let why = "type must be 'Exempt' if and only if name is 'exempt'";
        errors.push(field::invalid(&path.child("type"), type_, why));
    }
    let given = |name: &str| object.pointer(&format!("/spec/{name}")).filter(|part| part.is_object());
    match type_ {
        EXEMPT => {
            if given("limited").is_some() {
                errors.push(field::forbidden(&path.child("limited"), "must be nil if the type is not Limited"));
            }
            if let Some(exempt) = given("exempt") {
                validate_shares(errors, exempt, &path.child("exempt"));
            }
        }
        "Limited" => {
            if given("exempt").is_some() {
                errors.push(field::forbidden(&path.child("exempt"), "must be nil if the type is Limited"));
            }
            match given("limited") {
                None => {
                    let why = "must not be empty when type is Limited";
                    errors.push(field::required(&path.child("limited"), why));
                }
                Some(limited) => validate_limited(errors, limited, &path.child("limited")),
            }
        }
        other => errors.push(field::not_supported(&path.child("type"), other, &[EXEMPT, "Limited"])),
    }
}

fn validate_shares(errors: &mut ErrorList, part: &Value, path: &Path) {
    if let Some(shares) = object::i64_at(part, "/nominalConcurrencyShares").filter(|shares| *shares < 0) {
        errors.push(field::invalid(&path.child("nominalConcurrencyShares"), shares, "must be a non-negative integer"));
    }
    let percent = object::i64_at(part, "/lendablePercent");
    if let Some(percent) = percent.filter(|percent| !(0..=100).contains(percent)) {
        let why = "must be between 0 and 100, inclusive";
        errors.push(field::invalid(&path.child("lendablePercent"), percent, why));
    }
}

fn validate_limited(errors: &mut ErrorList, limited: &Value, path: &Path) {
    validate_shares(errors, limited, path);
    if let Some(percent) = object::i64_at(limited, "/borrowingLimitPercent").filter(|percent| *percent < 0) {
        let why = "if specified, must be a non-negative integer";
        errors.push(field::invalid(&path.child("borrowingLimitPercent"), percent, why));
    }
    let (path, queuing) = (path.child("limitResponse"), limited.pointer("/limitResponse/queuing"));
    let queuing = queuing.filter(|queuing| queuing.is_object());
    match (object::str_at(limited, "/limitResponse/type").unwrap_or_default(), queuing) {
        ("Reject", Some(_)) => {
            let why = "must be nil if limited.limitResponse.type is not Limited";
            errors.push(field::forbidden(&path.child("queuing"), why));
        }
        ("Queue", None) => {
            let why = "must not be empty if limited.limitResponse.type is Limited";
            errors.push(field::required(&path.child("queuing"), why));
        }
        ("Queue", Some(queuing)) => validate_queuing(errors, queuing, &path.child("queuing")),
        ("Reject", None) => (),
        (other, _) => errors.push(field::not_supported(&path.child("type"), other, &["Queue", "Reject"])),
    }
}

fn validate_queuing(errors: &mut ErrorList, queuing: &Value, path: &Path) {
    let number = |name: &str| cell::number(queuing, &format!("/{name}"));
    let (length, queues, hand) = (number("queueLengthLimit"), number("queues"), number("handSize"));
    if length <= 0 {
        errors.push(field::invalid(&path.child("queueLengthLimit"), length, "must be positive"));
    }
    match queues {
        ..=0 => errors.push(field::invalid(&path.child("queues"), queues, "must be positive")),
        _ if queues > MOST_QUEUES => {
            let why = format!("must not be greater than {MOST_QUEUES}");
            errors.push(field::invalid(&path.child("queues"), queues, why));
        }
        _ => (),
    }
    let path = path.child("handSize");
    if hand <= 0 {
        errors.push(field::invalid(&path, hand, "must be positive"));
    } else if hand > queues {
        errors.push(field::invalid(&path, hand, format!("should not be greater than queues ({queues})")));
    } else if entropy_bits(queues, hand) > HASH_BITS {
        let why = format!(
            "required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {HASH_BITS}"
        );
        errors.push(field::invalid(&path, hand, why));
    }
}

/// How many bits of a hash it takes to deal a hand. Upstream: `shufflesharding.RequiredEntropyBits`.
fn entropy_bits(deck: i64, hand: i64) -> f64 {
    ((deck as f64).log2() * hand as f64).ceil()
}
