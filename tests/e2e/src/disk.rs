//! A file system of a test's own that can be filled.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::Process;

/// A tmpfs in a mount namespace of its own: nobody else sees it, and it goes with the last process in it, however a test ends.
pub struct Disk {
    holder: Process,
    directory: tempfile::TempDir,
}

impl Disk {
    /// Makes one; `None`, with a word of why, where the kernel does not let this user mount anything.
    #[allow(clippy::print_stderr, reason = "who reads a test's output has to know that it showed nothing")]
    pub fn of_mebibytes(size: u32) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory can be made");
        let mount = directory.path().join("disk");
        fs::create_dir(&mount).expect("a test's own directory can be written");
        // Far longer than any test; only a test that was killed leaves it to end by itself.
        let script =
            r#"mount -t tmpfs -o size="$1"m,mode=700 tmpfs "$0" && echo mounted && exec sleep 900 || echo refused"#;
        let mut unshare = Command::new("unshare");
        unshare.arg("--mount").args((!is_root()).then_some("--map-root-user")).args(["sh", "-c", script]);
        let mut holder = Process::start(unshare.arg(&mount).arg(size.to_string()), &directory.path().join("holder"));
        let start = std::time::Instant::now();
        while !holder.output().contains("mounted") {
            if holder.has_ended() {
                eprintln!("skipped, no file system can be mounted here: {}", holder.output());
                return None;
            }
            assert!(start.elapsed().as_secs() < 20, "neither mounted nor refused: {}", holder.output());
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        Some(Self { holder, directory })
    }

    /// Where programs started by [`command`](Self::command) find it.
    pub fn inside(&self) -> PathBuf {
        self.directory.path().join("disk")
    }

    /// Where everybody else does.
    pub fn outside(&self) -> PathBuf {
        let inside = self.inside();
        let below_root = inside.strip_prefix("/").expect("temporary directories have absolute paths");
        Path::new("/proc").join(self.holder.id().to_string()).join("root").join(below_root)
    }

    /// A program that sees it.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut nsenter = Command::new("nsenter");
        nsenter.args(["--target", &self.holder.id().to_string(), "--mount"]);
        if !is_root() {
            nsenter.args(["--user", "--preserve-credentials"]);
        }
        nsenter.arg("--").arg(program);
        nsenter
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let mut file = File::options().create(true).append(true).open(self.ballast()).expect("a file can be made");
        let block = [0; 4096];
        while file.write_all(&block).is_ok() {}
    }

    /// Gives the room back.
    pub fn make_room(&self) {
        fs::remove_file(self.ballast()).expect("it was filled before");
    }

    fn ballast(&self) -> PathBuf {
        self.outside().join("ballast")
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|process| process.uid() == 0)
}
