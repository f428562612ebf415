//! One run: a bad day from a seed, and the good night after it.

use std::time::Duration;

use tokio::time::sleep;

use crate::{Cluster, Dice, Rates, actions, invariants};

const NODES: usize = 4;
const ACTIONS: usize = 30;
/// How long a cluster may take to settle once nothing fails any more.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// How long nothing may be written afterwards: longer than a watch lives and than a node is silent about an unchanged status.
const QUIET: Duration = Duration::from_secs(6 * 60);

/// A run in which everything held.
#[derive(Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Hash of the trace.
    pub digest: String,
    /// The trace.
    pub trace: Vec<String>,
    /// Writes in all.
    pub revision: u64,
    /// How long it took in virtual time.
    pub virtual_time: Duration,
    /// How long after the last fault everything had settled.
    pub settled_after: Duration,
}

/// A promise that did not hold.
#[derive(Debug, thiserror::Error)]
#[error("SIM_SEED={seed} after {at:?} of virtual time: {why}")]
pub struct Failure {
    /// What to run again.
    pub seed: u64,
    /// When, in virtual time.
    pub at: Duration,
    /// Which promise, and how it was broken.
    pub why: String,
    /// What happened until then.
    pub trace: Vec<String>,
}

/// Runs a seed from an empty store to a settled cluster.
///
/// # Errors
/// The first broken promise.
///
/// # Panics
/// Within another tokio runtime, or when the machine refuses to give one.
pub fn run(seed: u64) -> Result<Outcome, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build();
    runtime.expect("the machine has a file descriptor left").block_on(async {
        let mut cluster = Cluster::new(seed).await.nodes(NODES);
        match Box::pin(day(&mut cluster, &Dice::new(seed, "actions"))).await {
            Ok(settled_after) => Ok(outcome(&cluster, settled_after)),
            Err(why) => Err(failure(seed, &cluster, why)),
        }
    })
}

async fn day(cluster: &mut Cluster, dice: &Dice) -> Result<Duration, String> {
    sleep(Duration::from_secs(5)).await;
    cluster.faults(Rates::ROUGH);
    for _ in 0..ACTIONS {
        // Mostly one thing on top of the other, at times long enough for a node to be given up.
        let pause = if dice.percent(10) { 400_000 } else { 12_000 };
        sleep(dice.millis(pause)).await;
        actions::any(cluster, dice).await;
        check(cluster)?;
    }
    cluster.faults(Rates::NONE);
    cluster.return_all();
    let settled_after = settle(cluster).await?;
    quiet(cluster).await?;
    Ok(settled_after)
}

fn check(cluster: &Cluster) -> Result<(), String> {
    cluster.observed().lock().broken.first().map_or(Ok(()), |broken| Err(broken.clone()))
}

async fn settle(cluster: &Cluster) -> Result<Duration, String> {
    let began = cluster.elapsed();
    actions::uncordon_all(cluster).await.map_err(|error| format!("a node cannot be uncordoned: {error}"))?;
    actions::suspend_all(cluster).await.map_err(|error| format!("a schedule cannot be stopped: {error}"))?;
    loop {
        sleep(Duration::from_secs(5)).await;
        check(cluster)?;
        let waited = cluster.elapsed() - began;
        let left = invariants::unsettled(&cluster.observed().lock().world, &cluster.informed());
        let Some((name, why)) = left.first() else { return Ok(waited) };
        if waited > PATIENCE {
            return Err(format!("{name}: after {waited:?} without faults: {why}"));
        }
    }
}

/// Once settled, nothing is written but signs of life.
async fn quiet(cluster: &Cluster) -> Result<(), String> {
    // Events and conditions of what just ended may still be on their way.
    sleep(Duration::from_secs(60)).await;
    let busy = || cluster.observed().lock().world.busy;
    let before = busy();
    cluster.note("quiet from here on");
    sleep(QUIET).await;
    check(cluster)?;
    if busy() != before {
        let last =
            cluster.observed().lock().trace.lines().iter().rev().find(|line| !line.contains("/leases ")).cloned();
        return Err(format!("no_writes_while_settled: {}", last.unwrap_or_default()));
    }
    Ok(())
}

fn outcome(cluster: &Cluster, settled_after: Duration) -> Outcome {
    let observed = cluster.observed().lock();
    Outcome {
        digest: observed.trace.digest(),
        trace: observed.trace.lines().to_vec(),
        revision: observed.world.revision,
        virtual_time: cluster.elapsed(),
        settled_after,
    }
}

fn failure(seed: u64, cluster: &Cluster, why: String) -> Failure {
    Failure { seed, at: cluster.elapsed(), why, trace: cluster.observed().lock().trace.lines().to_vec() }
}
