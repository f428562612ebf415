//! `x-kubernetes-validations`: rules in CEL. Upstream: `apiextensions-apiserver/pkg/apiserver/schema/cel`.

pub(super) mod costs;

use std::collections::BTreeMap;
use std::sync::Arc;

use sampan_cel::{
    Budget, Env, Error, Field, ListType, ObjectType, Order, Program, Type as Cel, Value as CelValue, escape,
};
use sampan_meta::apply::Items;
use sampan_meta::field::{self, ErrorKind, ErrorList, Path};
use sampan_meta::object;
use serde_json::Value;

use super::check::counterpart;
use super::json_path::JsonPath;
use super::schema::{Additional, Schema, Type};

/// The rules of one place, and the type of what they see there.
#[derive(Debug)]
pub(super) struct Rules {
    type_: Cel,
    rules: Vec<Rule>,
}

#[derive(Debug)]
struct Rule {
    source: String,
    program: Program,
    /// About a change: it has nothing to say where there was nothing before.
    about_change: bool,
    /// It is given an optional, which is empty where there was nothing before.
    optional_old: bool,
    message: Option<String>,
    message_expression: Option<Program>,
    reason: ErrorKind,
    /// The names of the field the finding is about.
    field: Vec<String>,
}

impl Rules {
    /// Compiles the rules of a schema; `None` when it has none. What validation would refuse is passed over.
    pub(super) fn compile(source: &Value, schema: &Schema, whole: bool) -> Option<Self> {
        let rules = object::list_at(source, "/x-kubernetes-validations");
        if rules.is_empty() {
            return None;
        }
        let type_ = type_of(schema, whole);
        let rules = rules.iter().filter_map(|rule| Rule::compile(rule, &type_).ok()).collect();
        Some(Self { type_, rules })
    }
}

