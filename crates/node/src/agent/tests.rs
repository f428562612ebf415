//! The agent against the fake runtime and a small apiserver, under virtual time.

mod claims;
mod failing;
mod life;
mod outage;
mod probing;
mod scale;
mod two_runtimes;
