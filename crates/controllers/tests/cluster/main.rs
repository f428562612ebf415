//! The controllers over the real apiserver, in virtual time.

mod harness;
mod jobs;
mod nodes;
mod owners;
mod sets;
mod storage;
mod workloads;
