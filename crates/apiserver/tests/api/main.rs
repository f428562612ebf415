//! The API as clients see it: HTTP in, HTTP out, through the real server, registry and access over the memory store.

mod access;
mod create;
mod discovery;
mod encodings;
mod harness;
mod health;
mod kubectl;
mod lists;
mod logs;
mod openapi;
mod overload;
mod patches;
mod speed;
mod tls;
mod watch;
