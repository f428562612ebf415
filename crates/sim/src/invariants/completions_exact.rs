//! A Job never counts more successes than it wants, and never takes one back.

use sampan_meta::object::{i64_at, uid};

use crate::world::{Step, World};

pub(super) fn check(_world: &World, step: &Step) -> Result<(), String> {
    let ("batch/jobs", Some(job)) = (step.place.0.as_str(), &step.new) else { return Ok(()) };
    let wanted = i64_at(job, "/spec/completions").unwrap_or(i64::MAX);
    let succeeded = i64_at(job, "/status/succeeded").unwrap_or(0);
    if succeeded > wanted {
        return Err(format!("job {} counts {succeeded} successes of {wanted}", step.place.2));
    }
    let same = step.old.as_ref().filter(|old| uid(old) == uid(job));
    let before = same.and_then(|old| i64_at(old, "/status/succeeded")).unwrap_or(0);
    if succeeded < before {
        return Err(format!("job {} counted {before} successes and now {succeeded}", step.place.2));
    }
    Ok(())
}
