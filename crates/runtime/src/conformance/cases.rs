//! The cases, by what they are about.

mod containers;
mod logs;
mod running;
mod sandboxes;
mod streams;

pub use containers::*;
pub use logs::*;
pub use running::*;
pub use sandboxes::*;
pub use streams::*;
