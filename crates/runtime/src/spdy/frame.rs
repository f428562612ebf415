//! Frames of SPDY/3.1: those that are read, and those that are written.

use std::collections::BTreeMap;
use std::io;

use bytes::{Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use super::headers::{self, Headers};

/// Longest frame that is read; kubectl's own are 32 KiB.
const MOST_READ: usize = 1 << 20;
/// Longest piece of data that is written in one frame.
pub(super) const MOST_DATA: usize = 32 << 10;

const VERSION: u16 = 3;
const OPEN: u16 = 1;
const REPLY: u16 = 2;
const RESET: u16 = 3;
const PING: u16 = 6;
const HEADERS: u16 = 8;
const LAST: u8 = 1;

/// Why a stream is reset: it is not wanted.
pub(super) const REFUSED: u32 = 3;

/// What a frame says.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// SYN_STREAM.
    Open {
        stream: u32,
        headers: BTreeMap<String, String>,
    },
    Data {
        stream: u32,
        bytes: Bytes,
    },
    /// RST_STREAM.
    Reset {
        stream: u32,
    },
    Ping {
        id: u32,
    },
    /// What needs no answer from us: SETTINGS, GOAWAY, WINDOW_UPDATE, HEADERS.
    Ignored,
}

/// One frame.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    /// FLAG_FIN.
    pub(super) last: bool,
}

/// Reads frames.
pub(super) struct Reader<R> {
    from: R,
    headers: Headers,
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, headers: Headers::new() }
    }

    /// The next frame; `None` when the other side closed the connection between two.
    pub(super) async fn next(&mut self) -> io::Result<Option<Frame>> {
        let word = match self.from.read_u32().await {
            Ok(word) => word,
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
            Err(error) => return Err(error),
        };
        let sizes = self.from.read_u32().await?;
        let [flags, ..] = sizes.to_be_bytes();
        let length = (sizes & 0x00ff_ffff) as usize;
        if length > MOST_READ {
            return Err(bad(format!("a frame of {length} bytes is too long")));
        }
        let mut bytes = BytesMut::zeroed(length);
        self.from.read_exact(&mut bytes).await?;
        let kind = if word & 0x8000_0000 == 0 {
            Kind::Data { stream: word, bytes: bytes.freeze() }
        } else {
            self.control(word, &bytes)?
        };
        Ok(Some(Frame { kind, last: flags & LAST != 0 }))
    }

    fn control(&mut self, word: u32, bytes: &[u8]) -> io::Result<Kind> {
        let [_, _, kind @ ..] = word.to_be_bytes();
        if (word >> 16) & 0x7fff != u32::from(VERSION) {
            return Err(bad("a frame is of another version of SPDY".to_owned()));
        }
        let number = |at: usize| {
            let four = bytes.get(at..at + 4).ok_or_else(|| bad("a frame is too short".to_owned()))?;
            Ok::<u32, io::Error>(u32::from_be_bytes(four.try_into().expect("four bytes were taken")) & 0x7fff_ffff)
        };
        match u16::from_be_bytes(kind) {
            OPEN => {
                let stream = number(0)?;
                let block = bytes.get(10..).ok_or_else(|| bad("a frame is too short".to_owned()))?;
                Ok(Kind::Open { stream, headers: self.headers.read(block)? })
            }
            // Its content is not wanted, but all later header blocks are compressed against it.
            kind @ (REPLY | HEADERS) => {
                let block = bytes.get(4..).ok_or_else(|| bad(format!("a frame of kind {kind} is too short")))?;
                self.headers.read(block).map(|_| Kind::Ignored)
            }
            RESET => Ok(Kind::Reset { stream: number(0)? }),
            PING => Ok(Kind::Ping { id: number(0)? }),
            _ => Ok(Kind::Ignored),
        }
    }
}

pub(super) fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

fn control(kind: u16, payload: &[&[u8]]) -> Vec<u8> {
    let length: usize = payload.iter().map(|part| part.len()).sum();
    let length = u32::try_from(length).expect("frames of ours are short");
    let head = [(0x8000 | VERSION).to_be_bytes(), kind.to_be_bytes()].concat();
    [&head, &length.to_be_bytes()[..], &payload.concat()].concat()
}

/// SYN_STREAM. The first stream of a connection begins the compression of all headers.
pub(super) fn open(stream: u32, headers: &[(&str, &str)]) -> Vec<u8> {
    control(OPEN, &[&stream.to_be_bytes(), &[0; 6], &headers::block(stream == 1, headers)])
}

/// SYN_REPLY without headers. The first one on a connection begins the compression of all.
pub(super) fn reply(stream: u32, first: bool) -> Vec<u8> {
    control(REPLY, &[&stream.to_be_bytes(), &headers::block(first, &[])])
}

/// RST_STREAM.
pub(super) fn reset(stream: u32, why: u32) -> Vec<u8> {
    control(RESET, &[&stream.to_be_bytes(), &why.to_be_bytes()])
}

/// PING, which answers one of the same id.
pub(super) fn ping(id: u32) -> Vec<u8> {
    control(PING, &[&id.to_be_bytes()])
}

/// Data of at most [`MOST_DATA`] bytes.
pub(super) fn data(stream: u32, bytes: &[u8], last: bool) -> Vec<u8> {
    let length = u32::try_from(bytes.len()).expect("pieces are short");
    let sizes = length | if last { u32::from(LAST) << 24 } else { 0 };
    [&stream.to_be_bytes()[..], &sizes.to_be_bytes(), bytes].concat()
}
