//! Compression of large answers, as upstream: only when the client accepts gzip and the body exceeds 128 KiB.

use std::io::Write as _;

use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, header};

use crate::body::Body;

/// Bodies up to this many bytes travel as they are (`defaultGzipThresholdBytes`, apiserver responsewriters).
const THRESHOLD: u64 = 128 * 1024;

/// Compresses `body` block by block if it is worth it and the client takes it, and says so in `headers`.
pub(crate) fn compress(body: Body, request_accepts: bool, headers: &mut HeaderMap) -> Body {
    let done = headers.contains_key(header::CONTENT_ENCODING);
    if done || !request_accepts || body.length().is_none_or(|length| length <= THRESHOLD) {
        return body;
    }
    match body.into_blocks() {
        Err(endless) => endless,
        Ok(blocks) => {
            headers.remove(header::CONTENT_LENGTH);
            headers.insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            headers.append(header::VARY, HeaderValue::from_static("Accept-Encoding"));
            let compressed = Compressed { blocks, encoder: Some(GzEncoder::new(Vec::new(), Compression::fast())) };
            Body::stream(futures::stream::iter(compressed.map(Ok)))
        }
    }
}

/// Says if the `Accept-Encoding` of a request names gzip.
pub(crate) fn accepted(headers: &HeaderMap) -> bool {
    headers
        .get_all(header::ACCEPT_ENCODING)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split(','))
        .any(|coding| {
            let mut parts = coding.split(';').map(str::trim);
            parts.next() == Some("gzip") && parts.next() != Some("q=0")
        })
}

struct Compressed {
    blocks: Box<dyn Iterator<Item = Bytes> + Send>,
    encoder: Option<GzEncoder<Vec<u8>>>,
}

impl Iterator for Compressed {
    type Item = Bytes;

    fn next(&mut self) -> Option<Bytes> {
        const TO_MEMORY: &str = "writing to memory cannot fail";
        loop {
            let encoder = self.encoder.as_mut()?;
            let Some(block) = self.blocks.next() else {
                let rest = self.encoder.take()?.finish().expect(TO_MEMORY);
                return Some(rest.into());
            };
            encoder.write_all(&block).expect(TO_MEMORY);
            let ready = encoder.get_mut();
            if !ready.is_empty() {
                return Some(std::mem::take(ready).into());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http_body_util::BodyExt as _;
    use std::io::Read as _;

    #[tokio::test]
    async fn a_large_body_comes_out_as_it_went_in() {
        let text = "sampan ".repeat(100_000);
        let mut headers = HeaderMap::new();
        let body = compress(Body::from(text.clone()), true, &mut headers);
        let bytes = body.collect().await.unwrap().to_bytes();
        let mut back = String::new();
        flate2::read::GzDecoder::new(&bytes[..]).read_to_string(&mut back).unwrap();
        assert!(back == text && bytes.len() * 10 < text.len());
        assert_eq!(headers[header::CONTENT_ENCODING], "gzip");
    }

    #[tokio::test]
    async fn a_small_body_or_an_unwilling_client_gets_it_plain() {
        for (size, accepts) in [(1000, true), (1_000_000, false)] {
            let mut headers = HeaderMap::new();
            let body = compress(Body::from(vec![b'x'; size]), accepts, &mut headers);
            assert_eq!(body.collect().await.unwrap().to_bytes().len(), size);
            assert!(headers.is_empty());
        }
    }
}
