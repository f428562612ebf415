//! The runtime as a node sees it: real registries on loopback, real sandbox processes, guests made from text.

mod bad_images;
mod conformity;
mod guests;
mod limits;
mod registry;
mod restart;
mod serving;
mod service_guest;
mod setting;
