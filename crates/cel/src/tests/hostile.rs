//! Expressions that mean no good end all the same.

use proptest::prelude::*;
use serde_json::json;

use crate::{Budget, Env, Error, Type, Value};

/// Runs it on a stack smaller than any the server has.
fn run(text: String) -> Result<String, String> {
    let small = std::thread::Builder::new().stack_size(1 << 20);
    let thread = small.spawn(move || {
        let program =
            Env::new().variable("object", Type::Dyn).building().compile(&text).map_err(|error| error.to_string())?;
        let long: String = "x".repeat(100_000);
        let list: Vec<i64> = (0..10_000).collect();
        let input = json!({ "long": long, "list": list, "deep": [[[[[[1]]]]]] });
        let answer = program.evaluate(&[("object", Value::json(&input))], &mut Budget::default());
        answer.map(|value| format!("{:.20?}", value.size())).map_err(|error| error.to_string())
    });
    thread.expect("a thread can be started").join().expect("the stack holds and nothing panics")
}

#[test]
fn what_would_not_end_costs_too_much() {
    let many = "object.list.all(a, object.list.all(b, object.list.all(c, a + b + c >= 0)))";
    let long = "object.list.map(a, object.long + object.long)";
    let replaced = "object.long.replace('x', object.long)";
    let joined = "object.list.map(a, object.long).join(object.long)";
    let compared = "object.list.all(a, object == object)";
    let matched = "object.list.exists(a, object.long.matches('(x+x+)+y'))";
    let ranged = "lists.range(9223372036854775807)";
    let formatted = "object.list.map(a, '%s'.format([object.list]))";
    let sorted = "object.list.map(a, object.long).sort()";
    for text in [many, long, replaced, joined, compared, matched, ranged, formatted, sorted] {
        let error = run(text.to_owned()).expect_err("it costs too much");
        assert!(
            [Error::TooCostly, Error::OutOfBudget].iter().any(|costly| costly.to_string() == error),
            "{text}: {error}"
        );
    }
}

#[test]
fn what_is_nested_too_deep_is_refused() {
    let times = 20_000;
    for (open, middle, close) in [
        ("(", "1", ")"),
        ("[", "1", "]"),
        ("-(", "1", ")"),
        ("!(", "true", ")"),
        ("{1: ", "1", "}"),
        ("true ? ", "1", " : 2"),
        ("true ? 1 : ", "1", ""),
        ("size(", "'a'", ")"),
        ("[1].map(x, ", "1", ")"),
        ("1 + (", "1", ")"),
    ] {
        let text = format!("{}{middle}{}", open.repeat(times), close.repeat(times));
        let refused = run(text).expect_err("it is too deep");
        assert!(refused.contains("limit"), "{open}: {refused:.200}");
    }
    for link in [".a", "[0]", " + 1", ".map(x, x)", ".?a"] {
        let refused = run(format!("object{}", link.repeat(times))).expect_err("it is too deep");
        assert!(refused.contains("limit"), "{link}: {refused:.200}");
    }
}

#[test]
fn what_is_as_deep_as_allowed_runs_on_a_small_stack() {
    for (open, middle, close) in
        [("(", "1", ")"), ("[", "1", "]"), ("1 + (", "1", ")"), ("[1].map(x, ", "1", ")"), ("true ? 1 : ", "1", "")]
    {
        let times = 70;
        assert!(run(format!("{}{middle}{}", open.repeat(times), close.repeat(times))).is_ok(), "{open}");
    }
    assert!(run(vec!["true"; 5000].join(" && ")).is_ok(), "a long row of terms is not deep");
    assert!(run("!".repeat(10_000) + "true").is_ok());
}

