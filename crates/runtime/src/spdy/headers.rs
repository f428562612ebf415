//! Header blocks of SPDY/3: pairs of length-prefixed strings, deflated with a dictionary that both sides know.
//!
//! Every block continues the compression of the one before. zlib's preset dictionary is not needed for that: to an inflater it is the same
//! whether the dictionary was given to it or came as the first, stored block. What is written is stored, not compressed: headers
//! are few and short.

use std::collections::BTreeMap;
use std::io;

use flate2::{Decompress, FlushDecompress};

use super::frame::bad;

/// Names and values the dictionary of SPDY/3 (draft 3.1, 2.6.10.1) begins with, each after its length.
const WORDS: &str = "options head post put delete trace accept accept-charset accept-encoding accept-language accept-ranges age allow authorization cache-control connection content-base content-encoding content-language content-length content-location content-md5 content-range content-type date etag expect expires from host if-match if-modified-since if-none-match if-range if-unmodified-since last-modified location max-forwards pragma proxy-authenticate proxy-authorization range referer retry-after server te trailer transfer-encoding upgrade user-agent vary via warning www-authenticate method get status";
/// And the rest of those, which hold blanks or come after one that does.
const MORE_WORDS: [&str; 8] = ["200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie", "keep-alive", "origin"];
/// What follows them.
const TEXT: &str = "\
    100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505203 Non-Authoritative Information\
    204 No Content301 Moved Permanently400 Bad Request401 Unauthorized403 Forbidden404 Not Found500 Internal Server Error\
    501 Not Implemented503 Service UnavailableJan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, \
    Sun, GMTchunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,text/javascript,public\
    privatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0.";
/// Adler-32 of the dictionary.
const DICTIONARY_ID: [u8; 4] = [0xe3, 0xc6, 0xa7, 0xc2];
/// zlib's header: deflate with a window of 32 KiB and a preset dictionary.
const ZLIB: [u8; 2] = [0x78, 0xbb];

/// Bytes a block may inflate to.
const MOST: usize = 64 << 10;

fn dictionary() -> Vec<u8> {
    let mut dictionary = Vec::new();
    for word in WORDS.split(' ').chain(MORE_WORDS) {
        dictionary.extend(u32::try_from(word.len()).expect("words are short").to_be_bytes());
        dictionary.extend(word.as_bytes());
    }
    dictionary.extend(TEXT.as_bytes());
    dictionary
}

/// A stored block of deflate.
fn stored(bytes: &[u8]) -> Vec<u8> {
    let length = u16::try_from(bytes.len()).expect("blocks of ours are short");
    [&[0][..], &length.to_le_bytes(), &(!length).to_le_bytes(), bytes].concat()
}

/// Reads the header blocks of one connection, in their order.
pub(super) struct Headers {
    inflater: Decompress,
    /// zlib's header has been seen.
    begun: bool,
}

impl Headers {
    pub(super) fn new() -> Self {
        let mut inflater = Decompress::new(false);
        let block = stored(&dictionary());
        let mut discarded = Vec::with_capacity(block.len());
        inflater.decompress_vec(&block, &mut discarded, FlushDecompress::Sync).expect("a stored block can be read");
        Self { inflater, begun: false }
    }

    /// Headers by their names; values that came under one name are joined by a comma.
    pub(super) fn read(&mut self, mut block: &[u8]) -> io::Result<BTreeMap<String, String>> {
        if !self.begun {
            // Without a dictionary the header is two bytes long, but nobody speaks SPDY so.
            let Some((header, rest)) = block.split_at_checked(6) else {
                return Err(bad("a header block is too short".to_owned()));
            };
            if header[0] & 0x0f != 8 || header[2..] != DICTIONARY_ID {
                return Err(bad("headers are not compressed with the dictionary of SPDY/3".to_owned()));
            }
            (block, self.begun) = (rest, true);
        }
        pairs(&self.inflate(block)?).ok_or_else(|| bad("a header block is not well formed".to_owned()))
    }

