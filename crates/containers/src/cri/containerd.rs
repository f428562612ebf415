//! containerd's event stream (api/services/events/v1/events.proto, api/events/task.proto in containerd/containerd).

use prost::Message;

#[derive(Clone, PartialEq, Message)]
pub(crate) struct SubscribeRequest {
    #[prost(string, repeated, tag = "1")]
    pub(crate) filters: Vec<String>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Envelope {
    #[prost(string, tag = "2")]
    pub(crate) namespace: String,
    /// `/tasks/exit` and the like.
    #[prost(string, tag = "3")]
    pub(crate) topic: String,
    #[prost(message, optional, tag = "4")]
    pub(crate) event: Option<Any>,
}

#[derive(Clone, PartialEq, Message)]
pub(crate) struct Any {
    #[prost(bytes = "vec", tag = "2")]
    pub(crate) value: Vec<u8>,
}

/// `/tasks/exit`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TaskExit {
    #[prost(string, tag = "1")]
    pub(crate) container_id: String,
    /// The process: the container's own has the container's id.
    #[prost(string, tag = "2")]
    pub(crate) id: String,
}

/// `/tasks/start`, `/tasks/oom`
#[derive(Clone, PartialEq, Message)]
pub(crate) struct TaskEvent {
    #[prost(string, tag = "1")]
    pub(crate) container_id: String,
}
