//! What a definition's status has to be. Upstream: `pkg/controller/status` (names), `establish`, `apiapproval`.

use jiff::Timestamp;
use sampan_meta::object;
use sampan_meta::time::format_time;
use serde_json::{Map, Value, json};

use crate::conditions;

/// The names in `acceptedNames` that must be unique in a group, with the reason of a conflict.
const PLURAL: (&str, &str) = ("plural", "PluralConflict");
const SINGULAR: (&str, &str) = ("singular", "SingularConflict");
const KIND: (&str, &str) = ("kind", "KindConflict");
const LIST_KIND: (&str, &str) = ("listKind", "ListKindConflict");

/// Whether a condition is true.
pub(super) fn is_true(definition: &Value, type_: &str) -> bool {
    conditions::get(definition, type_).is_some_and(|condition| condition["status"] == "True")
}

/// The definition with the status it should have, if that is another than it has. `others` are all definitions.
pub(super) fn settled(definition: &Value, others: &[Value], now: Timestamp) -> Option<Value> {
    let mut next = definition.clone();
    let conflict = accept_names(&mut next, others);
    let accepted = match &conflict {
        None => condition("NamesAccepted", true, "NoConflicts", "no conflicts found"),
        Some((reason, message)) => condition("NamesAccepted", false, reason, message),
    };
    put(&mut next, accepted, now);
    if conflict.is_none() && !is_true(&next, "Established") {
        put(
            &mut next,
            condition("Established", true, "InitialNamesAccepted", "the initial names have been accepted"),
            now,
        );
    } else if conflict.is_some() && conditions::get(&next, "Established").is_none() {
        put(&mut next, condition("Established", false, "NotAccepted", "not all names are accepted"), now);
    }
    if let Some(approval) = approval(definition) {
        put(&mut next, approval, now);
    }
    (next.get("status") != definition.get("status")).then_some(next)
}

fn condition(type_: &str, holds: bool, reason: &str, message: &str) -> Value {
    json!({"type": type_, "status": if holds { "True" } else { "False" }, "reason": reason, "message": message})
}

fn put(definition: &mut Value, mut condition: Value, now: Timestamp) {
    condition["lastTransitionTime"] = format_time(now).into();
    conditions::set(definition, condition);
}

/// Takes the names that nobody else in the group has; keeps what was accepted of those that somebody has. The last conflict is told, as upstream
/// does.
fn accept_names(definition: &mut Value, others: &[Value]) -> Option<(&'static str, String)> {
    let (group, name) = (definition.pointer("/spec/group").cloned(), object::name(definition).to_owned());
    let others: Vec<&Value> = others
        .iter()
        .filter(|other| other.pointer("/spec/group") == group.as_ref() && object::name(other) != name)
        .filter_map(|other| other.pointer("/status/acceptedNames"))
        .collect();
    let taken = |members: &[&str], name: &Value| {
        let has = |names: &&&Value| members.iter().any(|member| holds(names.get(*member), name));
        others.iter().any(|names| has(&names))
    };
    let wanted = definition.pointer("/spec/names").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut accepted =
        definition.pointer("/status/acceptedNames").and_then(Value::as_object).cloned().unwrap_or_default();
    let mut conflict = None;
    let resources = ["plural", "singular", "shortNames"];
    let kinds = ["kind", "listKind"];
    for ((member, reason), members) in
        [(PLURAL, &resources[..]), (SINGULAR, &resources), (KIND, &kinds), (LIST_KIND, &kinds)]
    {
        let Some(name) = wanted.get(member) else { continue };
        if taken(members, name) {
            conflict = Some((reason, already(name)));
        } else {
            accepted.insert(member.to_owned(), name.clone());
        }
    }
    let short = wanted.get("shortNames").and_then(Value::as_array).into_iter().flatten();
    match short.clone().find(|name| taken(&resources, name)) {
        Some(name) => conflict = Some(("ShortNamesConflict", already(name))),
        None => replace(&mut accepted, "shortNames", wanted.get("shortNames")),
    }
    replace(&mut accepted, "categories", wanted.get("categories"));
    object::set(definition, &["status", "acceptedNames"], Value::Object(accepted));
    conflict
}

