//! `/v2/NAME/blobs/DIGEST`: reading and removing content.

use std::io::SeekFrom;

use axum::body::Body;
use axum::response::{IntoResponse, Response};
use http::header::{ACCEPT_RANGES, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, RANGE};
use http::{Method, StatusCode};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt};
use tokio_util::io::ReaderStream;

use crate::error::{Code, Error};
use crate::name::{Digest, Repository};
use crate::range::Part;
use crate::registry::{Asked, Inner};

/// How much is read from the disk at once.
const PIECE: usize = 64 * 1024;

pub(crate) async fn answer(
    registry: &Inner,
    name: &Repository,
    digest: &Digest,
    asked: &Asked,
) -> Result<Response, Error> {
    match asked.method {
        Method::GET | Method::HEAD => read(registry, name, digest, asked).await,
        Method::DELETE => {
            let was_there = registry.storage.unlink_blob(name, digest).await?;
            if was_there { Ok(StatusCode::ACCEPTED.into_response()) } else { Err(unknown(name, digest)) }
        }
        _ => Err(asked.unsupported()),
    }
}

fn unknown(name: &Repository, digest: &Digest) -> Error {
    Error::new(Code::BlobUnknown, format!("repository {name} has no blob {digest}"))
}

async fn read(registry: &Inner, name: &Repository, digest: &Digest, asked: &Asked) -> Result<Response, Error> {
    let mut file = registry.storage.open_blob(name, digest).await?.ok_or_else(|| unknown(name, digest))?;
    let length = file.metadata().await?.len();
    let (status, first, count) = match Part::of(asked.header(&RANGE), length) {
        Part::Whole => (StatusCode::OK, 0, length),
        Part::Bytes(first, last) => (StatusCode::PARTIAL_CONTENT, first, last - first + 1),
        Part::Beyond => {
            let why = format!("blob {digest} has {length} bytes");
            return Err(Error::new(Code::RangeInvalid, why).with(CONTENT_RANGE, format!("bytes */{length}")));
        }
    };
    let body = match asked.method {
        Method::HEAD => Body::empty(),
        _ => {
            file.seek(SeekFrom::Start(first)).await?;
            stream(file, count)
        }
    };
    let mut response = Response::builder()
        .status(status)
        .header(CONTENT_TYPE, "application/octet-stream")
        .header(CONTENT_LENGTH, count)
        .header(ACCEPT_RANGES, "bytes")
        .header(ETAG, format!("\"{digest}\""))
        .header("docker-content-digest", digest.to_string());
    if status == StatusCode::PARTIAL_CONTENT {
        response = response.header(CONTENT_RANGE, format!("bytes {first}-{}/{length}", first + count - 1));
    }
    Ok(response.body(body).expect("these headers are made of digits and a digest"))
}

fn stream(file: File, count: u64) -> Body {
    Body::from_stream(ReaderStream::with_capacity(file.take(count), PIECE))
}
