//! The controllers over the real apiserver, in virtual time.

mod attaching;
mod figures;
mod harness;
mod jobs;
mod nodes;
mod owners;
mod services;
mod sets;
mod storage;
mod tokens;
mod workloads;
