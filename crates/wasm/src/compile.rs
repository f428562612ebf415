//! Compiling components, in a child process of its own: a compiler that meets a malicious component may take all the memory it is
//! given or loop, and then only the child ends.
//!
//! [`main`] is the child; [`run`](agent::run) is the agent's side.

pub(crate) mod agent;

use std::ffi::OsString;
use std::fs;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use rustix::process::{Resource, Rlimit, setrlimit};
use wasmtime::component::Component;
use wasmtime::{Engine, Module};

use crate::artifact::Artifact;
use crate::engine;

/// The child's exit code for a component that is at fault; any other failure is the child's own.
const BAD_COMPONENT: u8 = 65;

/// Entry of the compile child: `WASM CODE FACTS MEMORY-BYTES SECONDS`. Reads WASM, writes machine code and what is known of the
/// component, and prints what is wrong with it, if anything, on standard output.
pub fn main(args: impl IntoIterator<Item = OsString>) -> ExitCode {
    let outcome = Arguments::parse(args).and_then(|arguments| {
        arguments.limit()?;
        compile(&arguments)
    });
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(Failure::Component(message)) => {
            // Without a reader the agent has nothing to say but that compiling failed.
            let _ = io::stdout().write_all(message.as_bytes());
            ExitCode::from(BAD_COMPONENT)
        }
        Err(Failure::Own(error)) => {
            let _ = writeln!(io::stderr(), "sampan compile: {error}");
            ExitCode::FAILURE
        }
    }
}

enum Failure {
    Component(String),
    Own(io::Error),
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Self {
        Failure::Own(error)
    }
}

fn component_failure(error: &wasmtime::Error) -> Failure {
    Failure::Component(format!("{error:#}"))
}

struct Arguments {
    wasm: PathBuf,
    code: PathBuf,
    facts: PathBuf,
    memory_bytes: u64,
    seconds: u64,
}

impl Arguments {
    fn parse(args: impl IntoIterator<Item = OsString>) -> Result<Self, Failure> {
        let usage = || io::Error::other("usage: compile WASM CODE FACTS MEMORY-BYTES SECONDS");
        let args: Vec<_> = args.into_iter().collect();
        let [wasm, code, facts, memory, seconds] = args.as_slice() else { return Err(usage().into()) };
        let number = |text: &OsString| text.to_str().and_then(|text| text.parse().ok()).ok_or_else(usage);
        Ok(Arguments {
            wasm: wasm.into(),
            code: code.into(),
            facts: facts.into(),
            memory_bytes: number(memory)?,
            seconds: number(seconds)?,
        })
    }

    /// Binds this process to its limits before anything of the component is read.
    fn limit(&self) -> io::Result<()> {
        let at_most = |limit| Rlimit { current: Some(limit), maximum: Some(limit) };
        setrlimit(Resource::As, at_most(self.memory_bytes))?;
        setrlimit(Resource::Cpu, at_most(self.seconds.saturating_mul(8)))?;
        setrlimit(Resource::Core, at_most(0))?;
        Ok(())
    }
}

fn compile(arguments: &Arguments) -> Result<(), Failure> {
    let wasm = fs::read(&arguments.wasm)?;
    let engine = engine::on_demand().map_err(|error| io::Error::other(format!("{error:#}")))?;
    let (code, artifact) = match wasm.get(..8) {
        Some(b"\0asm\x0d\0\x01\0") => component(&engine, &wasm)?,
        Some(b"\0asm\x01\0\0\0") => module(&engine, &wasm)?,
        Some([b'\0', b'a', b's', b'm', version @ ..]) => {
            return Err(Failure::Component(format!("unknown Wasm version {version:02x?}")));
        }
        _ => {
            return Err(Failure::Component(
                "it is not Wasm: the file does not begin with \\0asm and a version".to_owned(),
            ));
        }
    };
    write(&arguments.code, &code)?;
    write(&arguments.facts, &serde_json::to_vec(&artifact).map_err(io::Error::from)?)?;
    Ok(())
}

fn component(engine: &Engine, wasm: &[u8]) -> Result<(Vec<u8>, Artifact), Failure> {
    let code = engine.precompile_component(wasm).map_err(|error| component_failure(&error))?;
    // SAFETY: this process made the code one line above.
    let component = unsafe { Component::deserialize(engine, &code) }.map_err(|error| component_failure(&error))?;
    let kind = component.component_type();
    let imports = kind.imports(engine).map(|(name, _)| name.to_owned()).collect();
    let exports: Vec<String> = kind.exports(engine).map(|(name, _)| name.to_owned()).collect();
    let artifact = Artifact::new(imports, &exports).map_err(Failure::Component)?;
    // What is missing by name is told when a container is made, where it can be told best; what is there must fit.
    if artifact.missing().is_empty() {
        let linker = crate::host::linker(engine).map_err(|error| component_failure(&error))?;
        linker.instantiate_pre(&component).map_err(|error| component_failure(&error))?;
    }
    Ok((code, artifact))
}

fn module(engine: &Engine, wasm: &[u8]) -> Result<(Vec<u8>, Artifact), Failure> {
    let code = engine.precompile_module(wasm).map_err(|error| component_failure(&error))?;
    // SAFETY: this process made the code one line above.
    let module = unsafe { Module::deserialize(engine, &code) }.map_err(|error| component_failure(&error))?;
    let imports = module.imports().map(|import| format!("{}::{}", import.module(), import.name())).collect();
    let exports: Vec<String> = module.exports().map(|export| export.name().to_owned()).collect();
    let artifact = Artifact::of_module(imports, &exports).map_err(Failure::Component)?;
    if artifact.missing().is_empty() {
        let linker = crate::host::module_linker(engine).map_err(|error| component_failure(&error))?;
        linker.instantiate_pre(&module).map_err(|error| component_failure(&error))?;
    }
    Ok((code, artifact))
}

/// On the disk for good: the agent renames these into a cache that outlives it.
fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut file = fs::File::create(path)?;
    file.write_all(bytes)?;
    file.sync_all()
}