    fn inflate(&mut self, mut block: &[u8]) -> io::Result<Vec<u8>> {
        let mut inflated = Vec::new();
        loop {
            inflated.reserve(4096);
            let (taken, made) = (self.inflater.total_in(), self.inflater.total_out());
            self.inflater
                .decompress_vec(block, &mut inflated, FlushDecompress::Sync)
                .map_err(|error| bad(format!("a header block cannot be inflated: {error}")))?;
            let taken = usize::try_from(self.inflater.total_in() - taken).expect("no more than there was");
            block = &block[taken..];
            if inflated.len() > MOST {
                return Err(bad(format!("a header block is longer than {MOST} bytes")));
            }
            // An inflater may keep something back although there is room for it; it is asked until it gives nothing.
            if taken == 0 && self.inflater.total_out() == made {
                return Ok(inflated);
            }
        }
    }
}

fn pairs(mut bytes: &[u8]) -> Option<BTreeMap<String, String>> {
    let count = number(&mut bytes)?;
    let mut headers = BTreeMap::new();
    for _ in 0..count {
        let name = text(&mut bytes)?.to_ascii_lowercase();
        headers.insert(name, text(&mut bytes)?.replace('\0', ","));
    }
    Some(headers)
}

fn number(bytes: &mut &[u8]) -> Option<usize> {
    let (number, rest) = bytes.split_first_chunk()?;
    *bytes = rest;
    usize::try_from(u32::from_be_bytes(*number)).ok()
}

fn text(bytes: &mut &[u8]) -> Option<String> {
    let length = number(bytes)?;
    let (text, rest) = bytes.split_at_checked(length)?;
    *bytes = rest;
    String::from_utf8(text.to_vec()).ok()
}

/// A block of these headers. The first of a connection begins with zlib's header; every one ends with an empty block, at which Go's
/// reader gives out what it has.
pub(super) fn block(first: bool, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut plain = u32::try_from(headers.len()).expect("few").to_be_bytes().to_vec();
    for part in headers.iter().flat_map(|(name, value)| [name, value]) {
        plain.extend(u32::try_from(part.len()).expect("short").to_be_bytes());
        plain.extend(part.as_bytes());
    }
    let begin = if first { [&ZLIB[..], &DICTIONARY_ID].concat() } else { Vec::new() };
    [begin, stored(&plain), stored(&[])].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn adler(bytes: &[u8]) -> u32 {
        let (a, b) = bytes.iter().fold((1, 0), |(a, b), byte| {
            let a = (a + u32::from(*byte)) % 65521;
            (a, (b + a) % 65521)
        });
        b << 16 | a
    }

    #[test]
    fn the_dictionary_is_that_of_the_draft() {
        let dictionary = dictionary();
        assert_eq!((dictionary.len(), adler(&dictionary).to_be_bytes()), (1423, DICTIONARY_ID));
        assert_eq!(u16::from_be_bytes(ZLIB) % 31, 0, "zlib checks its header so");
    }

    /// What Go's `compress/zlib` writes with the dictionary for `streamtype: error` and `port: 80`, and then again after a flush.
    #[test]
    fn blocks_continue_each_other() {
        let mut headers = Headers::new();
        let first = headers.read(&block(true, &[("Streamtype", "error"), ("port", "80")])).unwrap();
        assert_eq!(format!("{first:?}"), r#"{"port": "80", "streamtype": "error"}"#);
        let second = headers.read(&block(false, &[("a", "1\x002")])).unwrap();
        assert_eq!(format!("{second:?}"), r#"{"a": "1,2"}"#);
    }

    #[test]
    fn blocks_that_are_none_are_refused() {
        let read = |block: &[u8]| Headers::new().read(block).unwrap_err().to_string();
        assert_eq!(read(b"abc"), "a header block is too short");
        assert_eq!(read(b"\x78\x9c123456"), "headers are not compressed with the dictionary of SPDY/3");
        let cut = [&ZLIB[..], &DICTIONARY_ID, &stored(&[0, 0, 0, 9])].concat();
        assert_eq!(read(&cut), "a header block is not well formed");
        let bomb = {
            let mut deflater = flate2::Compress::new(flate2::Compression::best(), false);
            let mut out = Vec::with_capacity(1 << 20);
            deflater.compress_vec(&vec![0; 16 << 20], &mut out, flate2::FlushCompress::Sync).unwrap();
            [&ZLIB[..], &DICTIONARY_ID, &out].concat()
        };
        assert_eq!(read(&bomb), "a header block is longer than 65536 bytes");
    }
}
