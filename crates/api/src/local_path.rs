//! The volumes Sampan makes itself: directories on a node's disk. What the controller that makes their objects, the node that makes
//! the directories and admission have to agree on.

/// The storage class every cluster starts with, the default one.
pub const CLASS: &str = "local-path";

/// The provisioner named in storage classes, and in the volumes it made.
pub const PROVISIONER: &str = "sampan.dev/local-path";

/// Holds the object of a volume until the node has removed the directory.
pub const FINALIZER: &str = "sampan.dev/local-path";

/// The label of a volume that names the node it lies on, so that a node can watch its own alone.
pub const NODE_LABEL: &str = "sampan.dev/local-path-node";

/// The annotation of a node with the absolute path below which its volumes lie.
pub const DIRECTORY_ANNOTATION: &str = "node.sampan.dev/local-path";
