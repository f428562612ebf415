//! From a guest to a client: a bounded queue of what is printed.

use std::collections::VecDeque;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use parking_lot::Mutex;

use super::log::{Sink, Stream};

/// Bytes that may wait for a client.
const WAITING: usize = 64 << 10;

/// The queue. Who prints into it waits while it is full; who cannot wait loses what does not fit.
#[derive(Default)]
pub(crate) struct Pipe {
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    pieces: VecDeque<(Stream, Bytes)>,
    waiting: usize,
    /// Nothing more comes.
    ended: bool,
    /// Bytes that did not fit since the last that did.
    lost: usize,
    writers: Vec<Waker>,
    reader: Option<Waker>,
}

impl State {
    fn push(&mut self, stream: Stream, bytes: Bytes) {
        self.waiting += bytes.len();
        self.pieces.push_back((stream, bytes));
        if let Some(reader) = self.reader.take() {
            reader.wake();
        }
    }
}

impl Pipe {
    /// Takes what fits. A gap is owned up to where it was.
    pub(crate) fn offer(&self, stream: Stream, bytes: &[u8]) {
        let mut state = self.state.lock();
        if state.waiting + bytes.len() > WAITING {
            state.lost += bytes.len();
            return;
        }
        if state.lost > 0 {
            let gap =
                format!("\nsampan: {} bytes are left out here, they came faster than they were read\n", state.lost);
            state.lost = 0;
            state.push(Stream::Stderr, gap.into());
        }
        state.push(stream, Bytes::copy_from_slice(bytes));
    }

    /// Nothing more will come.
    pub(crate) fn end(&self) {
        let mut state = self.state.lock();
        state.ended = true;
        if let Some(reader) = state.reader.take() {
            reader.wake();
        }
    }

    /// The next piece; `None` after the last.
    pub(crate) async fn next(&self) -> Option<(Stream, Bytes)> {
        std::future::poll_fn(|context| {
            let mut state = self.state.lock();
            match state.pieces.pop_front() {
                Some((stream, bytes)) => {
                    state.waiting -= bytes.len();
                    state.writers.drain(..).for_each(Waker::wake);
                    Poll::Ready(Some((stream, bytes)))
                }
                None if state.ended => Poll::Ready(None),
                None => {
                    state.reader = Some(context.waker().clone());
                    Poll::Pending
                }
            }
        })
        .await
    }
}

impl Sink for Pipe {
    fn take(self: Arc<Self>, stream: Stream, bytes: &[u8]) {
        self.state.lock().push(stream, Bytes::copy_from_slice(bytes));
    }

    fn poll_room(&self, context: &Context<'_>) -> Poll<()> {
        let mut state = self.state.lock();
        if state.waiting < WAITING {
            return Poll::Ready(());
        }
        state.writers.push(context.waker().clone());
        Poll::Pending
    }

    fn has_room(&self) -> bool {
        self.state.lock().waiting < WAITING
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_prints_faster_than_it_is_read_waits() {
        let pipe = Arc::new(Pipe::default());
        while pipe.has_room() {
            pipe.clone().take(Stream::Stdout, &[b'x'; 1024]);
        }
        let full = futures::poll!(std::future::poll_fn(|context| pipe.poll_room(context)));
        assert!(full.is_pending());
        assert_eq!(pipe.next().await.unwrap().1.len(), 1024);
        std::future::poll_fn(|context| pipe.poll_room(context)).await;
        pipe.end();
        let mut pieces = 0;
        while pipe.next().await.is_some() {
            pieces += 1;
        }
        assert_eq!(pieces, WAITING / 1024 - 1);
    }

    #[tokio::test]
    async fn who_only_watches_loses_what_it_does_not_read_and_is_told() {
        let pipe = Pipe::default();
        for _ in 0..2 {
            pipe.offer(Stream::Stdout, &[b'x'; WAITING]);
        }
        pipe.next().await.unwrap();
        pipe.offer(Stream::Stdout, b"again");
        let gap = pipe.next().await.unwrap();
        assert!(String::from_utf8_lossy(&gap.1).contains("65536 bytes are left out"), "{gap:?}");
        assert_eq!(pipe.next().await.unwrap(), (Stream::Stdout, Bytes::from_static(b"again")));
    }
}
