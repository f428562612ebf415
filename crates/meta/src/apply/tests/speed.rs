//! Not timed, but quadratic work would show: a list of thousands takes minutes in a debug build if it is searched element by element.

use serde_json::{Value, json};

use super::*;

#[test]
fn lists_of_thousands_are_no_trouble() {
    let containers = |from: usize, to: usize| -> Value {
        let containers = (from..to).rev().map(|index| json!({"name": format!("c{index}"), "image": "i"}));
        json!({"spec": {"containers": containers.collect::<Vec<_>>()}})
    };
    let (live, config) = (containers(0, 20_000), containers(10_000, 30_000));
    let merged = merge(widget(), &live, &config).unwrap();
    assert_eq!(merged["spec"]["containers"].as_array().unwrap().len(), 30_000);
    let change = compare(widget(), &live, &merged).unwrap();
    assert_eq!(change.added.len(), 30_000);
    let set = mentioned(widget(), &merged);
    assert_eq!(set.len(), 90_000);
    assert_eq!(FieldSet::from_json(&set.to_json()).unwrap(), set);
    assert_eq!(set.difference(&mentioned(widget(), &config)).len(), 30_000);
}
