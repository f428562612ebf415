//! A Job has ended: complete with exactly the successes it wants, or failed because its pods do.

use sampan_meta::object::{i64_at, list_at, str_at};
use serde_json::Value;

use crate::invariants::Informed;
use crate::world::World;

pub(super) fn check(world: &World, _informed: &[Informed]) -> Result<(), String> {
    world.entries("batch/jobs").try_for_each(|(place, entry)| one(&place.2, &entry.object))
}

fn one(name: &str, job: &Value) -> Result<(), String> {
    let is = |kind: &str| {
        let holds = |condition: &Value| condition["type"] == kind && condition["status"] == "True";
        list_at(job, "/status/conditions").iter().any(holds)
    };
    let fails = str_at(job, "/spec/template/spec/containers/0/image").is_some_and(|image| image.contains("fail"));
    let exact = i64_at(job, "/status/succeeded").unwrap_or(0) == i64_at(job, "/spec/completions").unwrap_or(1);
    // A crash of a node may cost a healthy Job its patience too.
    let fine = if is("Complete") { exact && !fails } else { is("Failed") };
    if fine { Ok(()) } else { Err(format!("job {name} says {}", job["status"])) }
}
