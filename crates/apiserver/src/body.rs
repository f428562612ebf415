//! The body of every response: whole, in blocks, or endless.

use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use futures::Stream;
use http_body::{Frame, SizeHint};

/// Any error, as bodies of others have them.
pub type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// What goes wrong while a body is sent or received.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub struct BodyError(BoxError);

impl BodyError {
    /// Takes any error.
    pub fn new(error: impl Into<BoxError>) -> Self {
        Self(error.into())
    }
}

type BoxStream = Pin<Box<dyn Stream<Item = Result<Bytes, BodyError>> + Send>>;

/// A response body. Small answers are one shared buffer, lists are blocks made while they are sent, watches and logs never
/// end by themselves.
pub struct Body(Kind);

enum Kind {
    Full(Bytes),
    Blocks(Box<dyn Iterator<Item = Bytes> + Send>, u64),
    Stream(BoxStream),
}

impl Body {
    /// Makes a body of nothing.
    pub fn empty() -> Self {
        Self(Kind::Full(Bytes::new()))
    }

    /// Makes a body of blocks whose lengths add up to `length` bytes; the blocks are made as the peer takes them.
    pub fn blocks(blocks: impl Iterator<Item = Bytes> + Send + 'static, length: u64) -> Self {
        Self(Kind::Blocks(Box::new(blocks), length))
    }

    /// Makes a body that goes on until the stream ends or fails.
    pub fn stream<S>(stream: S) -> Self
    where
        S: Stream<Item = Result<Bytes, BodyError>> + Send + 'static,
    {
        Self(Kind::Stream(Box::pin(stream)))
    }

    /// Length in bytes, unless the body is endless.
    pub fn length(&self) -> Option<u64> {
        match &self.0 {
            Kind::Full(bytes) => Some(bytes.len() as u64),
            Kind::Blocks(_, length) => Some(*length),
            Kind::Stream(_) => None,
        }
    }

    /// Turns a finite body into the iterator of its blocks; an endless one is given back.
    pub(crate) fn into_blocks(self) -> Result<Box<dyn Iterator<Item = Bytes> + Send>, Self> {
        match self.0 {
            Kind::Full(bytes) => Ok(Box::new(std::iter::once(bytes))),
            Kind::Blocks(blocks, _) => Ok(blocks),
            Kind::Stream(stream) => Err(Self(Kind::Stream(stream))),
        }
    }
}

impl From<Bytes> for Body {
    fn from(bytes: Bytes) -> Self {
        Self(Kind::Full(bytes))
    }
}

impl From<Vec<u8>> for Body {
    fn from(bytes: Vec<u8>) -> Self {
        Self(Kind::Full(bytes.into()))
    }
}

impl From<&'static str> for Body {
    fn from(text: &'static str) -> Self {
        Self(Kind::Full(Bytes::from_static(text.as_bytes())))
    }
}

impl From<String> for Body {
    fn from(text: String) -> Self {
        Self(Kind::Full(text.into()))
    }
}

impl fmt::Debug for Body {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.length() {
            Some(length) => write!(formatter, "Body({length} bytes)"),
            None => formatter.write_str("Body(stream)"),
        }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let next = match &mut self.0 {
            Kind::Full(bytes) if bytes.is_empty() => None,
            Kind::Full(bytes) => Some(Ok(std::mem::take(bytes))),
            Kind::Blocks(blocks, left) => blocks.next().map(|block| {
                *left = left.saturating_sub(block.len() as u64);
                Ok(block)
            }),
            Kind::Stream(stream) => match stream.as_mut().poll_next(context) {
                Poll::Pending => return Poll::Pending,
                Poll::Ready(next) => next,
            },
        };
        Poll::Ready(next.map(|block| block.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        self.length() == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.length().map_or_else(SizeHint::default, SizeHint::with_exact)
    }
}
