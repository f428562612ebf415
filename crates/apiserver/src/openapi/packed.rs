//! A document that is made once and kept compressed: an idle server holds a tenth of what it can say, and most clients take gzip as it is.

use std::io::{Read as _, Write as _};

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header};
use sha2::{Digest as _, Sha512};

use crate::body::Body;
use crate::{gzip, pipeline, reply};

/// The bytes of a document, and what they are known by.
pub(super) struct Packed {
    gzip: Bytes,
    length: usize,
    /// Upper-case hex SHA-512 of the document, as upstream's.
    pub(super) hash: String,
}

impl Packed {
    pub(super) fn new(document: &[u8]) -> Self {
        const TO_MEMORY: &str = "writing to memory cannot fail";
        let hash = Sha512::digest(document).iter().map(|byte| format!("{byte:02X}")).collect();
        let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(document).expect(TO_MEMORY);
        let mut gzip = encoder.finish().expect(TO_MEMORY);
        gzip.shrink_to_fit();
        Self { gzip: gzip.into(), length: document.len(), hash }
    }

    /// Answers with the document in the form the client takes, or 304 if the client has it.
    pub(super) fn answer(&self, content_type: &'static str, headers: &HeaderMap) -> Response<Body> {
        let tag = format!("\"{}\"", self.hash);
        let mut response = if known(headers, &tag) {
            pipeline::bare(StatusCode::NOT_MODIFIED)
        } else if gzip::accepted(headers) {
            let mut response = reply::with_type(StatusCode::OK, content_type, self.gzip.clone());
            response.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            response
        } else {
            reply::with_type(StatusCode::OK, content_type, self.inflated())
        };
        let headers = response.headers_mut();
        headers.insert(header::ETAG, HeaderValue::from_str(&tag).expect("hex digits in quotes are a header value"));
        headers.insert(header::VARY, HeaderValue::from_static("Accept, Accept-Encoding"));
        response
    }

    fn inflated(&self) -> Vec<u8> {
        let mut document = Vec::with_capacity(self.length);
        GzDecoder::new(&*self.gzip).read_to_end(&mut document).expect("it was compressed here");
        document
    }
}

fn known(headers: &HeaderMap, tag: &str) -> bool {
    let values = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|value| value.trim().trim_start_matches("W/") == tag)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_comes_back_as_it_was_in_either_coding() {
        let document = "x".repeat(10_000);
        let packed = Packed::new(document.as_bytes());
        assert!(packed.gzip.len() < 100);
        assert_eq!(packed.inflated(), document.as_bytes());
        let plain = packed.answer("application/json", &HeaderMap::new());
        assert_eq!(plain.body().length(), Some(10_000));
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static("gzip"));
        let compressed = packed.answer("application/json", &headers);
        assert_eq!(compressed.headers()[header::CONTENT_ENCODING], "gzip");
        headers.insert(header::IF_NONE_MATCH, compressed.headers()[header::ETAG].clone());
        assert_eq!(packed.answer("application/json", &headers).status(), 304);
    }
}
