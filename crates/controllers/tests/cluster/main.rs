//! The controllers over the real apiserver, in virtual time.

mod harness;
mod jobs;
mod owners;
mod workloads;
