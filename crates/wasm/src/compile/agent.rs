//! The agent's side of compiling: the cache, the child and its limits.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::Command;

use super::BAD_COMPONENT;
use crate::Limits;
use crate::artifact::Artifact;

/// Exit code of a Rust program that panicked.
const PANICKED: i32 = 101;

/// Compiled components on disk: `DIGEST.cwasm` and `DIGEST.json` below a directory named for what can load them.
#[derive(Clone, Debug)]
pub(crate) struct Compiler {
    command: Vec<OsString>,
    directory: PathBuf,
    limits: Limits,
}

/// Why there is no code.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// The component's fault.
    #[error("{0}")]
    Component(String),
    /// Ours, or the machine's.
    #[error("{0}")]
    Own(String),
}

/// A component ready to run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Compiled {
    pub(crate) code: PathBuf,
    pub(crate) artifact: Artifact,
}

impl Compiler {
    /// Opens the cache for this program's engine, and throws away what no engine can load any more.
    pub(crate) fn open(
        command: Vec<OsString>,
        cache: &Path,
        compatibility: &str,
        limits: Limits,
    ) -> std::io::Result<Self> {
        let directory = cache.join(compatibility);
        std::fs::create_dir_all(&directory)?;
        for entry in std::fs::read_dir(&directory)? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "new") {
                std::fs::remove_file(path)?;
            }
        }
        Ok(Compiler { command, directory, limits })
    }

    /// What was compiled before. Code and facts are renamed into place in this order, so facts mean there is code.
    pub(crate) async fn cached(&self, digest: &str) -> Option<Compiled> {
        let facts = tokio::fs::read(self.path(digest, "json")).await.ok()?;
        let artifact = serde_json::from_slice(&facts).ok()?;
        let code = self.path(digest, "cwasm");
        tokio::fs::try_exists(&code).await.ok()?.then_some(Compiled { code, artifact })
    }

    /// Compiles the file of this digest, unless it was before. The caller sees to it that one digest is compiled once at a time.
    pub(crate) async fn compile(&self, digest: &str, wasm: &Path) -> Result<Compiled, Error> {
        if let Some(compiled) = self.cached(digest).await {
            return Ok(compiled);
        }
        let (code, facts) = (self.path(digest, "cwasm"), self.path(digest, "json"));
        let (new_code, new_facts) = (self.path(digest, "cwasm.new"), self.path(digest, "json.new"));
        self.run_child(wasm, &new_code, &new_facts).await?;
        rename(&new_code, &code).await?;
        rename(&new_facts, &facts).await?;
        self.cached(digest).await.ok_or_else(|| Error::Own(format!("{} vanished after compiling", code.display())))
    }

    fn path(&self, digest: &str, extension: &str) -> PathBuf {
        self.directory.join(format!("{}.{extension}", digest.replace(':', "-")))
    }

    async fn run_child(&self, wasm: &Path, code: &Path, facts: &Path) -> Result<(), Error> {
        let (program, leading) =
            self.command.split_first().ok_or_else(|| Error::Own("no compile command is configured".to_owned()))?;
        let mut command = Command::new(program);
        command.args(leading).arg(wasm).arg(code).arg(facts);
        command
            .arg(self.limits.compile_memory_bytes.to_string())
            .arg(self.limits.compile_time.as_secs().max(1).to_string());
        command
            .env("RUST_BACKTRACE", "0")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        let child =
            command.spawn().map_err(|error| Error::Own(format!("failed to start {}: {error}", program.display())))?;
        let output = tokio::time::timeout(self.limits.compile_time, child.wait_with_output()).await;
        let output = output
            .map_err(|_| {
                Error::Component(format!("compiling took longer than {} s", self.limits.compile_time.as_secs()))
            })?
            .map_err(|error| Error::Own(format!("failed to compile: {error}")))?;
        if output.status.success() {
            return Ok(());
        }
        let said = |bytes: &[u8]| String::from_utf8_lossy(bytes).trim().to_owned();
        if output.status.code() == Some(i32::from(BAD_COMPONENT)) {
            return Err(Error::Component(said(&output.stdout)));
        }
        if output.status.code() == Some(PANICKED) {
            return Err(Error::Component(format!("the compiler failed on it: {}", said(&output.stderr))));
        }
        if output.status.code().is_none() {
            return Err(Error::Component(format!(
                "compiling it broke the limits of {} bytes of memory and {} s ({}): {}",
                self.limits.compile_memory_bytes,
                self.limits.compile_time.as_secs(),
                output.status,
                said(&output.stderr)
            )));
        }
        Err(Error::Own(format!("the compile child failed: {}", said(&output.stderr))))
    }
}

async fn rename(from: &Path, to: &Path) -> Result<(), Error> {
    tokio::fs::rename(from, to).await.map_err(|error| Error::Own(format!("failed to store {}: {error}", to.display())))
}
