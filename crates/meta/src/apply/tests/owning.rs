use std::borrow::Cow;

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use super::*;

/// `test/v1` and, with `replicas` called `copies`, `test/v2`. `test/v0` is not served any more.
struct TwoVersions {
    ignored: FieldSet<'static>,
}

impl Versions for TwoVersions {
    fn typed(&self, api_version: &str) -> Option<Typed<'_>> {
        match api_version {
            "test/v1" => Some(widget()),
            "test/v2" => Some(Typed::deduced()),
            _ => None,
        }
    }

    fn convert<'v>(&self, object: &'v Value, from: &str, to: &str) -> Cow<'v, Value> {
        let (before, after) = match (from, to) {
            ("test/v1", "test/v2") => ("replicas", "copies"),
            ("test/v2", "test/v1") => ("copies", "replicas"),
            _ => return Cow::Borrowed(object),
        };
        let mut object = object.clone();
        if let Some(spec) = object["spec"].as_object_mut()
            && let Some(value) = spec.remove(before)
        {
            spec.insert(after.to_owned(), value);
        }
        Cow::Owned(object)
    }

    fn ignored(&self, _: &str) -> &FieldSet<'static> {
        &self.ignored
    }
}

/// An object and who owns it, changed step by step.
struct World {
    live: Value,
    managers: Vec<Managed<'static>>,
    versions: TwoVersions,
}

impl World {
    fn new() -> Self {
        let versions = TwoVersions { ignored: FieldSet::of_fields(&[&["spec", "suspend"]]) };
        Self { live: json!({}), managers: Vec::new(), versions }
    }

    fn manager(name: &str, operation: Operation, api_version: &str) -> Manager {
        Manager { name: name.into(), operation, api_version: api_version.into(), subresource: String::new() }
    }

    fn try_apply(&mut self, name: &str, api_version: &str, spec: Value, force: bool) -> Result<bool, ApplyError> {
        let config = json!({"spec": spec});
        let live = self.versions.convert(&self.live, "test/v1", api_version).into_owned();
        let request = Request { versions: &self.versions, api_version };
        let applier = Self::manager(name, Operation::Apply, api_version);
        let applied = apply(request, &live, &config, self.managers.clone(), applier, force)?;
        let owned = |managed: Managed<'_>| Managed {
            manager: managed.manager,
            fields: managed.fields.into_owned(),
            time: managed.time,
        };
        let managers = applied.managers.into_iter().map(owned).collect();
        let changed = applied.object.is_some();
        if let Some(object) = applied.object {
            self.live = self.versions.convert(&object, api_version, "test/v1").into_owned();
        }
        self.managers = managers;
        Ok(changed)
    }

    fn apply(&mut self, name: &str, spec: Value) -> &mut Self {
        self.try_apply(name, "test/v1", spec, false).unwrap();
        self
    }

    fn force(&mut self, name: &str, spec: Value) -> &mut Self {
        self.try_apply(name, "test/v1", spec, true).unwrap();
        self
    }

    fn update(&mut self, name: &str, spec: Value) -> &mut Self {
        let new = json!({"spec": spec});
        let (old, request) = (self.live.clone(), Request { versions: &self.versions, api_version: "test/v1" });
        let mut managers: Vec<Managed<'_>> = self.managers.clone();
        let own = update(request, &old, &new, &mut managers).unwrap();
        let manager = Self::manager(name, Operation::Update, "test/v1");
        match managers.iter_mut().find(|managed| managed.manager.is(&manager)) {
            Some(managed) => managed.fields = managed.fields.union(&own),
            None if own.is_empty() => (),
            None => managers.push(Managed { manager, fields: own, time: None }),
        }
        let owned = |managed: Managed<'_>| Managed {
            manager: managed.manager,
            fields: managed.fields.into_owned(),
            time: managed.time,
        };
        self.managers = managers.into_iter().map(owned).collect();
        self.live = new;
        self
    }

    #[track_caller]
    fn check(&self, expected: Expect) {
        let mut lines = vec![self.live["spec"].to_string()];
        for managed in &self.managers {
            lines.push(format!(
                "{} {:?}: {}",
                managed.manager.name,
                managed.manager.operation,
                managed.fields.to_json()
            ));
        }
        expected.assert_eq(&lines.join("\n"));
    }
}

fn conflicts(outcome: Result<bool, ApplyError>) -> String {
    match outcome.unwrap_err() {
        ApplyError::Conflicts(conflicts) => {
            let line = |conflict: Conflict| format!("{} {}", conflict.manager, conflict.field);
            conflicts.into_iter().map(line).collect::<Vec<_>>().join("\n")
        }
        error => format!("error: {error}"),
    }
}

