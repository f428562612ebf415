//! One run of a container and what is known of its health.

use std::time::Duration;

use jiff::Timestamp;

/// One run of a container.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Run {
    /// Position of the runtime it runs in.
    pub runtime: usize,
    /// Its id there.
    pub id: String,
    /// The id that its runtime's own tools know: `containerID` without the scheme.
    pub shown: String,
    /// How often the container was started before.
    pub attempt: u32,
    /// `name@sha256:…`
    pub image_id: String,
    /// Where in its life it is.
    pub phase: RunPhase,
}

/// Where in its life a run is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RunPhase {
    /// Made, not started: of an agent that was restarted in between.
    Created,
    /// Running.
    Running {
        /// Since.
        started_at: Timestamp,
    },
    /// Ended.
    Exited(RunExit),
}

/// How a run ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RunExit {
    /// Began.
    pub started_at: Timestamp,
    /// Ended.
    pub finished_at: Timestamp,
    /// Exit code.
    pub code: i32,
    /// `Completed`, `Error`, `OOMKilled`, …
    pub reason: String,
    /// The container's last words, or the runtime's.
    pub message: String,
}

/// What is known of a running container's health.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Health {
    /// The startup probe succeeded, or there is none.
    pub started: bool,
    /// The readiness probe's last verdict, or true when there is none.
    pub ready: bool,
    /// A probe condemned it.
    pub condemned: Option<Condemned>,
}

/// Why a running container is to be restarted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Condemned {
    /// `liveness` or `startup`.
    pub probe: &'static str,
    /// The probe's own grace period, if it has one.
    pub grace: Option<Duration>,
}
