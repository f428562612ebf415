//! Starting sandbox processes and finding them again.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, Read as _};
use std::os::fd::{AsRawFd as _, OwnedFd};
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use sampan_runtime::{Isolation, NetworkAttachment, SandboxConfig};
use tokio::process::{Child, Command};

/// Longest path that fits into a socket address, with its end.
const LONGEST_SOCKET_PATH: usize = 107;

/// Name of the socket for the agent's questions.
const SOCKET: &str = "socket";

/// Name of the socket for streams, an own one so that they do not stand in each other's way.
const STREAMS: &str = "streams";

/// Names the process a pod belongs into. `generation` keeps pods of an upgraded agent out of processes of the old program.
pub(crate) fn key(config: &SandboxConfig, generation: &str) -> String {
    match config.isolation {
        // Whoever lives in a pod's own network lives there alone.
        _ if namespace(config).is_some() => format!("pod.{}.{generation}", config.id),
        Isolation::Namespace => format!("namespace.{}.{generation}", config.pod_namespace),
        Isolation::Pod => format!("pod.{}.{generation}", config.id),
        Isolation::Node => format!("node.{generation}"),
    }
}

/// The network namespace a pod's process has to live in.
pub(crate) fn namespace(config: &SandboxConfig) -> Option<&Path> {
    match &config.network {
        Some(NetworkAttachment::Namespace { path, .. }) => Some(path),
        _ => None,
    }
}

/// Ids and namespaces become file names.
pub(crate) fn is_file_name(name: &str) -> bool {
    let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    !name.is_empty() && name.len() <= 200 && !name.starts_with('.') && name.bytes().all(fine)
}

/// Starts a process in `directory`, in that network namespace where there is one. It listens before it runs: the socket is made here and
/// handed down.
pub(crate) fn start(
    command: &[OsString],
    directory: &Path,
    idle: Duration,
    namespace: Option<&Path>,
) -> io::Result<Child> {
    fs::create_dir_all(directory)?;
    let listener = bind(directory)?;
    let (program, leading) =
        command.split_first().ok_or_else(|| io::Error::other("no sandbox command is configured"))?;
    // It enters and becomes the program: the process stays our child.
    let mut command = match namespace {
        Some(namespace) => {
            let mut enter = OsString::from("--net=");
            enter.push(namespace);
            let mut nsenter = Command::new("nsenter");
            nsenter.arg(enter).arg("--").arg(program);
            nsenter
        }
        None => Command::new(program),
    };
    command
        .args(leading)
        .arg(directory)
        .arg(idle.as_millis().to_string())
        .env("RUST_BACKTRACE", "0")
        .current_dir(directory)
        .stdin(Stdio::from(OwnedFd::from(listener)))
        .stdout(Stdio::null())
        .stderr(File::create(stderr(directory))?)
        .kill_on_drop(false)
        .spawn()
        .map_err(|error| io::Error::new(error.kind(), format!("failed to start {}: {error}", program.display())))
}

/// Connects to the process of `directory`, when one listens.
pub(crate) fn connect(directory: &Path) -> io::Result<UnixStream> {
    through_short_path(directory, SOCKET, |socket| UnixStream::connect(socket))
}

/// Connects to its socket for streams.
pub(crate) fn connect_streams(directory: &Path) -> io::Result<UnixStream> {
    through_short_path(directory, STREAMS, |socket| UnixStream::connect(socket))
}

/// Listens for streams: the process itself does, before it says hello.
pub(crate) fn bind_streams(directory: &Path) -> io::Result<UnixListener> {
    bind_to(directory, STREAMS)
}

fn bind(directory: &Path) -> io::Result<UnixListener> {
    bind_to(directory, SOCKET)
}

fn bind_to(directory: &Path, name: &str) -> io::Result<UnixListener> {
    match fs::remove_file(directory.join(name)) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    through_short_path(directory, name, |socket| UnixListener::bind(socket))
}

fn stderr(directory: &Path) -> PathBuf {
    directory.join("stderr")
}

/// A path that is too long for a socket address is gone through an open directory.
fn through_short_path<T>(directory: &Path, name: &str, action: impl FnOnce(&Path) -> io::Result<T>) -> io::Result<T> {
    let path = directory.join(name);
    if path.as_os_str().as_bytes().len() <= LONGEST_SOCKET_PATH {
        return action(&path);
    }
    let open = File::open(directory)?;
    action(Path::new(&format!("/proc/self/fd/{}/{name}", open.as_raw_fd())))
}

/// How a process ended, for people: its status when it was our child, and what it said last.
pub(crate) fn last_words(directory: &Path, pid: u32, status: Option<ExitStatus>) -> String {
    let ended = status.map_or_else(String::new, |status| format!(" ({status})"));
    let mut said = String::new();
    let read = File::open(stderr(directory)).and_then(|file| file.take(4096).read_to_string(&mut said));
    let said = said.trim();
    match read {
        Ok(_) if !said.is_empty() => format!("sandbox process {pid} ended unexpectedly{ended}: {said}"),
        _ => format!("sandbox process {pid} ended unexpectedly{ended}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_would_leave_the_directory_are_refused() {
        for name in ["0b5a3c1e-uid", "default.web-0_1"] {
            assert!(is_file_name(name), "{name}");
        }
        for name in ["", "..", ".hidden", "a/b", "a\0b", "ä", &"x".repeat(300)] {
            assert!(!is_file_name(name), "{name}");
        }
    }

    #[test]
    fn a_directory_may_be_deeper_than_a_socket_address_is_long() {
        let temporary = tempfile::tempdir().unwrap();
        let deep = temporary.path().join("d".repeat(120));
        fs::create_dir(&deep).unwrap();
        let listener = bind(&deep).unwrap();
        connect(&deep).unwrap();
        listener.accept().unwrap();
        drop(listener);
        assert_eq!(connect(&deep).unwrap_err().kind(), io::ErrorKind::ConnectionRefused);
        bind(&deep).unwrap();
    }
}