fn holds(names: Option<&Value>, name: &Value) -> bool {
    match names {
        Some(Value::Array(names)) => names.contains(name),
        Some(own) => own == name,
        None => false,
    }
}

fn already(name: &Value) -> String {
    format!("{name} is already in use")
}

fn replace(members: &mut Map<String, Value>, member: &str, value: Option<&Value>) {
    match value {
        Some(value) => drop(members.insert(member.to_owned(), value.clone())),
        None => drop(members.remove(member)),
    }
}

/// Groups of the project itself say who approved the API. Upstream: `GetAPIApprovalState`.
fn approval(definition: &Value) -> Option<Value> {
    let group = object::str_at(definition, "/spec/group").unwrap_or_default();
    if !super::validate::is_protected(group) {
        return None;
    }
    const TYPE: &str = "KubernetesAPIApprovalPolicyConformant";
    const ANNOTATION: &str = super::validate::APPROVED;
    let approved = object::annotation(definition, ANNOTATION).unwrap_or_default();
    Some(match approved {
        "" => {
            let why = format!(
                "protected groups must have approval annotation {ANNOTATION:?}, see https://github.com/kubernetes/enhancements/pull/1111"
            );
            condition(TYPE, false, "MissingAnnotation", &why)
        }
        unapproved if unapproved.starts_with("unapproved") => {
            condition(TYPE, false, "UnapprovedAnnotation", &format!("not approved: {unapproved:?}"))
        }
        approved if approved.contains("://") => {
            condition(TYPE, true, "ApprovedAnnotation", &format!("approved in {approved}"))
        }
        other => {
            let why = format!(
                "protected groups must have approval annotation {ANNOTATION:?} with either a URL or a reason starting with \"unapproved\", \
                 see https://github.com/kubernetes/enhancements/pull/1111; {other:?} is neither"
            );
            condition(TYPE, false, "InvalidAnnotation", &why)
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};

    fn definition(plural: &str, kind: &str, short: &[&str]) -> Value {
        json!({"metadata": {"name": format!("{plural}.example.com")}, "spec": {"group": "example.com",
            "names": {"plural": plural, "singular": kind.to_lowercase(), "kind": kind, "listKind": format!("{kind}List"), "shortNames": short}}})
    }

    fn check(definition: &Value, others: &[Value], expected: Expect) {
        let now = Timestamp::UNIX_EPOCH;
        let next = settled(definition, others, now).unwrap();
        assert_eq!(settled(&next, others, now), None, "once settled, it stays");
        let conditions = object::list_at(&next, "/status/conditions").iter();
        let line = |condition: &Value| {
            let text = |name: &str| condition[name].as_str().unwrap_or_default();
            format!("{}={} {}: {}", text("type"), text("status"), text("reason"), text("message"))
        };
        let names = next.pointer("/status/acceptedNames").unwrap();
        expected.assert_eq(&format!("{}\n{names}", conditions.map(line).collect::<Vec<_>>().join("\n")));
    }

    #[test]
    fn names_nobody_has_are_accepted() {
        check(
            &definition("pots", "Pot", &["pt"]),
            &[],
            expect![[r#"
                NamesAccepted=True NoConflicts: no conflicts found
                Established=True InitialNamesAccepted: the initial names have been accepted
                {"kind":"Pot","listKind":"PotList","plural":"pots","shortNames":["pt"],"singular":"pot"}"#]],
        );
    }

    #[test]
    fn a_name_somebody_has_is_not_accepted() {
        let first = settled(&definition("pots", "Pot", &["pt"]), &[], Timestamp::UNIX_EPOCH).unwrap();
        check(
            &definition("parts", "Part", &["pt"]),
            &[first],
            expect![[r#"
                NamesAccepted=False ShortNamesConflict: "pt" is already in use
                Established=False NotAccepted: not all names are accepted
                {"kind":"Part","listKind":"PartList","plural":"parts","singular":"part"}"#]],
        );
    }
}