#[test]
fn a_request_has_one_budget_for_all_its_expressions() {
    let program = Env::new().variable("list", Type::Dyn).compile("list.all(x, x >= 0)").expect("it is an expression");
    let list = json!((0..1000).collect::<Vec<_>>());
    let mut budget = Budget::new(20_000);
    let mut runs = 0;
    let error = loop {
        match program.evaluate(&[("list", Value::json(&list))], &mut budget) {
            Ok(_) => runs += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(error, Error::OutOfBudget);
    assert!((2..10).contains(&runs), "{runs}");
}

/// Words that make up expressions, right and wrong.
const WORDS: [&str; 60] = [
    "object",
    "1",
    "2u",
    "1.5",
    "'a'",
    "b'a'",
    "\"\"",
    "null",
    "true",
    "false",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ".",
    ".?",
    "[?",
    ",",
    ":",
    "?",
    "+",
    "-",
    "*",
    "/",
    "%",
    "!",
    "<",
    "<=",
    "==",
    "!=",
    "&&",
    "||",
    " in ",
    "size(",
    "has(",
    ".all(x, ",
    ".map(x, ",
    ".list",
    ".long",
    "x",
    ".matches(",
    "int(",
    "string(",
    ".format(",
    "Object{",
    "JSONPatch{",
    "op: ",
    "ip(",
    "url(",
    "quantity(",
    "optional.of(",
    ".orValue(",
    "timestamp(",
    "duration(",
    ".sort()",
    ".slice(",
    "'\\u00e9'",
    "`a-b`",
];

proptest! {
    #[test]
    fn random_words_never_panic(picks in proptest::collection::vec(0..WORDS.len(), 0..40)) {
        let text: String = picks.into_iter().map(|pick| WORDS[pick]).collect();
        drop(run(text));
    }

    #[test]
    fn random_letters_never_panic(text in "\\PC{0,80}") {
        drop(run(text));
    }

    /// Random trees, most of which compile.
    #[test]
    fn random_trees_never_panic(text in tree()) {
        drop(run(text));
    }
}

fn tree() -> impl Strategy<Value = String> {
    let leaf = prop_oneof![
        any::<i64>().prop_map(|value| if value < 0 { format!("({value})") } else { value.to_string() }),
        "[a-z%.d\\[]{0,6}".prop_map(|text| format!("'{text}'")),
        Just("object.list".to_owned()),
        Just("object.deep".to_owned()),
        Just("x".to_owned()),
        Just("dyn(1.5)".to_owned()),
        Just("[]".to_owned()),
        Just("{'a': 1}".to_owned()),
    ];
    leaf.prop_recursive(6, 40, 3, |inner| {
        let method = proptest::sample::select(vec![
            "size", "sum", "min", "sort", "distinct", "first", "reverse", "flatten", "trim", "join", "isSorted",
        ]);
        let sign = proptest::sample::select(vec!["+", "-", "*", "/", "%", "==", "<", ">=", "in", "&&", "||"]);
        let twofold =
            proptest::sample::select(vec!["split", "matches", "indexOf", "format", "contains", "substring", "findAll"]);
        let wrap = proptest::sample::select(vec![
            "string",
            "int",
            "ip",
            "url",
            "quantity",
            "semver",
            "duration",
            "timestamp",
            "cidr",
        ]);
        let each = proptest::sample::select(vec!["all", "exists", "map", "filter", "sortBy"]);
        prop_oneof![
            (inner.clone(), sign, inner.clone())
                .prop_map(|(one, sign, other)| format!("(dyn({one}) {sign} dyn({other}))")),
            (inner.clone(), method).prop_map(|(target, method)| format!("dyn({target}).{method}()")),
            (inner.clone(), twofold, inner.clone())
                .prop_map(|(target, method, arg)| format!("dyn({target}).{method}(dyn({arg}))")),
            (wrap, inner.clone()).prop_map(|(wrap, arg)| format!("{wrap}(dyn({arg}))")),
            (inner.clone(), each, inner.clone())
                .prop_map(|(range, each, body)| format!("dyn({range}).{each}(x, dyn({body}))")),
            (inner.clone(), inner.clone()).prop_map(|(one, other)| format!("[dyn({one}), dyn({other})]")),
            (inner.clone(), inner).prop_map(|(one, other)| format!("dyn({one})[dyn({other})]")),
        ]
    })
}
