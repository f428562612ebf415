//! What travels over the second socket of a sandbox process: one connection for each client of a container, so that nobody's output
//! stands in the way of anybody's, nor of the agent's own questions.
//!
//! The agent begins with an [`Open`] as a frame of `protocol`. From then on both sides send packets: a kind, a length (four bytes, big
//! endian) and as many bytes. The agent sends no further input before it was told that the last piece was taken, so that the sandbox
//! never stops reading and notices at once when the agent goes; output is held back by the socket itself.

use std::io;
use std::path::PathBuf;

use bytes::{BufMut as _, Bytes, BytesMut};
use serde::{Deserialize, Serialize};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

use crate::artifact::Artifact;
use crate::protocol::Failure;

/// Longest packet, and longest piece of input or output in one.
pub(crate) const PIECE: usize = 32 << 10;

/// What a connection is for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Open {
    /// Run a command beside the container.
    Exec(Box<Command>),
    /// Share the container's own streams.
    Attach { container: String },
    /// Send a file that the container can see.
    Read { container: String, path: String },
}

/// A command, compiled before.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Command {
    pub(crate) container: String,
    pub(crate) code: PathBuf,
    pub(crate) artifact: Artifact,
    /// The program's name first.
    pub(crate) args: Vec<String>,
    /// It is told that it runs at a terminal.
    pub(crate) terminal: bool,
    /// What runs in the pod is appended to its arguments, line by line.
    pub(crate) processes: bool,
}

/// How it ended: an exit code, or why there is none.
pub(crate) type Ended = Result<i32, Failure>;

/// One packet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Packet {
    Stdin(Bytes),
    /// No more input comes.
    StdinEnd,
    /// The last input has gone where it was meant to.
    Taken,
    Stdout(Bytes),
    Stderr(Bytes),
    /// The last packet.
    End(Ended),
}

impl Packet {
    fn encode(&self) -> BytesMut {
        let ended;
        let (kind, bytes): (u8, &[u8]) = match self {
            Packet::Stdin(bytes) => (0, bytes),
            Packet::Stdout(bytes) => (1, bytes),
            Packet::Stderr(bytes) => (2, bytes),
            Packet::StdinEnd => (3, b""),
            Packet::Taken => (4, b""),
            Packet::End(end) => {
                ended = serde_json::to_vec(end).expect("it holds only numbers and strings");
                (5, &ended)
            }
        };
        let mut packet = BytesMut::with_capacity(bytes.len() + 5);
        packet.put_u8(kind);
        packet.put_u32(u32::try_from(bytes.len()).expect("pieces are short"));
        packet.put_slice(bytes);
        packet
    }

    fn decode(kind: u8, bytes: Bytes) -> io::Result<Self> {
        let bad = |why: String| io::Error::new(io::ErrorKind::InvalidData, why);
        Ok(match kind {
            0 => Packet::Stdin(bytes),
            1 => Packet::Stdout(bytes),
            2 => Packet::Stderr(bytes),
            3 => Packet::StdinEnd,
            4 => Packet::Taken,
            5 => Packet::End(serde_json::from_slice(&bytes).map_err(|error| bad(error.to_string()))?),
            kind => return Err(bad(format!("packet of unknown kind {kind}"))),
        })
    }
}

pub(crate) async fn write(to: &mut (impl AsyncWrite + Unpin), packet: &Packet) -> io::Result<()> {
    to.write_all(&packet.encode()).await
}

/// The next packet; `None` once the peer has closed the connection between two. Not to be dropped half way.
pub(crate) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Option<Packet>> {
    let kind = match from.read_u8().await {
        Ok(kind) => kind,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        Err(error) => return Err(error),
    };
    let length = from.read_u32().await? as usize;
    if length > PIECE {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("packet of {length} bytes is too long")));
    }
    let mut bytes = BytesMut::zeroed(length);
    from.read_exact(&mut bytes).await?;
    Packet::decode(kind, bytes.freeze()).map(Some)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn packets_come_back_as_they_were_written() {
        let packets = [
            Packet::Stdin(Bytes::from_static(b"typed")),
            Packet::StdinEnd,
            Packet::Taken,
            Packet::Stdout(Bytes::new()),
            Packet::Stderr(Bytes::from_static(b"oh no")),
            Packet::End(Ok(3)),
            Packet::End(Err(Failure::NotFound("container c".to_owned()))),
        ];
        let mut written = Vec::new();
        for packet in &packets {
            write(&mut written, packet).await.unwrap();
        }
        let mut from = written.as_slice();
        for packet in packets {
            assert_eq!(read(&mut from).await.unwrap(), Some(packet));
        }
        assert_eq!(read(&mut from).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_packet_that_makes_no_sense_is_refused() {
        for (bytes, why) in [
            (&[9, 0, 0, 0, 0][..], "packet of unknown kind 9"),
            (&[0, 0xff, 0, 0, 0][..], "packet of 4278190080 bytes is too long"),
        ] {
            assert_eq!(read(&mut &*bytes).await.unwrap_err().to_string(), why);
        }
    }
}
