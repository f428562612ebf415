//! Spans on their way to an OpenTelemetry collector: OTLP over gRPC without TLS, as kube-apiserver sends them.
//!
//! The messages are written by hand and the transport is the one that CRI is spoken with: OpenTelemetry's own crates would bring three
//! more clients, a runtime of their own and a second set of spans for the dozen fields that are needed here.

mod exporter;
mod messages;

pub use exporter::Exporter;

/// One span, ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Span {
    /// The trace it is part of.
    pub trace: [u8; 16],
    /// Its own id.
    pub id: [u8; 8],
    /// The span it is a part of.
    pub parent: Option<[u8; 8]>,
    /// What was done.
    pub name: String,
    /// Nanoseconds since 1970.
    pub begin: u64,
    /// Nanoseconds since 1970.
    pub end: u64,
    /// What else is known of it.
    pub attributes: Vec<(&'static str, Attribute)>,
    /// It went wrong by a fault of the server.
    pub failed: bool,
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Attribute {
    /// A text.
    Text(String),
    /// A number.
    Number(i64),
}
