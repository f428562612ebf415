//! The server's side of RFC 6455, as far as streams need it: whole messages in, frames out, no extensions.

use std::io;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::{Bytes, BytesMut};
use sha1::{Digest as _, Sha1};
use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What a client may send in one message: many times what kubectl's buffers hold.
const MESSAGE: usize = 4 << 20;
/// What RFC 6455 appends to a key.
const GUID: &str = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
/// Longest payload of a control frame.
const CONTROL: usize = 125;

/// The `Sec-WebSocket-Accept` that answers a `Sec-WebSocket-Key`.
pub(super) fn accept(key: &str) -> String {
    STANDARD.encode(Sha1::digest(format!("{key}{GUID}")))
}

/// What a client says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Message {
    /// Text or binary.
    Data(Bytes),
    /// To be answered with a pong of the same content.
    Ping(Bytes),
    Close,
}

/// Reads messages.
pub(super) struct Reader<R> {
    from: R,
    /// The parts of a message so far, when it comes in several frames.
    parts: Option<BytesMut>,
}

struct Head {
    last: bool,
    opcode: u8,
    length: usize,
    mask: [u8; 4],
}

impl<R: AsyncRead + Unpin> Reader<R> {
    pub(super) fn new(from: R) -> Self {
        Self { from, parts: None }
    }

    /// The next message; an error is the end of the connection. Not to be dropped half way.
    pub(super) async fn next(&mut self) -> io::Result<Message> {
        loop {
            let head = self.head().await?;
            let payload = self.payload(&head).await?;
            match (head.opcode, self.parts.take()) {
                (0x0, Some(mut parts)) => {
                    parts.extend_from_slice(&payload);
                    if head.last {
                        return Ok(Message::Data(parts.freeze()));
                    }
                    self.parts = Some(parts);
                }
                (0x1 | 0x2, None) if head.last => return Ok(Message::Data(payload.freeze())),
                (0x1 | 0x2, None) => self.parts = Some(payload),
                (0x8, _) => return Ok(Message::Close),
                (0x9, parts) => {
                    self.parts = parts;
                    return Ok(Message::Ping(payload.freeze()));
                }
                (0xa, parts) => self.parts = parts,
                (opcode, _) => return Err(bad(format!("a frame of kind {opcode:#x} is out of place"))),
            }
        }
    }

    async fn head(&mut self) -> io::Result<Head> {
        let [first, second] = self.from.read_u16().await?.to_be_bytes();
        let (last, opcode) = (first & 0x80 != 0, first & 0x0f);
        if first & 0x70 != 0 {
            return Err(bad("a frame uses an extension that was not agreed on".to_owned()));
        }
        if second & 0x80 == 0 {
            return Err(bad("a client's frame is not masked".to_owned()));
        }
        let length = match second & 0x7f {
            126 => u64::from(self.from.read_u16().await?),
            127 => self.from.read_u64().await?,
            length => u64::from(length),
        };
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        if opcode >= 0x8 && (length > CONTROL || !last) {
            return Err(bad("a control frame is too long or in parts".to_owned()));
        }
        if length.saturating_add(self.parts.as_ref().map_or(0, BytesMut::len)) > MESSAGE {
            return Err(bad(format!("a message is longer than {MESSAGE} bytes")));
        }
        let mut mask = [0; 4];
        self.from.read_exact(&mut mask).await?;
        Ok(Head { last, opcode, length, mask })
    }

    async fn payload(&mut self, head: &Head) -> io::Result<BytesMut> {
        let mut payload = BytesMut::zeroed(head.length);
        self.from.read_exact(&mut payload).await?;
        for (byte, mask) in payload.iter_mut().zip(head.mask.iter().cycle()) {
            *byte ^= mask;
        }
        Ok(payload)
    }
}

fn bad(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// A binary message of these parts.
pub(super) fn binary(parts: &[&[u8]]) -> Bytes {
    frame(0x2, parts)
}

/// The frame that ends a connection normally.
pub(super) fn close() -> Bytes {
    frame(0x8, &[&1000_u16.to_be_bytes()])
}

/// Whether a frame of ours is the last one.
pub(super) fn is_close(frame: &[u8]) -> bool {
    frame.first() == Some(&0x88)
}

/// The answer to a ping.
pub(super) fn pong(content: &[u8]) -> Bytes {
    frame(0xa, &[content])
}

fn frame(opcode: u8, parts: &[&[u8]]) -> Bytes {
    let length: usize = parts.iter().map(|part| part.len()).sum();
    let mut frame = BytesMut::with_capacity(length + 10);
    frame.extend_from_slice(&[0x80 | opcode]);
    match (u8::try_from(length), u16::try_from(length)) {
        (Ok(short), _) if short < 126 => frame.extend_from_slice(&[short]),
        (_, Ok(medium)) => {
            frame.extend_from_slice(&[126]);
            frame.extend_from_slice(&medium.to_be_bytes());
        }
        _ => {
            frame.extend_from_slice(&[127]);
            frame.extend_from_slice(&(length as u64).to_be_bytes());
        }
    }
    for part in parts {
        frame.extend_from_slice(part);
    }
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A client's frame.
    fn masked(first: u8, payload: &[u8]) -> Vec<u8> {
        let mut frame = vec![first, 0x80 | u8::try_from(payload.len()).unwrap(), 1, 2, 3, 4];
        frame.extend(payload.iter().zip([1, 2, 3, 4].iter().cycle()).map(|(byte, mask)| byte ^ mask));
        frame
    }

    async fn read(bytes: &[u8]) -> Vec<String> {
        let mut reader = Reader::new(bytes);
        let mut found = Vec::new();
        loop {
            match reader.next().await {
                Ok(message) => found.push(format!("{message:?}")),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return found,
                Err(error) => {
                    found.push(error.to_string());
                    return found;
                }
            }
        }
    }

    #[test]
    fn the_key_of_the_rfc_is_answered_as_the_rfc_answers_it() {
        assert_eq!(accept("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
    }

    #[tokio::test]
    async fn messages_come_whole_with_control_frames_between_their_parts() {
        let bytes = [masked(0x02, b"ab"), masked(0x89, b"?"), masked(0x80, b"c"), masked(0x88, b"")].concat();
        assert_eq!(read(&bytes).await, ["Ping(b\"?\")", "Data(b\"abc\")", "Close"]);
    }

    #[tokio::test]
    async fn frames_against_the_rules_end_the_connection() {
        for (bytes, why) in [
            (vec![0x82, 1, b'x'], "a client's frame is not masked"),
            (masked(0xc2, b"x"), "a frame uses an extension that was not agreed on"),
            (masked(0x80, b"x"), "a frame of kind 0x0 is out of place"),
            (masked(0x09, b"x"), "a control frame is too long or in parts"),
            (vec![0x82, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4], "a message is longer than 4194304 bytes"),
        ] {
            assert_eq!(read(&bytes).await, [why]);
        }
    }

    #[test]
    fn lengths_are_written_in_the_shortest_form() {
        assert_eq!(&binary(&[b"\x01", b"hi"])[..], b"\x82\x03\x01hi");
        assert_eq!(&binary(&[&[0; 300]])[..4], [0x82, 126, 1, 44]);
        assert_eq!(&binary(&[&[0; 70_000]])[..10], [0x82, 127, 0, 0, 0, 0, 0, 1, 0x11, 0x70]);
        assert_eq!(&close()[..], [0x88, 2, 3, 0xe8]);
    }
}
