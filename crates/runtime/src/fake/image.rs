//! What imagined images hold and what their containers do.

use std::time::Duration;

use crate::{Error, Image};

/// An image of the imagined registry.
#[derive(Debug)]
pub struct FakeImage {
    /// The reference pods name it by.
    pub reference: String,
    /// `sha256:…`; made from the reference by [`FakeImage::new`].
    pub digest: String,
    /// What its containers do.
    pub program: Program,
    /// Whether this runtime runs it at all: false stands for an OCI container image on a Wasm runtime.
    pub accepted: bool,
    /// What the next pulls meet, used up in order; afterwards a pull succeeds at once.
    pub pulls: Vec<PullStep>,
}

/// One pull of an image.
#[derive(Debug, Default)]
pub struct PullStep {
    /// How long it takes.
    pub delay: Duration,
    /// How it fails, if it does.
    pub error: Option<Error>,
}

/// What a container does once started.
#[derive(Clone, Debug)]
pub struct Program {
    /// Lines written to stdout at once.
    pub stdout: Vec<String>,
    /// Lines written to stderr at once.
    pub stderr: Vec<String>,
    /// Memory it takes; more than the limit ends it with `OomKilled`.
    pub memory_bytes: u64,
    /// Thousandths of a core it would like to use while it runs.
    pub cpu_millis: u64,
    /// How it ends.
    pub end: End,
    /// It goes on when asked to stop, until it is killed.
    pub ignores_stop: bool,
    /// Serves HTTP on its first port: every request is answered 200.
    pub serves: bool,
    /// Prints its arguments, one a line, and its environment as `NAME=value`.
    pub echoes: bool,
}

/// How a program ends.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// By itself with that code after that time.
    Exit {
        /// The exit code.
        code: i32,
        /// After how long.
        after: Duration,
    },
    /// With a trap, at once.
    Trap,
    /// Only when stopped.
    Never,
}

impl Default for Program {
    fn default() -> Self {
        Self {
            stdout: Vec::new(),
            stderr: Vec::new(),
            memory_bytes: 64 * 1024,
            cpu_millis: 0,
            end: End::Never,
            ignores_stop: false,
            serves: false,
            echoes: false,
        }
    }
}

impl Program {
    /// Runs until stopped.
    pub fn sleeps() -> Self {
        Self::default()
    }

    /// Ends with `code` after `after`.
    pub fn exits(code: i32, after: Duration) -> Self {
        Self { end: End::Exit { code, after }, ..Self::default() }
    }
}

impl FakeImage {
    /// An image that every pull gets at once.
    pub fn new(reference: &str, program: Program) -> Self {
        Self { reference: reference.to_owned(), digest: digest(reference), program, accepted: true, pulls: Vec::new() }
    }

    pub(super) fn image(&self) -> Image {
        Image {
            references: vec![self.reference.clone()],
            digest: self.digest.clone(),
            size: 4096,
            command: Vec::new(),
            serves: self.program.serves,
        }
    }
}

/// A stand-in for a digest: stable, of the right form, different for different references.
fn digest(reference: &str) -> String {
    let mut text = String::from("sha256:");
    for part in 0..4_u64 {
        let start = 0xcbf2_9ce4_8422_2325_u64 ^ part;
        let hash = reference.bytes().fold(start, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        text.push_str(&format!("{hash:016x}"));
    }
    text
}
