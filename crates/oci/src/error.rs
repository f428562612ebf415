//! Errors in the form of the specification: a status code and `{"errors": [{"code", "message", "detail"}]}`.

use std::io;
use std::path::PathBuf;

use axum::response::{IntoResponse, Response};
use http::header::{CONTENT_TYPE, HeaderValue, WWW_AUTHENTICATE};
use http::{HeaderName, StatusCode};
use serde_json::json;

use crate::name::InvalidName;

/// Why a registry cannot be opened.
#[derive(Debug, thiserror::Error)]
#[error("failed to open the registry in {path}")]
pub struct OpenError {
    /// The file or directory.
    pub path: PathBuf,
    /// What went wrong with it.
    #[source]
    pub source: io::Error,
}

impl OpenError {
    /// Whether the same call may succeed later: mostly not before somebody has done something about it.
    pub fn retryable(&self) -> bool {
        matches!(self.source.kind(), io::ErrorKind::StorageFull | io::ErrorKind::Interrupted)
    }
}

/// The specification's error codes, and two of our own for what it does not foresee.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Code {
    BlobUnknown,
    BlobUploadInvalid,
    BlobUploadUnknown,
    DigestInvalid,
    ManifestBlobUnknown,
    ManifestInvalid,
    ManifestUnknown,
    NameInvalid,
    NameUnknown,
    SizeInvalid,
    Unauthorized,
    Denied,
    Unsupported,
    TooManyRequests,
    /// A part of an upload that does not continue it, or a range beyond the end.
    RangeInvalid,
    /// The disk is full.
    StorageFull,
    /// Anything else that is not the client's fault.
    Unknown,
}

impl Code {
    fn parts(self) -> (StatusCode, &'static str) {
        match self {
            Self::BlobUnknown => (StatusCode::NOT_FOUND, "BLOB_UNKNOWN"),
            Self::BlobUploadInvalid => (StatusCode::BAD_REQUEST, "BLOB_UPLOAD_INVALID"),
            Self::BlobUploadUnknown => (StatusCode::NOT_FOUND, "BLOB_UPLOAD_UNKNOWN"),
            Self::DigestInvalid => (StatusCode::BAD_REQUEST, "DIGEST_INVALID"),
            Self::ManifestBlobUnknown => (StatusCode::NOT_FOUND, "MANIFEST_BLOB_UNKNOWN"),
            Self::ManifestInvalid => (StatusCode::BAD_REQUEST, "MANIFEST_INVALID"),
            Self::ManifestUnknown => (StatusCode::NOT_FOUND, "MANIFEST_UNKNOWN"),
            Self::NameInvalid => (StatusCode::BAD_REQUEST, "NAME_INVALID"),
            Self::NameUnknown => (StatusCode::NOT_FOUND, "NAME_UNKNOWN"),
            Self::SizeInvalid => (StatusCode::PAYLOAD_TOO_LARGE, "SIZE_INVALID"),
            Self::Unauthorized => (StatusCode::UNAUTHORIZED, "UNAUTHORIZED"),
            Self::Denied => (StatusCode::FORBIDDEN, "DENIED"),
            Self::Unsupported => (StatusCode::METHOD_NOT_ALLOWED, "UNSUPPORTED"),
            Self::TooManyRequests => (StatusCode::TOO_MANY_REQUESTS, "TOOMANYREQUESTS"),
            Self::RangeInvalid => (StatusCode::RANGE_NOT_SATISFIABLE, "RANGE_INVALID"),
            Self::StorageFull => (StatusCode::INSUFFICIENT_STORAGE, "STORAGE_FULL"),
            Self::Unknown => (StatusCode::INTERNAL_SERVER_ERROR, "UNKNOWN"),
        }
    }
}

/// How a request ends that cannot be answered.
#[derive(Clone, Debug)]
pub(crate) struct Error {
    pub(crate) code: Code,
    pub(crate) message: String,
    headers: Vec<(HeaderName, HeaderValue)>,
}

impl Error {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Self {
        Self { code, message: message.into(), headers: Vec::new() }
    }

    /// Adds a header that helps the client to go on.
    pub(crate) fn with(mut self, name: HeaderName, value: impl AsRef<str>) -> Self {
        if let Ok(value) = HeaderValue::from_str(value.as_ref()) {
            self.headers.push((name, value));
        }
        self
    }
}

impl From<io::Error> for Error {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
                tracing::warn!(%error, "the disk of the registry is full");
                Self::new(Code::StorageFull, "the disk of the registry is full: free some space on it and push again")
            }
            _ => {
                tracing::error!(%error, "the registry cannot reach its files");
                // The client learns that it is not its fault; paths on this machine are nothing it should see.
                Self::new(Code::Unknown, format!("the registry cannot reach its files: {}", error.kind()))
            }
        }
    }
}

impl From<InvalidName> for Error {
    fn from(error: InvalidName) -> Self {
        let code = match error {
            InvalidName::Repository(_) => Code::NameInvalid,
            InvalidName::Tag(_) => Code::ManifestInvalid,
            InvalidName::Digest(_) => Code::DigestInvalid,
        };
        Self::new(code, error.to_string())
    }
}

impl IntoResponse for Error {
    fn into_response(self) -> Response {
        let Self { code, message, headers } = self;
        let (status, name) = code.parts();
        let body = json!({ "errors": [{ "code": name, "message": message }] }).to_string();
        let mut response = (status, body).into_response();
        response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if code == Code::Unauthorized {
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Basic realm=\"sampan\""));
        }
        response.headers_mut().extend(headers);
        response
    }
}