/// Why a rule cannot be used: the keyword, and what is wrong there.
pub(super) type RuleError = (&'static str, String);

impl Rule {
    fn compile(rule: &Value, type_: &Cel) -> Result<Self, RuleError> {
        let text = |name: &str| object::str_at(rule, &format!("/{name}"));
        let optional_old = object::bool_at(rule, "/optionalOldSelf") == Some(true);
        let old_type = if optional_old { Cel::optional(type_.clone()) } else { type_.clone() };
        let env = Env::new().variable("self", type_.clone()).variable("oldSelf", old_type);
        let source = text("rule").unwrap_or_default();
        let compiled = |keyword, source: &str, wanted: Cel, name: &str| {
            let program = env.compile(source).map_err(|error| (keyword, format!("compilation failed: {error}")))?;
            if program.gives(&wanted) {
                return Ok(program);
            }
            Err((keyword, format!("cel expression must evaluate to a {name}")))
        };
        let program = compiled("rule", source, Cel::Bool, "bool")?;
        let expression = text("messageExpression");
        let expression =
            expression.map(|text| compiled("messageExpression", text, Cel::String, "string")).transpose()?;
        let path = text("fieldPath").map_or(Ok(None), |path| {
            let names = JsonPath::parse(path).ok().and_then(|path| path.names());
            names.map(Some).ok_or_else(|| ("fieldPath", "does not refer to a field".to_owned()))
        })?;
        Ok(Self {
            about_change: program.uses("oldSelf"),
            program,
            optional_old,
            message: text("message").map(|text| text.trim().to_owned()),
            message_expression: expression,
            reason: reason_of(text("reason").unwrap_or_default()),
            field: path.unwrap_or_default(),
            source: source.trim().to_owned(),
        })
    }

    /// How the rule is called in errors.
    fn shown(&self) -> &str {
        self.message.as_deref().unwrap_or(&self.source)
    }
}

fn reason_of(reason: &str) -> ErrorKind {
    match reason {
        "FieldValueForbidden" => ErrorKind::Forbidden,
        "FieldValueRequired" => ErrorKind::Required,
        "FieldValueDuplicate" => ErrorKind::Duplicate,
        _ => ErrorKind::Invalid,
    }
}

/// What is wrong with the rules of a schema in a definition, each with its position.
pub(super) fn validate(source: &Value, root: bool) -> Vec<(usize, RuleError)> {
    let rules = object::list_at(source, "/x-kubernetes-validations");
    if rules.is_empty() {
        return Vec::new();
    }
    let type_ = type_of(&Schema::compile(source), root);
    let rules = rules.iter().enumerate();
    rules.filter_map(|(index, rule)| Some((index, Rule::compile(rule, &type_).err()?))).collect()
}

/// What the rules find in an object: those about one state where it is not the one before, those about changes where there was one before.
pub(crate) fn check(schema: &Schema, value: &Value, old: Option<&Value>) -> ErrorList {
    let mut walk = Walk { budget: Budget::default(), errors: ErrorList::new(), over: false };
    walk.at(schema, value, old, &Path::default());
    walk.errors
}

struct Walk {
    budget: Budget,
    errors: ErrorList,
    /// The budget is spent.
    over: bool,
}

impl Walk {
    fn at(&mut self, schema: &Schema, value: &Value, old: Option<&Value>, path: &Path) {
        if !schema.has_rules || self.over || (value.is_null() && schema.nullable) {
            return;
        }
        if let Some(rules) = &schema.rules {
            for rule in &rules.rules {
                self.rule(schema, rules, rule, (value, old), path);
                if self.over {
                    return;
                }
            }
        }
        match value {
            Value::Object(members) => {
                for (name, value) in members {
                    if let Some(member) = schema.member(name) {
                        self.at(member, value, old.and_then(|old| old.get(name)), &path.child(name));
                    }
                }
            }
            Value::Array(list) => {
                let Some(items) = &schema.items else { return };
                let old = old.and_then(Value::as_array);
                for (index, item) in list.iter().enumerate() {
                    let before = old.and_then(|old| counterpart(schema, old, item));
                    self.at(items, item, before, &path.index(index));
                }
            }
            _ => (),
        }
    }

    fn rule(
        &mut self,
        schema: &Schema,
        rules: &Rules,
        rule: &Rule,
        (value, old): (&Value, Option<&Value>),
        path: &Path,
    ) {
        let old = old.filter(|old| !old.is_null());
        let applies = if rule.about_change { old.is_some() || rule.optional_old } else { old != Some(value) };
        if !applies {
            return;
        }
        let own = CelValue::typed(value, &rules.type_);
        let before = match (old, rule.optional_old) {
            (Some(old), true) => CelValue::some(CelValue::typed(old, &rules.type_)),
            (None, true) => CelValue::Optional(None),
            (Some(old), false) => CelValue::typed(old, &rules.type_),
            (None, false) => CelValue::Null,
        };
        let variables = [("self", own), ("oldSelf", before)];
        let type_name = schema.type_.map_or("", Type::name);
        match rule.program.evaluate(&variables, &mut self.budget) {
            Ok(CelValue::Bool(true)) => (),
            Ok(_) => {
                let message = self.message(rule, &variables);
                let path = rule.field.iter().fold(path.clone(), |path, name| path.child(name));
                self.errors.push(finding(rule.reason, &path, type_name, message));
            }
            Err(error) => self.failed(rule, &error, type_name, path),
        }
    }

    fn message(&mut self, rule: &Rule, variables: &[(&str, CelValue<'_>)]) -> String {
        let made = rule.message_expression.as_ref().and_then(|program| {
            let made = program.evaluate(variables, &mut self.budget).ok()?.to_json().ok()?;
            made.as_str().map(str::trim).filter(|text| !text.is_empty() && !text.contains('\n')).map(str::to_owned)
        });
        made.or_else(|| rule.message.clone()).unwrap_or_else(|| format!("failed rule: {}", rule.source))
    }

    fn failed(&mut self, rule: &Rule, error: &Error, type_name: &str, path: &Path) {
        self.over = error.is_final();
        let shown = rule.shown();
        let why = match error {
            Error::TooCostly => {
                format!(
                    "'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {shown}"
                )
            }
            Error::OutOfBudget => error.to_string(),
            Error::Failed(message) if message.starts_with("no such overload") => {
                format!(
                    "'{message}': call arguments did not match a supported operator, function or macro signature for rule: {shown}"
                )
            }
            Error::Failed(message) => format!("{message} evaluating rule: {shown}"),
        };
        self.errors.push(field::invalid(path, type_name, why));
    }
}

fn finding(kind: ErrorKind, path: &Path, type_name: &str, detail: String) -> field::Error {
    let value = matches!(kind, ErrorKind::Invalid | ErrorKind::Duplicate).then(|| type_name.into());
    field::Error { kind, field: path.to_string(), value, detail }
}

/// The type expressions see. Upstream: `model.SchemaDeclType`.
fn type_of(schema: &Schema, whole: bool) -> Cel {
    if schema.int_or_string {
        return Cel::Dyn;
    }
    match schema.type_ {
        None => Cel::Dyn,
        Some(Type::Boolean) => Cel::Bool,
        Some(Type::Integer) => Cel::Int,
        Some(Type::Number) => Cel::Double,
        Some(Type::String) => match schema.limits.format.as_deref() {
            Some("byte") => Cel::Bytes,
            Some("date" | "date-time") => Cel::Timestamp,
            Some("duration") => Cel::Duration,
            _ => Cel::String,
        },
        Some(Type::Array) => {
            let item = schema.items.as_ref().map_or(Cel::Dyn, |items| type_of(items, items.embedded));
            let order = match &schema.list {
                Some(Items::Set) => Order::Set,
                Some(Items::Map(keys)) => Order::Keyed(keys.clone()),
                _ => Order::Atomic,
            };
            Cel::List(Arc::new(ListType { item, order }))
        }
        Some(Type::Object) => object_type(schema, whole),
    }
}

fn object_type(schema: &Schema, whole: bool) -> Cel {
    match &schema.additional {
        Some(Additional::Schema(values)) => return Cel::map(type_of(values, values.embedded)),
        Some(Additional::Any) => return Cel::map(Cel::Dyn),
        None => (),
    }
    let mut fields = BTreeMap::new();
    let mut add = |name: &str, type_: Cel| {
        if let Some(escaped) = escape(name) {
            fields.insert(escaped, Field { json: name.to_owned(), type_ });
        }
    };
    for (name, property) in &schema.properties {
        add(name, type_of(property, property.embedded));
    }
    if whole || schema.embedded {
        add("apiVersion", Cel::String);
        add("kind", Cel::String);
        add("metadata", Cel::object("ObjectMeta", [("name", Cel::String), ("generateName", Cel::String)]));
    }
    Cel::Object(Arc::new(ObjectType { name: "object".to_owned(), fields }))
}

#[cfg(test)]
mod tests {
    use super::*;
    use expect_test::{Expect, expect};
    use serde_json::json;

    fn schema(rules: Value) -> Value {
        json!({"type": "object", "properties": {"spec": {"type": "object", "x-kubernetes-validations": rules, "properties": {
            "replicas": {"type": "integer"}, "max": {"type": "integer"},
            "name": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "name is immutable"}]}}}}})
    }

    fn check(rules: Value, value: Value, old: Option<Value>, expected: Expect) {
        let schema = Schema::compile(&schema(rules));
        let object = |spec: Value| json!({"metadata": {"name": "a"}, "spec": spec});
        let errors = super::check(&schema, &object(value), old.map(object).as_ref());
        expected.assert_eq(&errors.iter().map(ToString::to_string).collect::<Vec<_>>().join("\n"));
    }

    #[test]
    fn a_rule_that_does_not_hold_is_told_by_its_message() {
        let rule = json!([{"rule": "self.replicas <= self.max", "message": "replicas should be at most max"}]);
        check(rule.clone(), json!({"replicas": 2, "max": 3}), None, expect![""]);
        check(
            rule,
            json!({"replicas": 4, "max": 3}),
            None,
            expect![[r#"spec: Invalid value: "object": replicas should be at most max"#]],
        );
        check(
            json!([{"rule": "self.replicas <= self.max", "messageExpression": "'at most ' + string(self.max)", "fieldPath": ".replicas",
                "reason": "FieldValueForbidden"}]),
            json!({"replicas": 4, "max": 3}),
            None,
            expect!["spec.replicas: Forbidden: at most 3"],
        );
        check(
            json!([{"rule": "self.replicas <= self.max"}]),
            json!({"replicas": 4}),
            None,
            expect![[r#"spec: Invalid value: "object": no such key: max evaluating rule: self.replicas <= self.max"#]],
        );
    }

    #[test]
    fn rules_about_changes_look_at_what_was_there() {
        check(json!([]), json!({"name": "b"}), None, expect![""]);
        check(
            json!([]),
            json!({"name": "b"}),
            Some(json!({"name": "a"})),
            expect![[r#"spec.name: Invalid value: "string": name is immutable"#]],
        );
        let grows = json!([{"rule": "self.replicas > oldSelf.replicas"}]);
        check(
            grows,
            json!({"replicas": 1}),
            Some(json!({"replicas": 1})),
            expect![[r#"spec: Invalid value: "object": failed rule: self.replicas > oldSelf.replicas"#]],
        );
        let optional = json!([{"rule": "oldSelf.hasValue() || self.replicas == 1", "optionalOldSelf": true, "message": "begins with one"}]);
        check(
            optional.clone(),
            json!({"replicas": 2}),
            None,
            expect![[r#"spec: Invalid value: "object": begins with one"#]],
        );
        check(optional, json!({"replicas": 2}), Some(json!({"replicas": 1})), expect![""]);
    }

    #[test]
    fn what_stays_as_it_was_is_not_judged_again() {
        let rule = json!([{"rule": "self.replicas <= self.max"}]);
        let state = json!({"replicas": 4, "max": 3});
        check(rule, state.clone(), Some(state), expect![""]);
    }

    #[test]
    fn rules_that_cannot_be_used_say_why() {
        let found = validate(
            &schema(json!([{"rule": "self.replicaz > 1"}, {"rule": "self.replicas"}]))["properties"]["spec"],
            false,
        );
        let keywords: Vec<_> = found
            .iter()
            .map(|(index, (keyword, why))| format!("{index} {keyword} {}", why.lines().next().unwrap()))
            .collect();
        expect![[r#"
            0 rule compilation failed: ERROR: <input>:1:5: undefined field 'replicaz'
            1 rule cel expression must evaluate to a bool"#]]
        .assert_eq(&keywords.join("\n"));
    }
}
