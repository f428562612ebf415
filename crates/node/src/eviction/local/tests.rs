use super::*;
use expect_test::{Expect, expect};
use serde_json::{Value, json};

fn check(spec: Value, used: Used, expected: &Expect) {
    let pod: Pod = serde_json::from_value(json!({"metadata": {"name": "p"}, "spec": spec})).unwrap();
    let found =
        if is_limited(&pod) { exceeded(&pod, &used).unwrap_or_else(|| "well".into()) } else { "not limited".into() };
    expected.assert_eq(&found);
}

fn spec(limit: Option<&str>, size_limit: Option<&str>) -> Value {
    let mut spec = json!({
        "containers": [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}],
        "volumes": [{"name": "scratch", "emptyDir": {}}],
    });
    if let Some(limit) = limit {
        spec["containers"][0]["resources"] = json!({"limits": {"ephemeral-storage": limit}});
    }
    if let Some(limit) = size_limit {
        spec["volumes"][0]["emptyDir"]["sizeLimit"] = json!(limit);
    }
    spec
}

fn used(scratch: u64, log: u64) -> Used {
    Used {
        bytes: scratch + log,
        inodes: 2,
        empty_dirs: [("scratch".to_owned(), scratch)].into(),
        logs: [("a".to_owned(), log)].into(),
    }
}

#[test]
fn a_pod_stays_within_its_limits_or_is_told_which_it_broke() {
    check(spec(None, None), used(1 << 40, 1 << 40), &expect!["not limited"]);
    check(spec(Some("1Mi"), Some("1Mi")), used(500_000, 500_000), &expect!["well"]);
    check(
        spec(None, Some("1Mi")),
        used((1 << 20) + 1, 0),
        &expect![[r#"Usage of EmptyDir volume "scratch" exceeds the limit "1Mi". "#]],
    );
    check(
        spec(Some("1Mi"), None),
        used(1 << 20, 1),
        &expect!["Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "],
    );
    check(spec(None, Some("0")), used(1 << 20, 1), &expect!["not limited"]);
}
