//! The API as clients see it: HTTP in, HTTP out, through the real server, registry and access over the memory store.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    unreachable_pub,
    reason = "everything here is a test, helpers included; what is skipped is printed"
)]

mod access;
mod admission;
mod aggregation;
mod apply;
mod apply_upgrade;
mod audit;
mod conversion;
mod create;
mod custom_resources;
mod discovery;
mod encodings;
mod harness;
mod health;
mod https;
mod in_process;
mod kubectl;
mod lists;
mod logs;
mod managed_fields;
mod openapi;
mod openid;
mod overload;
mod patches;
mod random;
mod speed;
mod tls;
mod traces;
mod watch;
mod webhooks;
