//! `storage.k8s.io`.

pub(crate) mod csi_driver;
pub(crate) mod csi_node;
pub(crate) mod csi_storage_capacity;
mod parameters;
pub(crate) mod storage_class;
mod topology;
pub(crate) mod volume_attachment;
pub(crate) mod volume_attributes_class;

const GROUP: (&str, &str) = ("storage.k8s.io", "v1");
