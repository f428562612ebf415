//! Joins many small shared buffers into few blocks without re-serialising anything.

use bytes::{Bytes, BytesMut};

/// A block is sent once it holds this much. Large enough that a list of thousands costs few writes, small enough that
/// memory stays flat while a slow client reads.
const BLOCK: usize = 64 * 1024;
/// A piece at least this long travels as its own block: sharing it is cheaper than copying it.
const SHARED: usize = 16 * 1024;

/// Yields blocks made of `pieces` in order.
pub(crate) struct Blocks<I> {
    pieces: I,
    next: Option<Bytes>,
    remaining: u64,
}

impl<I: Iterator<Item = Bytes>> Blocks<I> {
    /// `total` is the length of all pieces together, so that no block is larger than it need be.
    pub(crate) fn new(pieces: I, total: u64) -> Self {
        Self { pieces, next: None, remaining: total }
    }
}

impl<I: Iterator<Item = Bytes>> Iterator for Blocks<I> {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        let first = self.next.take().or_else(|| self.pieces.next())?;
        if first.len() >= SHARED {
            self.remaining = self.remaining.saturating_sub(first.len() as u64);
            return Some(first);
        }
        let capacity = usize::try_from(self.remaining).unwrap_or(BLOCK).clamp(first.len(), BLOCK + SHARED);
        let mut block = BytesMut::with_capacity(capacity);
        block.extend_from_slice(&first);
        while block.len() < BLOCK {
            match self.pieces.next() {
                Some(piece) if piece.len() < SHARED => block.extend_from_slice(&piece),
                other => {
                    self.next = other;
                    break;
                }
            }
        }
        self.remaining = self.remaining.saturating_sub(block.len() as u64);
        Some(block.freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn small_pieces_are_joined_and_large_ones_are_shared() {
        let large = Bytes::from(vec![b'x'; SHARED]);
        let pieces = vec![Bytes::from_static(b"a"), Bytes::from_static(b"b"), large.clone(), Bytes::from_static(b"c")];
        let blocks: Vec<Bytes> = Blocks::new(pieces.into_iter(), SHARED as u64 + 3).collect();
        assert_eq!(blocks.iter().map(Bytes::len).collect::<Vec<_>>(), [2, SHARED, 1]);
        assert_eq!(blocks[1].as_ptr(), large.as_ptr(), "the large piece was copied");
    }

    #[test]
    fn no_block_grows_far_beyond_its_size() {
        let pieces = std::iter::repeat_n(Bytes::from(vec![0; 1000]), 500);
        let blocks: Vec<Bytes> = Blocks::new(pieces, 500_000).collect();
        assert_eq!(blocks.iter().map(Bytes::len).sum::<usize>(), 500_000);
        assert!(blocks.iter().all(|block| block.len() <= BLOCK + SHARED));
    }
}
