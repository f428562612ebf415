//! Long-running processes that end with the test, whatever happens to it.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};

/// How long a program may take to end when asked to.
const GRACE: std::time::Duration = std::time::Duration::from_secs(10);

/// A running program; ended when dropped.
pub struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program whose output goes to `log`.
    pub fn start(command: &mut Command, log: &Path) -> Self {
        Self::spawn(command.stdin(Stdio::null()), log)
    }

    /// The same for one that is spoken to by [`say`](Self::say).
    pub fn start_with_input(command: &mut Command, log: &Path) -> Self {
        Self::spawn(command.stdin(Stdio::piped()), log)
    }

    /// Writes to its standard input.
    pub fn say(&mut self, words: &str) {
        let stdin = self.child.stdin.as_mut().expect("it was started with input");
        stdin.write_all(words.as_bytes()).expect("it reads its input");
    }

    fn spawn(command: &mut Command, log: &Path) -> Self {
        // What a former process said would be taken for what this one says.
        let _ = std::fs::remove_file(log);
        let file = File::options().create(true).append(true).open(log).expect("a test's own directory can be written");
        let second = file.try_clone().expect("a file can be had twice");
        let child = command.stdout(file).stderr(second).spawn();
        let child = child.unwrap_or_else(|error| panic!("failed to start {command:?}: {error}"));
        Self { child, log: log.to_owned() }
    }

    /// Its process id.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// What it has printed so far.
    pub fn output(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Whether it has ended by itself.
    pub fn has_ended(&mut self) -> bool {
        self.child.try_wait().expect("a child can be asked").is_some()
    }

    /// Waits until it printed `words`, or panics with all it printed when it ended or took more than `seconds`.
    pub fn wait_for(&mut self, words: &str, seconds: u64) {
        let start = std::time::Instant::now();
        while !self.output().contains(words) {
            let ended = self.child.try_wait().expect("a child can be asked");
            assert!(ended.is_none(), "ended with {ended:?} before it said {words:?}:\n{}", self.output());
            assert!(start.elapsed().as_secs() < seconds, "did not say {words:?} in {seconds} s:\n{}", self.output());
            std::thread::sleep(std::time::Duration::from_millis(20));
        }
    }

    /// Pulls its plug.
    pub fn kill(&mut self) {
        self.child.kill().expect("a child can be killed");
        self.child.wait().expect("a killed child ends");
    }

    /// Sends a signal by its name and waits for the end.
    pub fn end_by(&mut self, signal: &str) -> ExitStatus {
        let sent = Command::new("kill").args([format!("-{signal}"), self.id().to_string()]).status();
        assert!(sent.expect("kill can be run").success());
        self.child.wait().expect("a signalled child ends")
    }
}

impl Drop for Process {
    /// Asks it to end first, for only then does it end the processes that it started.
    fn drop(&mut self) {
        // Who was waited for has no id any more: it may be another's.
        if matches!(self.child.try_wait(), Ok(None)) {
            let _ = Command::new("kill").args(["-TERM", &self.id().to_string()]).stderr(Stdio::null()).status();
        }
        let start = std::time::Instant::now();
        while matches!(self.child.try_wait(), Ok(None)) && start.elapsed() < GRACE {
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