#[test]
fn an_applier_owns_what_it_mentions_and_what_it_drops_goes() {
    let mut world = World::new();
    world.apply("one", json!({"replicas": 1, "data": {"a": "eA==", "b": "eA=="}, "containers": [{"name": "a"}, {"name": "b", "args": ["x"]}]}));
    world.apply("one", json!({"data": {"b": "eA=="}, "containers": [{"name": "b"}]}));
    world.check(expect![[r#"
        {"containers":[{"name":"b"}],"data":{"b":"eA=="}}
        one Apply: {"f:spec":{"f:containers":{"k:{\"name\":\"b\"}":{".":{},"f:name":{}}},"f:data":{"f:b":{}}}}"#]]);
}

#[test]
fn what_another_owns_as_well_stays_when_one_drops_it() {
    let mut world = World::new();
    world.apply("one", json!({"replicas": 1, "data": {"a": "eA=="}})).apply("two", json!({"replicas": 1}));
    world.apply("one", json!({"data": {"a": "eA=="}}));
    world.check(expect![[r#"
        {"data":{"a":"eA=="},"replicas":1}
        two Apply: {"f:spec":{"f:replicas":{}}}
        one Apply: {"f:spec":{"f:data":{"f:a":{}}}}"#]]);
    world.apply("two", json!({}));
    world.check(expect![[r#"
        {"data":{"a":"eA=="}}
        one Apply: {"f:spec":{"f:data":{"f:a":{}}}}
        two Apply: {"f:spec":{}}"#]]);
}

#[test]
fn another_value_for_an_owned_field_is_a_conflict_until_it_is_forced() {
    let mut world = World::new();
    world.apply("one", json!({"replicas": 1, "containers": [{"name": "a", "image": "1"}]}));
    world.update("two", json!({"replicas": 2, "containers": [{"name": "a", "image": "1"}]}));
    let wanted = json!({"replicas": 3, "containers": [{"name": "a", "image": "2"}]});
    expect![[r#"
        "one" .spec.containers[name="a"].image
        "two" using test/v1 .spec.replicas"#]]
    .assert_eq(&conflicts(world.try_apply("three", "test/v1", wanted.clone(), false)));
    world.force("three", wanted);
    world.check(expect![[r#"
        {"containers":[{"image":"2","name":"a"}],"replicas":3}
        one Apply: {"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:name":{}}}}}
        three Apply: {"f:spec":{"f:containers":{"k:{\"name\":\"a\"}":{".":{},"f:image":{},"f:name":{}}},"f:replicas":{}}}"#]]);
}

#[test]
fn an_update_takes_what_it_changes() {
    let mut world = World::new();
    world
        .update("one", json!({"replicas": 1, "ratio": 1, "suspend": true}))
        .update("two", json!({"replicas": 2, "suspend": false}));
    world.check(expect![[r#"
        {"replicas":2,"suspend":false}
        two Update: {"f:spec":{"f:replicas":{}}}"#]]);
}

#[test]
fn the_same_again_changes_nothing() {
    let mut world = World::new();
    let config =
        json!({"replicas": 1, "suspend": true, "containers": [{"name": "a", "ports": [{"containerPort": 1}]}]});
    world.apply("one", config.clone());
    let before = (world.live.clone(), world.managers.clone());
    assert!(!world.try_apply("one", "test/v1", config, false).unwrap());
    assert_eq!((world.live.clone(), world.managers.clone()), before);
    assert!(!before.1[0].fields.to_json().to_string().contains("suspend"), "what is ignored is not owned");
}

#[test]
fn a_version_names_its_fields_its_own_way() {
    let mut world = World::new();
    world.try_apply("one", "test/v2", json!({"copies": 1, "ratio": 2}), false).unwrap();
    expect![[r#""one" .spec.copies"#]].assert_eq(&conflicts(world.try_apply(
        "two",
        "test/v1",
        json!({"replicas": 2}),
        false,
    )));
    world.try_apply("one", "test/v1", json!({"ratio": 2}), false).unwrap();
    world.check(expect![[r#"
        {"ratio":2}
        one Apply: {"f:spec":{"f:ratio":{}}}"#]]);
}

#[test]
fn managers_of_versions_nobody_serves_are_forgotten() {
    let mut world = World::new();
    world.apply("one", json!({"replicas": 1}));
    world.managers[0].manager.api_version = "test/v0".into();
    world.apply("two", json!({"replicas": 2}));
    world.check(expect![[r#"
        {"replicas":2}
        two Apply: {"f:spec":{"f:replicas":{}}}"#]]);
}

#[test]
fn a_configuration_that_is_not_of_its_type_is_refused() {
    let mut world = World::new();
    let outcome = world.try_apply("one", "test/v1", json!({"containers": [{"name": "a"}, {"name": "a"}]}), true);
    expect![[r#"error: .spec.containers: duplicate entries for key [name="a"]"#]].assert_eq(&conflicts(outcome));
}

#[test]
fn fields_go_always_writes_are_owned_with_what_they_are_in() {
    let mut world = World::new();
    world.update("one", json!({"replicas": 1}));
    world.check(expect![[r#"
        {"replicas":1}
        one Update: {"f:spec":{"f:replicas":{}}}"#]]);
    let (old, new) = (json!({}), json!({"spec": {"containers": [{"image": "x"}]}}));
    assert!(compare(widget(), &old, &new).is_err(), "an element without its key cannot be told apart");
}
