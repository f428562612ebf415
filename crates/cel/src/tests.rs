//! What expressions come to, what is wrong with those that are none, and that the worst of them end.

use std::fmt::Write;

use expect_test::{Expect, expect};
use serde_json::{Value as Json, json};

use crate::{Budget, Env, Error, Program, Type, Value};

mod hostile;
mod libraries;

fn input() -> Json {
    json!({
        "apiVersion": "apps/v1",
        "metadata": { "name": "web", "labels": { "app": "web", "app.kubernetes.io/part-of": "shop" } },
        "spec": { "replicas": 3, "ratio": 1.5, "ports": [80, 443], "containers": [
            { "name": "a", "image": "shop/a:1", "privileged": true },
            { "name": "b", "image": "other/b:2" },
        ] },
    })
}

fn compile(text: &str) -> Result<Program, crate::CompileError> {
    Env::new().variable("object", Type::Dyn).building().compile(text)
}

/// What an expression over the input comes to, in one line.
fn outcome(text: &str) -> String {
    let program = match compile(text) {
        Ok(program) => program,
        Err(error) => return format!("no expression: {}", error.to_string().lines().next().unwrap_or_default()),
    };
    let input = input();
    match program.evaluate(&[("object", Value::json(&input))], &mut Budget::default()) {
        Ok(value) => match value.to_json() {
            Ok(json) => json.to_string(),
            Err(_) => format!("{value:?}"),
        },
        Err(error) => format!("failed: {error}"),
    }
}

fn check(texts: &[&str], expected: Expect) {
    let mut out = String::new();
    for text in texts {
        let _ = writeln!(out, "{text} => {}", outcome(text));
    }
    expected.assert_eq(&out);
}

