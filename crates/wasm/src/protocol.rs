//! What the agent and a sandbox process say to each other over their unix socket.
//!
//! Each frame is a length (four bytes, big endian) and that many bytes of JSON. The sandbox speaks first, with [`Hello`]; then the
//! agent sends [`Request`]s and the sandbox [`Message`]s. A change of state is always sent before the reply to what caused it, so an
//! agent that keeps the statuses it heard last knows the truth when its request returns.

use std::io;
use std::path::PathBuf;
use std::time::Duration;

use sampan_runtime::{
    ContainerConfig, ContainerStats, ContainerStatus, Error as RuntimeError, ProbeKind, SandboxConfig,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt};

use crate::artifact::Artifact;

/// Raised with every change that an older or newer peer would misunderstand.
pub(crate) const VERSION: u32 = 2;

/// Longer frames are refused: nothing here is near it.
const MAX_FRAME: u32 = 64 << 20;

/// The sandbox's first frame.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Hello {
    pub(crate) version: u32,
    pub(crate) pid: u32,
    /// Everything the process holds, so that a returning agent knows it at once.
    pub(crate) pods: Vec<SandboxConfig>,
    pub(crate) containers: Vec<ContainerStatus>,
}

/// The agent's frames.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    pub(crate) id: u64,
    pub(crate) call: Call,
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Call {
    Open(Box<SandboxConfig>),
    Close {
        sandbox: String,
    },
    Create(Box<Create>),
    Start {
        container: String,
    },
    Stop {
        container: String,
        grace: Duration,
    },
    Remove {
        container: String,
    },
    Probe {
        container: String,
        probe: ProbeKind,
    },
    Stats {
        container: String,
    },
    /// End the process and everything in it.
    Shutdown,
}

/// A container and the compiled code it runs.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Create {
    pub(crate) config: ContainerConfig,
    pub(crate) code: PathBuf,
    pub(crate) artifact: Artifact,
    /// Digest of the image, for the container's status.
    pub(crate) digest: String,
}

/// The sandbox's frames after the first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Message {
    Reply {
        id: u64,
        result: Result<Answer, Failure>,
    },
    /// The container's state is now this.
    Changed(ContainerStatus),
    /// The container is forgotten.
    Removed {
        sandbox: String,
        container: String,
    },
}

#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Probed(Option<bool>),
    Stats(ContainerStats),
}

/// A [`RuntimeError`] on its way through the socket.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Failure {
    Invalid(String),
    NotFound(String),
    Unavailable(String),
}

impl From<Failure> for RuntimeError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Invalid(message) => RuntimeError::Invalid(message),
            Failure::NotFound(name) => RuntimeError::NotFound(name),
            Failure::Unavailable(message) => RuntimeError::Unavailable(message),
        }
    }
}

/// Reads one frame; `None` once the peer has closed the connection between two frames.
pub(crate) async fn read<T: DeserializeOwned>(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<T>> {
    let length = match from.read_u32().await {
        Ok(length) => length,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    if length > MAX_FRAME {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("frame of {length} bytes is too long")));
    }
    let mut bytes = Vec::new();
    from.take(length.into()).read_to_end(&mut bytes).await?;
    if bytes.len() as u64 != u64::from(length) {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    serde_json::from_slice(&bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

/// A frame ready to be written.
pub(crate) fn encode<T: Serialize>(frame: &T) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    serde_json::to_writer(&mut bytes, frame)
        .expect("frames hold only strings, numbers, lists and maps with string keys");
    let length = u32::try_from(bytes.len() - 4).expect("no frame is near 4 GiB");
    bytes[..4].copy_from_slice(&length.to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_frame_comes_back_as_it_was_written() {
        let request = Request { id: 7, call: Call::Stop { container: "c".into(), grace: Duration::from_millis(1500) } };
        let read: Request = read(&mut encode(&request).as_slice()).await.unwrap().unwrap();
        assert_eq!(format!("{read:?}"), format!("{request:?}"));
    }

    #[tokio::test]
    async fn the_end_between_frames_is_the_end_and_within_one_an_error() {
        assert!(read::<Request>(&mut [].as_slice()).await.unwrap().is_none());
        let cut = &encode(&Request { id: 1, call: Call::Shutdown })[..6];
        assert!(read::<Request>(&mut &*cut).await.is_err());
    }

    #[tokio::test]
    async fn a_frame_that_is_too_long_is_refused_before_memory_is_taken() {
        let error = read::<Request>(&mut [0xff, 0xff, 0xff, 0xff].as_slice()).await.unwrap_err();
        assert_eq!(error.to_string(), "frame of 4294967295 bytes is too long");
    }
}
