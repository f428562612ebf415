//! A real containerd for tests: in a directory of its own, with a pod network of its own, gone with the test's process.
//!
//! It needs root and the Debian packages containerd, runc, containernetworking-plugins and gcc; no registry and no other machine.

mod image;
mod program;

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Lines, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::OnceLock;

pub use image::Image;
pub use program::{guest, pause};

/// Starts it; stops it and removes everything once its input ends, which it does when the test's process ends, however it ends.
const KEEPER: &str = include_str!("testing/keeper.sh");
const CONFIG: &str = include_str!("testing/config.toml");
const NETWORK: &str = include_str!("testing/pods.conflist");
/// The image of every sandbox, put there before the first one is made.
const PAUSE: &str = "sampan.test/pause:1";

/// A running containerd.
pub struct Containerd {
    directory: tempfile::TempDir,
    /// Held as long as the subnet is used.
    _subnet: File,
    keeper: Child,
    /// What the keeper is told, and what it answers.
    orders: Option<ChildStdin>,
    answers: Lines<BufReader<ChildStdout>>,
}

impl Containerd {
    /// The one that all tests of this process share; `None` when not root, with a word on why.
    ///
    /// # Panics
    /// When it cannot be started as root: that is a failure, not a reason to skip.
    pub fn shared() -> Option<&'static Self> {
        static SHARED: OnceLock<Option<Containerd>> = OnceLock::new();
        let start = || match Self::start() {
            Ok(containerd) => Some(containerd),
            Err(error) if rustix::process::geteuid().is_root() => panic!("{error}"),
            Err(error) => {
                say(&format!("skipped: containers need root: {error}"));
                None
            }
        };
        SHARED.get_or_init(start).as_ref()
    }

    /// Starts one.
    pub fn start() -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("not root".to_owned());
        }
        let failed = |error: std::io::Error| format!("failed to prepare containerd: {error}");
        let directory = tempfile::Builder::new().prefix("sampan-containerd-").tempdir().map_err(failed)?;
        let (number, subnet) = claim_subnet().map_err(failed)?;
        write(directory.path(), number).map_err(failed)?;
        let mut keeper = Command::new("sh")
            .args(["-c", KEEPER, "keeper"])
            .arg(directory.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .map_err(failed)?;
        let orders = keeper.stdin.take();
        let mut said = String::new();
        let output = keeper.stdout.take().ok_or("the keeper has no output")?;
        let mut answers = BufReader::new(output).lines();
        for line in answers.by_ref() {
            let line = line.map_err(failed)?;
            if line == "ready" {
                return Ok(Self { directory, _subnet: subnet, keeper, orders, answers });
            }
            said += &format!("{line}\n");
        }
        let _ = keeper.wait();
        Err(format!("containerd did not start; `scripts/need test` installs what it needs:\n{said}"))
    }

    /// Ends the server with SIGKILL; containers go on.
    ///
    /// # Panics
    /// When it cannot be done, as the next.
    pub fn kill(&mut self) {
        self.order("kill");
    }

    /// Starts the server again after [`kill`](Self::kill).
    pub fn restart(&mut self) {
        self.order("start");
    }

    fn order(&mut self, word: &str) {
        let orders = self.orders.as_mut().expect("the keeper listens until this is dropped");
        writeln!(orders, "{word}").expect("the keeper listens");
        let answer = self.answers.next().expect("the keeper answers").expect("in text");
        assert_eq!(answer, "done", "{}", self.log());
    }

    /// Where it listens.
    pub fn socket(&self) -> PathBuf {
        self.directory.path().join("c.sock")
    }

    /// Where nodes that use it keep their pods' control groups: they go when it does.
    pub fn cgroup_root(&self) -> String {
        let name = self.directory.path().file_name().unwrap_or_default();
        format!("/sampan-test-{}", name.to_string_lossy())
    }

    /// What it has written to its log.
    pub fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("containerd.log")).unwrap_or_default()
    }
}

impl Drop for Containerd {
    fn drop(&mut self) {
        drop(self.orders.take());
        let _ = self.keeper.wait();
    }
}

#[expect(clippy::print_stderr, reason = "whoever runs the tests reads it")]
fn say(words: &str) {
    eprintln!("{words}");
}

fn write(directory: &Path, number: u8) -> std::io::Result<()> {
    let place = directory.display().to_string();
    let fill = |text: &str| text.replace("@D@", &place).replace("@N@", &number.to_string()).replace("@PAUSE@", PAUSE);
    fs::create_dir(directory.join("net.d"))?;
    fs::write(directory.join("net.d/10-pods.conflist"), fill(NETWORK))?;
    fs::write(directory.join("config.toml"), fill(CONFIG))?;
    let image = Image::of_program("pause", &pause(directory)?)?;
    fs::write(directory.join("pause.tar"), image.archive(PAUSE)?)
}

/// A /24 that no other containerd of this kind on the machine uses.
fn claim_subnet() -> std::io::Result<(u8, File)> {
    for number in 1..=254 {
        let path = std::env::temp_dir().join(format!("sampan-containerd-subnet-{number}"));
        let file = File::options().create(true).truncate(false).write(true).open(path)?;
        if file.try_lock().is_ok() {
            return Ok((number, file));
        }
    }
    Err(std::io::Error::other("all 254 subnets are in use"))
}
