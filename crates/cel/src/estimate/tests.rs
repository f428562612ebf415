use std::fmt::Write;

use expect_test::{Expect, expect};

use super::*;
use crate::Env;

/// An object with a text of at most 40 bytes, a number, a list of at most 10 such texts, a list without a bound, and a map.
fn shape() -> (Type, Shape) {
    let text = Shape { elements: 40, ..Shape::default() };
    let list = |elements: u64| Shape { elements, items: Some(Box::new(text.clone())), ..Shape::default() };
    let type_ = Type::object(
        "object",
        [
            ("name", Type::String),
            ("count", Type::Int),
            ("few", Type::list(Type::String)),
            ("many", Type::list(Type::String)),
            ("labels", Type::map(Type::String)),
        ],
    );
    let fields = [
        ("name", text.clone()),
        ("count", Shape::default()),
        ("few", list(10)),
        ("many", list(1_048_575)),
        ("labels", list(5)),
    ];
    let fields = fields.into_iter().map(|(name, shape)| (name.to_owned(), shape)).collect();
    (type_, Shape { fields, ..Shape::default() })
}

fn check(texts: &[&str], expected: Expect) {
    let (type_, shape) = shape();
    let env = Env::new().variable("self", type_.clone()).variable("oldSelf", type_);
    let mut out = String::new();
    for text in texts {
        let _ = writeln!(out, "{text} => {}", env.compile(text).unwrap().worst_cost(&shape));
    }
    expected.assert_eq(&out);
}

/// Each sum is upstream's: `self` and each select 1, a comparison a tenth of the shorter side.
#[test]
fn plain_expressions_cost_their_parts() {
    check(
        &[
            "true",
            "self.count > 0",
            "self.name == 'abc'",
            "self.name == oldSelf.name",
            "has(self.name)",
            "has(self.name) && self.name.startsWith('0123456789ab')",
            "self.count > 1 ? self.name == 'a' : true",
            "size(self.few) == 2",
            "[1, 2, 3] == []",
            "self.few[0] == self.name",
            "self.labels['a'] == self.name",
            "'a' in self.few",
            "'a' in self.labels",
        ],
        expect![[r#"
            true => 0
            self.count > 0 => 3
            self.name == 'abc' => 3
            self.name == oldSelf.name => 8
            has(self.name) => 1
            has(self.name) && self.name.startsWith('0123456789ab') => 5
            self.count > 1 ? self.name == 'a' : true => 6
            size(self.few) == 2 => 4
            [1, 2, 3] == [] => 20
            self.few[0] == self.name => 9
            self.labels['a'] == self.name => 9
            'a' in self.few => 12
            'a' in self.labels => 3
        "#]],
    );
}

#[test]
fn loops_cost_their_rounds() {
    check(
        &[
            "self.few.all(x, x == 'a')",
            "self.few.exists(x, x == 'a')",
            "self.few.exists_one(x, x == 'a')",
            "self.few.map(x, x + 'a')",
            "self.few.filter(x, x == 'a')",
            "self.labels.all(k, k == 'a')",
            "self.many.all(x, x == 'a')",
            "self.many.all(x, self.many.all(y, x == y))",
            "self.few.map(x, x.size()).sum() < 3",
        ],
        expect![[r#"
            self.few.all(x, x == 'a') => 53
            self.few.exists(x, x == 'a') => 63
            self.few.exists_one(x, x == 'a') => 44
            self.few.map(x, x + 'a') => 193
            self.few.filter(x, x == 'a') => 163
            self.labels.all(k, k == 'a') => 23
            self.many.all(x, x == 'a') => 5242878
            self.many.all(x, self.many.all(y, x == y)) => 9895592067078
            self.few.map(x, x.size()).sum() < 3 => 164
        "#]],
    );
}

#[test]
fn calls_cost_what_they_go_over() {
    check(
        &[
            "'at most ' + string(self.count)",
            "self.name.contains('abc')",
            "self.name.matches('^[a-z]+$')",
            "self.name.lowerAscii() == self.name",
            "self.name.replace('a', 'bb').size() < 3",
            "self.name.split(',').size() < 3",
            "self.few.join(',') == 'a'",
            "self.few.isSorted()",
            "sets.contains(self.few, ['a'])",
            "quantity(self.name).isLessThan(quantity('1'))",
            "self.?name.orValue('') == 'a'",
        ],
        expect![[r#"
            'at most ' + string(self.count) => 11
            self.name.contains('abc') => 6
            self.name.matches('^[a-z]+$') => 12
            self.name.lowerAscii() == self.name => 12
            self.name.replace('a', 'bb').size() < 3 => 12
            self.name.split(',').size() < 3 => 12
            self.few.join(',') == 'a' => 44
            self.few.isSorted() => 52
            sets.contains(self.few, ['a']) => 23
            quantity(self.name).isLessThan(quantity('1')) => 8
            self.?name.orValue('') == 'a' => 4
        "#]],
    );
}
