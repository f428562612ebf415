//! The commands that `kubectl exec` finds in every Wasm pod: a component that runs in the sandbox of the container it is asked for, with
//! the container's mounts, environment, address and limits. The node passes the command line as it is; its first word chooses.
//!
//! They do what people and kubectl ask of them (`cp` wants `tar` and `test`) and no more; options they do not know are errors.

mod files;
mod net;
mod sh;
mod tar;
mod text;

use std::collections::BTreeMap;
use std::io::{Read, Write};

use wasip2::cli::environment::{get_arguments, get_environment, initial_cwd};

struct Toolbox;

impl wasip2::exports::cli::run::Guest for Toolbox {
    fn run() -> Result<(), ()> {
        let arguments = get_arguments();
        let mut process = Process {
            input: Box::new(wasip2::cli::stdin::get_stdin()),
            output: Box::new(Buffered::new(wasip2::cli::stdout::get_stdout())),
            errors: Box::new(wasip2::cli::stderr::get_stderr()),
            variables: get_environment().into_iter().collect(),
            directory: initial_cwd().unwrap_or_else(|| "/".to_owned()),
            code: 0,
        };
        let code = process.run(&arguments);
        // Nobody is left to hear it.
        let _ = process.output.flush();
        wasip2::cli::exit::exit_with_code(code);
        Ok(())
    }
}

wasip2::cli::command::export!(Toolbox);

/// What a command has: its streams and surroundings.
pub struct Process {
    pub input: Box<dyn Read>,
    pub output: Box<dyn Write>,
    pub errors: Box<dyn Write>,
    pub variables: BTreeMap<String, String>,
    /// The working directory, absolute.
    pub directory: String,
    /// The exit code of the last command, for the shell.
    pub code: u8,
}

/// What went wrong, for standard error.
pub type Failure = Box<dyn std::error::Error>;

/// A command: its arguments without its name, to an exit code.
type Tool = fn(&mut Process, &[String]) -> Result<u8, Failure>;

const TOOLS: &[(&str, Tool)] = &[
    ("[", text::test),
    ("cat", text::cat),
    ("date", text::date),
    ("echo", text::echo),
    ("env", text::env),
    ("false", |_, _| Ok(1)),
    ("grep", text::grep),
    ("head", text::head),
    ("hostname", text::hostname),
    ("ls", files::ls),
    ("mkdir", files::mkdir),
    ("nc", net::nc),
    ("printenv", text::env),
    ("ps", text::ps),
    ("pwd", text::pwd),
    ("rm", files::rm),
    ("sh", sh::sh),
    ("sleep", text::sleep),
    ("tail", text::tail),
    ("tar", tar::tar),
    ("test", text::test),
    ("touch", files::touch),
    ("true", |_, _| Ok(0)),
    ("wc", text::wc),
    ("wget", net::wget),
];

impl Process {
    /// Runs a command line. 127 is the code of a command that is not there.
    pub fn run(&mut self, words: &[String]) -> u8 {
        let Some((name, arguments)) = words.split_first() else { return 0 };
        let name = name.rsplit('/').next().unwrap_or_default();
        let Some((_, tool)) = TOOLS.iter().find(|(known, _)| *known == name) else {
            let names: Vec<&str> = TOOLS.iter().map(|(name, _)| *name).collect();
            self.complain(&format!("{name}: not found; there are: {}", names.join(" ")));
            return 127;
        };
        tool(self, arguments).unwrap_or_else(|error| {
            // Order matters to who reads both.
            let _ = self.output.flush();
            self.complain(&format!("{name}: {error}"));
            1
        })
    }

    pub fn complain(&mut self, what: &str) {
        let _ = self.errors.write_all(format!("{what}\n").as_bytes());
        let _ = self.errors.flush();
    }

    pub fn say(&mut self, line: &str) -> Result<(), Failure> {
        self.output.write_all(line.as_bytes())?;
        Ok(self.output.write_all(b"\n")?)
    }

    /// An absolute path without `.`, `..` and empty parts.
    pub fn path(&self, path: &str) -> String {
        let whole = if path.starts_with('/') { path.to_owned() } else { format!("{}/{path}", self.directory) };
        let mut parts: Vec<&str> = Vec::new();
        for part in whole.split('/') {
            match part {
                "" | "." => {}
                ".." => drop(parts.pop()),
                part => parts.push(part),
            }
        }
        format!("/{}", parts.join("/"))
    }
}

/// Options (words of letters behind a dash) before everything else. Those that are not among `known` are errors.
pub fn options<'a>(arguments: &'a [String], known: &str) -> Result<(Vec<char>, &'a [String]), Failure> {
    let mut found = Vec::new();
    for (position, argument) in arguments.iter().enumerate() {
        let letters = match argument.strip_prefix('-') {
            Some("") | None => return Ok((found, &arguments[position..])),
            Some("-") => return Ok((found, &arguments[position + 1..])),
            Some(letters) => letters,
        };
        for letter in letters.chars() {
            if !known.contains(letter) {
                return Err(format!("unknown option -{letter}").into());
            }
            found.push(letter);
        }
    }
    Ok((found, &[]))
}

/// Small writes joined; a stream of the host takes a call each.
struct Buffered<W: Write> {
    to: W,
    waiting: Vec<u8>,
}

impl<W: Write> Buffered<W> {
    fn new(to: W) -> Self {
        Self { to, waiting: Vec::new() }
    }
}

impl<W: Write> Write for Buffered<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.waiting.extend_from_slice(bytes);
        if self.waiting.len() >= 4096 {
            self.flush()?;
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.to.write_all(&self.waiting)?;
        self.waiting.clear();
        self.to.flush()
    }
}
