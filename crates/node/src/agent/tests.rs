//! The agent against the fake runtime and a small apiserver, under virtual time.

mod claims;
mod ephemeral;
mod failing;
mod life;
mod outage;
mod pressure;
mod probing;
mod scale;
mod two_runtimes;
