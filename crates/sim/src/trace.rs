//! What happened, as text that two runs can be compared by.

use std::borrow::Cow;
use std::path::Path;
use std::time::Duration;

use sampan_store::{Change, Op};
use sha2::{Digest, Sha256};

/// One line for each write and each action, in order.
#[derive(Default)]
pub struct Trace {
    lines: Vec<String>,
    /// Where the cluster lies: another place in each run, and written into objects by nodes.
    directory: String,
}

impl Trace {
    /// An empty trace of a cluster that lies below a directory, whose name does not count.
    #[must_use]
    pub fn below(directory: &Path) -> Self {
        Self { lines: Vec::new(), directory: directory.display().to_string() }
    }

    /// Adds a write: when, revision, what, which, and what was written, as a hash.
    pub fn wrote(&mut self, at: Duration, change: &Change) {
        let op = match change.op {
            Op::Create => "create",
            Op::Update => "update",
            Op::Delete => "delete",
        };
        let [a, b, c, d, ..] = <[u8; 32]>::from(Sha256::digest(&*self.without_place(&change.data)));
        let hash = u32::from_be_bytes([a, b, c, d]);
        let key = &change.key;
        let (resource, namespace, name) = (&key.resource, &key.namespace, &key.name);
        let line = format!("{} {} {op} {resource} {namespace}/{name} {hash:08x}", millis(at), change.revision.0);
        self.lines.push(line);
    }

    fn without_place<'a>(&self, data: &'a [u8]) -> Cow<'a, [u8]> {
        let names_it = |text: &&str| !self.directory.is_empty() && text.contains(&self.directory);
        match std::str::from_utf8(data).ok().filter(names_it) {
            Some(text) => Cow::Owned(text.replace(&self.directory, "").into_bytes()),
            None => Cow::Borrowed(data),
        }
    }

    /// Adds what the user or the weather did.
    pub fn note(&mut self, at: Duration, what: &str) {
        self.lines.push(format!("{} -- {what}", millis(at)));
    }

    /// The lines so far.
    #[must_use]
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// One hash over all lines.
    #[must_use]
    pub fn digest(&self) -> String {
        hex(self.lines.join("\n").as_bytes())
    }
}

fn millis(at: Duration) -> String {
    format!("{:>9.3}", at.as_secs_f64())
}

fn hex(bytes: &[u8]) -> String {
    Sha256::digest(bytes).iter().map(|byte| format!("{byte:02x}")).collect()
}