/// Objects, optionals, times and what only functions know may be compared with null; texts and numbers may not.
#[test]
fn null_goes_with_what_may_be_missing() {
    let inner = Type::object("object", [("name", Type::String)]);
    let shape = Type::object("object", [("inner", inner), ("name", Type::String), ("since", Type::Timestamp)]);
    let env = Env::new().variable("self", shape.clone());
    let object = json!({ "inner": { "name": "a" }, "name": "b", "since": "2026-01-01T00:00:00Z" });
    let mut out = String::new();
    for text in [
        "self.inner == null",
        "null != self.?inner.?name",
        "self.?inner == null",
        "self.?inner.name != null",
        "optional.none() == null",
        "self.since != null",
        "quantity('1') == null",
        "self.name == null",
        "[1] == null",
    ] {
        let outcome = match env.compile(text) {
            Ok(program) => program.evaluate(&[("self", Value::typed(&object, &shape))], &mut Budget::default()),
            Err(error) => {
                let _ = writeln!(out, "{text} => {}", error.to_string().lines().next().unwrap_or_default());
                continue;
            }
        };
        let _ = writeln!(out, "{text} => {outcome:?}");
    }
    expect![[r#"
        self.inner == null => Ok(Bool(false))
        null != self.?inner.?name => Ok(Bool(true))
        self.?inner == null => Ok(Bool(false))
        self.?inner.name != null => Ok(Bool(true))
        optional.none() == null => Ok(Bool(false))
        self.since != null => Ok(Bool(true))
        quantity('1') == null => Ok(Bool(false))
        self.name == null => ERROR: <input>:1:11: found no matching overload for '_==_' applied to '(string, null)'
        [1] == null => ERROR: <input>:1:5: found no matching overload for '_==_' applied to '(list(int), null)'
    "#]]
    .assert_eq(&out);
}

#[test]
fn signs_bind_as_in_the_language() {
    check(
        &[
            "1 + 2 * 3",
            "(1 + 2) * 3",
            "-2 - -3",
            "7 / 2",
            "-7 % 3",
            "1 < 2 && 2.0 < 3",
            "!true || true",
            "true ? 1 : 2",
            "1u + 2u",
            "'a' + \"b\"",
            "[1] + [2]",
            "2 in [1, 2]",
            "'x' in {'x': 1}",
            "-9223372036854775808",
            "b'a\\xff' == b'a\\377'",
            "r'\\d' == '\\\\d'",
        ],
        expect![[r#"
            1 + 2 * 3 => 7
            (1 + 2) * 3 => 9
            -2 - -3 => 1
            7 / 2 => 3
            -7 % 3 => -1
            1 < 2 && 2.0 < 3 => true
            !true || true => true
            true ? 1 : 2 => 1
            1u + 2u => 3
            'a' + "b" => "ab"
            [1] + [2] => [1,2]
            2 in [1, 2] => true
            'x' in {'x': 1} => true
            -9223372036854775808 => -9223372036854775808
            b'a\xff' == b'a\377' => true
            r'\d' == '\\d' => true
        "#]],
    );
}

#[test]
fn fields_are_read_where_they_lie() {
    check(
        &[
            "object.spec.replicas + 1",
            "object.spec.nothing",
            "has(object.spec.nothing)",
            "has(object.metadata.labels)",
            "object.metadata.labels['app.kubernetes.io/part-of']",
            "object.spec.ports[1]",
            "object.spec.ports[2]",
            "object.?spec.?nothing.orValue(5)",
            "object.spec.?replicas.hasValue()",
            "object.metadata.labels[?'x'].orValue('none')",
            "object.spec.containers.map(c, c.name)",
            "object.spec.containers.filter(c, c.?privileged.orValue(false)).size()",
            "object.spec.ratio * 2.0",
            "object == object",
            "object.spec",
        ],
        expect![[r#"
            object.spec.replicas + 1 => 4
            object.spec.nothing => failed: no such key: nothing
            has(object.spec.nothing) => false
            has(object.metadata.labels) => true
            object.metadata.labels['app.kubernetes.io/part-of'] => "shop"
            object.spec.ports[1] => 443
            object.spec.ports[2] => failed: index out of bounds: 2
            object.?spec.?nothing.orValue(5) => 5
            object.spec.?replicas.hasValue() => true
            object.metadata.labels[?'x'].orValue('none') => "none"
            object.spec.containers.map(c, c.name) => ["a","b"]
            object.spec.containers.filter(c, c.?privileged.orValue(false)).size() => 1
            object.spec.ratio * 2.0 => 3
            object == object => true
            object.spec => {"containers":[{"image":"shop/a:1","name":"a","privileged":true},{"image":"other/b:2","name":"b"}],"ports":[80,443],"ratio":1.5,"replicas":3}
        "#]],
    );
}

#[test]
fn loops_mind_what_the_language_minds() {
    check(
        &[
            "[1, 2, 3].all(x, x > 0)",
            "[1, 0].exists(x, 1 / x == 1)",
            "[0, 1].exists(x, 1 / x == 1)",
            "[0, 2].all(x, 1 / x == 1)",
            "[1, 2, 2].exists_one(x, x == 2)",
            "{'a': 1, 'b': 2}.all(k, k < 'c')",
            "{'a': 1, 'b': 2}.transformList(k, v, k + string(v))",
            "[5, 6].transformMap(i, v, v * 2).size()",
            "{'a': 1}.transformMapEntry(k, v, {k + k: v})",
            "[1, 2, 3].map(x, x > 1, x * 10)",
            "[3, 1, 2].sortBy(x, -x)",
            "['b', 'a'].all(i, v, i < 2 && v != '')",
            "optional.of(2).optMap(x, x + 1).value()",
            "1.all(x, x)",
        ],
        expect![[r#"
            [1, 2, 3].all(x, x > 0) => true
            [1, 0].exists(x, 1 / x == 1) => true
            [0, 1].exists(x, 1 / x == 1) => true
            [0, 2].all(x, 1 / x == 1) => false
            [1, 2, 2].exists_one(x, x == 2) => false
            {'a': 1, 'b': 2}.all(k, k < 'c') => true
            {'a': 1, 'b': 2}.transformList(k, v, k + string(v)) => ["a1","b2"]
            [5, 6].transformMap(i, v, v * 2).size() => 2
            {'a': 1}.transformMapEntry(k, v, {k + k: v}) => {"aa":1}
            [1, 2, 3].map(x, x > 1, x * 10) => [20,30]
            [3, 1, 2].sortBy(x, -x) => [3,2,1]
            ['b', 'a'].all(i, v, i < 2 && v != '') => true
            optional.of(2).optMap(x, x + 1).value() => 3
            1.all(x, x) => no expression: ERROR: <input>:1:2: expression of type 'int' cannot be range of a comprehension (must be list, map, or dynamic)
        "#]],
    );
}

#[test]
fn mistakes_are_found_before_anything_runs() {
    check(
        &[
            "",
            "1 +",
            "foo",
            "foo.bar(1)",
            "object.name(",
            "1 + 'a'",
            "'a' && true",
            "[1, 'a']",
            "'a'.nope()",
            "size(1)",
            "has(object)",
            "'a'.matches('(')",
            "duration('soon')",
            "for",
            "true ? 1 : 'a'",
            "99999999999999999999",
            "'open",
            "object.all(1, true)",
            "Foo{a: 1}",
            "JSONPatch{nope: 1}",
        ],
        expect![[r#"
             => no expression: ERROR: <input>:1:1: Syntax error: mismatched input '<EOF>' expecting an expression
            1 + => no expression: ERROR: <input>:1:4: Syntax error: mismatched input '<EOF>' expecting an expression
            foo => no expression: ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')
            foo.bar(1) => no expression: ERROR: <input>:1:1: undeclared reference to 'foo' (in container '')
            object.name( => no expression: ERROR: <input>:1:13: Syntax error: mismatched input '<EOF>' expecting an expression
            1 + 'a' => no expression: ERROR: <input>:1:3: found no matching overload for '_+_' applied to '(int, string)'
            'a' && true => no expression: ERROR: <input>:1:1: found no matching overload for '_&&_' applied to '(string)'
            [1, 'a'] => no expression: ERROR: <input>:1:5: expected type 'int' but found 'string'
            'a'.nope() => no expression: ERROR: <input>:1:4: undeclared reference to 'nope' (in container '')
            size(1) => no expression: ERROR: <input>:1:1: found no matching overload for 'size' applied to '(int)'
            has(object) => no expression: ERROR: <input>:1:1: invalid argument to has() macro
            'a'.matches('(') => no expression: ERROR: <input>:1:13: invalid matches argument
            duration('soon') => no expression: ERROR: <input>:1:10: invalid duration argument
            for => no expression: ERROR: <input>:1:1: reserved identifier: for
            true ? 1 : 'a' => no expression: ERROR: <input>:1:6: found no matching overload for '_?_:_' applied to '(bool, int, string)'
            99999999999999999999 => no expression: ERROR: <input>:1:1: invalid int literal
            'open => no expression: ERROR: <input>:1:1: Syntax error: token recognition error at: unterminated string
            object.all(1, true) => no expression: ERROR: <input>:1:12: argument must be a simple name
            Foo{a: 1} => no expression: ERROR: <input>:1:4: undeclared reference to 'Foo' (in container '')
            JSONPatch{nope: 1} => no expression: ERROR: <input>:1:17: undefined field 'nope'
        "#]],
    );
}

#[test]
fn what_fails_beside_the_answer_does_not_matter() {
    check(
        &[
            "object.no || true",
            "true || object.no",
            "object.no && false",
            "object.no || false",
            "1 / 0",
            "dyn('a') + dyn(1)",
            "9223372036854775807 + 1",
            "int('x')",
            "dyn(1) ? 1 : 2",
        ],
        expect![[r#"
            object.no || true => true
            true || object.no => true
            object.no && false => false
            object.no || false => failed: no such key: no
            1 / 0 => failed: division by zero
            dyn('a') + dyn(1) => failed: no such overload
            9223372036854775807 + 1 => failed: integer overflow
            int('x') => failed: type conversion error from 'string' to 'int': "x"
            dyn(1) ? 1 : 2 => failed: no such overload
        "#]],
    );
}

#[test]
fn a_mistake_is_shown_in_its_line() {
    let error = compile("object.spec.replicas <=\n  limit").expect_err("there is no such variable");
    expect![[r#"
        ERROR: <input>:2:3: undeclared reference to 'limit' (in container '')
         |   limit
         | ..^"#]]
    .assert_eq(&error.to_string());
}

#[test]
fn objects_of_known_types_have_their_fields_only() {
    let shape = Type::object(
        "root",
        [("my-field", Type::Int), ("since", Type::Timestamp), ("names", Type::list(Type::String))],
    );
    let env = Env::new().variable("self", shape.clone());
    let object = json!({ "my-field": 2, "since": "2026-01-02T03:04:05Z", "names": ["a"], "hidden": 1 });
    let run = |text: &str| match env.compile(text) {
        Ok(program) => program
            .evaluate(&[("self", Value::typed(&object, &shape))], &mut Budget::default())
            .and_then(|value| value.to_json())
            .map_or_else(|error| error.to_string(), |json| json.to_string()),
        Err(error) => error.to_string().lines().next().unwrap_or_default().to_owned(),
    };
    let mut out = String::new();
    for text in [
        "self.my__dash__field + 1",
        "self.since.getFullYear()",
        "self.hidden",
        "self.names[0] + 1",
        "self.names.all(n, n == 'a')",
    ] {
        let _ = writeln!(out, "{text} => {}", run(text));
    }
    expect![[r#"
        self.my__dash__field + 1 => 3
        self.since.getFullYear() => 2026
        self.hidden => ERROR: <input>:1:5: undefined field 'hidden'
        self.names[0] + 1 => ERROR: <input>:1:15: found no matching overload for '_+_' applied to '(string, int)'
        self.names.all(n, n == 'a') => true
    "#]]
    .assert_eq(&out);
}

#[test]
fn messages_are_built_where_that_is_allowed() {
    check(
        &[
            "Object{spec: Object.spec{replicas: object.spec.replicas + 1}}",
            "Object{spec: Object.metadata{name: 'a'}}",
            "[JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'x'}]",
            "Object{?spec: optional.none()}",
        ],
        expect![[r#"
            Object{spec: Object.spec{replicas: object.spec.replicas + 1}} => {"spec":{"replicas":4}}
            Object{spec: Object.metadata{name: 'a'}} => no expression: ERROR: <input>:1:29: unexpected type name "Object.metadata", expected "Object.spec", which matches field name path from root Object type
            [JSONPatch{op: 'add', path: '/metadata/labels/' + jsonpatch.escapeKey('a/b'), value: 'x'}] => [{"op":"add","path":"/metadata/labels/a~1b","value":"x"}]
            Object{?spec: optional.none()} => {}
        "#]],
    );
    let refused = Env::new().compile("Object{}").expect_err("nothing is built here");
    assert!(refused.to_string().contains("undeclared reference to 'Object'"), "{refused}");
}

#[test]
fn a_program_knows_its_variables() {
    let env = Env::new().variable("self", Type::Dyn).variable("oldSelf", Type::Dyn);
    let program = env.compile("self.a == 1 || [1].exists(x, x == oldSelf.b)").expect("it is an expression");
    assert!(program.uses("oldSelf") && program.uses("self") && !program.uses("other"));
    assert!(program.gives(&Type::Bool) && !program.gives(&Type::String));
}

#[test]
fn the_authorizer_is_asked_and_is_dear() {
    struct OnlyCreate;
    impl crate::Authorize for OnlyCreate {
        fn check(&self, question: &crate::Question) -> (bool, String, Option<String>) {
            (question.verb == "create", format!("{question:?}"), None)
        }
    }
    let env = Env::new().variable("authorizer", crate::AUTHORIZER);
    let run = |text: &str| {
        let request = crate::Question { resource: "pods".to_owned(), ..Default::default() };
        let value = crate::authorizer(std::sync::Arc::new(OnlyCreate), request);
        let program = env.compile(text).map_err(|error| error.to_string())?;
        let answer = program.evaluate(&[("authorizer", value)], &mut Budget::default());
        answer.and_then(|value| value.to_json()).map_err(|error| error.to_string())
    };
    let check = "authorizer.group('apps').resource('deployments').namespace('a').check('create').allowed()";
    assert_eq!(run(check), Ok(json!(true)));
    assert_eq!(run("authorizer.requestResource.check('delete').allowed()"), Ok(json!(false)));
    assert_eq!(run("authorizer.path('/healthz').check('get').errored()"), Ok(json!(false)));
    assert_eq!(run(&format!("{check} && {check} && {check}")), Err(Error::TooCostly.to_string()));
    let wrong = run("authorizer.group('apps').check('get')").expect_err("a group is no resource");
    assert!(
        wrong.contains(
            "found no matching overload for 'check' applied to 'kubernetes.authorization.GroupCheck.(string)'"
        ),
        "{wrong}"
    );
}
