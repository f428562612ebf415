//! Names as the specification has them. What is parsed here may become part of a path; nothing else may.

use std::fmt;
use std::str::FromStr;

use serde_json::Value;
use sha2::{Digest as _, Sha256};

/// The longest repository name; hosts limit the length of a file's path.
const LONGEST_REPOSITORY: usize = 255;
const LONGEST_TAG: usize = 128;

/// A text that is no name of its kind.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidName {
    /// For a repository.
    #[error(
        "{0:?} is no repository name: parts of a-z and 0-9, joined by one of . _ __ - and separated by /, at most 255 characters"
    )]
    Repository(String),
    /// For a tag.
    #[error("{0:?} is no tag: at most 128 of A-Z a-z 0-9 . _ -, not beginning with . or -")]
    Tag(String),
    /// For a digest.
    #[error("{0:?} is no digest this registry knows: sha256: and 64 digits of 0-9 a-f")]
    Digest(String),
}

/// The name of a repository, for example `library/hello`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Repository(String);

impl Repository {
    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Repository {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.len() <= LONGEST_REPOSITORY && text.split('/').all(is_component) {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidName::Repository(shortened(text))),
        }
    }
}

/// `[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*`
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    let ends = [bytes.first(), bytes.last()];
    let mut separators = bytes.split(|byte| is_word(*byte)).filter(|part| !part.is_empty());
    ends.iter().all(|end| end.is_some_and(|byte| is_word(*byte))) && separators.all(is_separator)
}

fn is_separator(bytes: &[u8]) -> bool {
    matches!(bytes, b"." | b"_" | b"__") || bytes.iter().all(|byte| *byte == b'-')
}

/// A tag.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Tag(String);

impl Tag {
    /// The tag.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for Tag {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || *byte == b'_';
        let first = text.as_bytes().first().is_some_and(is_word);
        let all = text.bytes().all(|byte| is_word(&byte) || byte == b'.' || byte == b'-');
        match first && all && text.len() <= LONGEST_TAG {
            true => Ok(Self(text.to_owned())),
            false => Err(InvalidName::Tag(shortened(text))),
        }
    }
}

/// The SHA-256 of something.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Digest(String);

const ALGORITHM: &str = "sha256";

impl Digest {
    /// Of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self::finish(Sha256::new_with_prefix(bytes))
    }

    pub(crate) fn finish(hasher: Sha256) -> Self {
        Self(hasher.finalize().iter().map(|byte| format!("{byte:02x}")).collect())
    }

    /// The 64 hex digits.
    pub fn hex(&self) -> &str {
        &self.0
    }

    /// The digest a member of a JSON object names.
    pub(crate) fn in_descriptor(descriptor: &Value) -> Result<Self, InvalidName> {
        let text = descriptor.get("digest").and_then(Value::as_str);
        text.ok_or_else(|| InvalidName::Digest(String::new()))?.parse()
    }
}

impl FromStr for Digest {
    type Err = InvalidName;

    fn from_str(text: &str) -> Result<Self, InvalidName> {
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        match text.split_once(':') {
            Some((ALGORITHM, hex)) if hex.len() == 64 && hex.bytes().all(is_hex) => Ok(Self(hex.to_owned())),
            _ => Err(InvalidName::Digest(shortened(text))),
        }
    }
}

/// What a manifest is asked for by.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reference {
    /// A name that may move.
    Tag(Tag),
    /// A name that cannot.
    Digest(Digest),
}

impl FromStr for Reference {
    type Err = InvalidName;

    /// A tag has no colon, a digest has one.
    fn from_str(text: &str) -> Result<Self, InvalidName> {
        match text.contains(':') {
            true => text.parse().map(Self::Digest),
            false => text.parse().map(Self::Tag),
        }
    }
}

impl fmt::Display for Repository {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{ALGORITHM}:{}", self.0)
    }
}

impl fmt::Display for Reference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tag(tag) => tag.fmt(f),
            Self::Digest(digest) => digest.fmt(f),
        }
    }
}

/// Enough of a wrong name to recognise it by.
fn shortened(text: &str) -> String {
    match text.char_indices().nth(80) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text.to_owned(),
    }
}
