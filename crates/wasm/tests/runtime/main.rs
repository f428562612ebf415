//! The runtime as a node sees it: real registries on loopback, real sandbox processes, guests made from text.

#![allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]

mod bad_images;
mod conformity;
mod datagram_guest;
mod datagrams_inside;
mod inside;
mod limits;
mod registry;
mod restart;
mod service3_guest;
mod service_guest;
mod services;
mod services_guest;
mod serving;
mod serving3;
mod setting;
mod socket_guest;

use sampan_guests as guests;
