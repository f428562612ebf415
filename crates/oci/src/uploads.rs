//! `/v2/NAME/blobs/uploads/`: bringing content, in one piece, in chunks, or from another repository.

use std::sync::Arc;

use axum::body::Body;
use axum::response::Response;
use http::header::{CONTENT_RANGE, HeaderName, LOCATION, RANGE};
use http::{Method, StatusCode};

use crate::auth::Action;
use crate::error::{Code, Error};
use crate::name::{Digest, Repository};
use crate::registry::{Asked, Inner};
use crate::sessions::Session;

const UPLOAD_ID: HeaderName = HeaderName::from_static("docker-upload-uuid");

/// `POST`: begins an upload, or does it all at once (`?digest=`), or without any content (`?mount=&from=`).
pub(crate) async fn begin(registry: &Inner, name: &Repository, asked: &Asked, body: Body) -> Result<Response, Error> {
    if asked.method != Method::POST {
        return Err(asked.unsupported());
    }
    if let Some(digest) = asked.query("mount").map(str::to_owned)
        && mount(registry, name, &digest, asked).await?
    {
        return Ok(created(name, &digest.parse()?));
    }
    let digest = asked.query("digest").map(str::parse::<Digest>).transpose()?;
    let session = registry.sessions.begin(name).await?;
    match digest {
        None => Ok(under_way(StatusCode::ACCEPTED, name, &session, 0)),
        Some(digest) => {
            if let Err(error) = registry.sessions.append(&session, Some(0), body).await {
                // The client was not told its id and cannot go on with it.
                registry.sessions.end(&session).await;
                return Err(error);
            }
            publish(registry, name, &session, &digest).await
        }
    }
}

/// Whether the blob is now in this repository too. A repository the client may not read is as good as one without the blob:
/// the answer to both is a new upload, from which nothing can be learned.
async fn mount(registry: &Inner, name: &Repository, digest: &str, asked: &Asked) -> Result<bool, Error> {
    let digest: Digest = digest.parse()?;
    let Some(from) = asked.query("from") else { return Ok(false) };
    let from: Repository = from.parse()?;
    match registry.allows(asked, Action::Pull, &from).await {
        true => registry.storage.mount(&from, name, &digest).await,
        false => Ok(false),
    }
}

/// An upload that has begun: asking how far it is, bringing more, ending it, giving it up.
pub(crate) async fn answer(
    registry: &Inner,
    name: &Repository,
    id: &str,
    asked: &Asked,
    body: Body,
) -> Result<Response, Error> {
    let session = registry.sessions.find(name, id)?;
    match asked.method {
        Method::GET | Method::HEAD => {
            let size = session.size().await;
            Ok(under_way(StatusCode::NO_CONTENT, name, &session, size))
        }
        Method::PATCH => {
            let size = append(registry, name, &session, asked, body).await?;
            Ok(under_way(StatusCode::ACCEPTED, name, &session, size))
        }
        Method::PUT => {
            let missing =
                || Error::new(Code::DigestInvalid, "the digest of the blob is missing: PUT ..?digest=sha256:..");
            let digest: Digest = asked.query("digest").ok_or_else(missing)?.parse()?;
            append(registry, name, &session, asked, body).await?;
            publish(registry, name, &session, &digest).await
        }
        Method::DELETE => {
            registry.sessions.end(&session).await;
            Ok(Response::builder().status(StatusCode::NO_CONTENT).body(Body::empty()).expect("a status alone"))
        }
        _ => Err(asked.unsupported()),
    }
}

async fn append(
    registry: &Inner,
    name: &Repository,
    session: &Arc<Session>,
    asked: &Asked,
    body: Body,
) -> Result<u64, Error> {
    let start = asked.header(&CONTENT_RANGE).map(start_of).transpose()?;
    let appended = registry.sessions.append(session, start, body).await;
    match appended {
        Err(error) if error.code == Code::RangeInvalid => {
            let size = session.size().await;
            Err(error.with(RANGE, range(size)).with(LOCATION, location(name, session)))
        }
        other => other,
    }
}

/// Where a chunk begins: `START-END`, also written `bytes START-END/SIZE`.
fn start_of(header: &str) -> Result<u64, Error> {
    let numbers = header.trim().trim_start_matches("bytes").trim_start();
    let start = numbers.split_once('-').and_then(|(start, _)| start.parse().ok());
    start.ok_or_else(|| Error::new(Code::BlobUploadInvalid, format!("{header:?} is no range of bytes: START-END")))
}

async fn publish(
    registry: &Inner,
    name: &Repository,
    session: &Arc<Session>,
    digest: &Digest,
) -> Result<Response, Error> {
    let path = registry.sessions.finish(session, digest).await?;
    if let Err(error) = registry.storage.publish(path.clone(), name, digest).await {
        // It is no upload any more, and on a full disk it would keep it full; if it has its name already there is nothing here.
        let _ = tokio::fs::remove_file(path).await;
        return Err(error);
    }
    Ok(created(name, digest))
}

fn created(name: &Repository, digest: &Digest) -> Response {
    let response = Response::builder()
        .status(StatusCode::CREATED)
        .header(LOCATION, format!("/v2/{name}/blobs/{digest}"))
        .header("docker-content-digest", digest.to_string())
        .body(Body::empty());
    response.expect("these headers are made of names and digests")
}

fn under_way(status: StatusCode, name: &Repository, session: &Session, size: u64) -> Response {
    let response = Response::builder()
        .status(status)
        .header(LOCATION, location(name, session))
        .header(RANGE, range(size))
        .header(UPLOAD_ID, session.id.as_str())
        .body(Body::empty());
    response.expect("these headers are made of names and numbers")
}

fn location(name: &Repository, session: &Session) -> String {
    format!("/v2/{name}/blobs/uploads/{}", session.id)
}

/// What has arrived, first and last byte; by custom `0-0` also when that is nothing.
fn range(size: u64) -> String {
    format!("0-{}", size.saturating_sub(1))
}
