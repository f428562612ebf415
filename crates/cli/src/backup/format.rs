//! The file: a gzipped tar, so that whoever has lost everything else can look into it with what every system has.
//!
//! ```text
//! sampan-backup.json       what it is, and the store's revision
//! data/pki/ca.key, ..      files of the data directory
//! objects/00000000.jsonl   objects in key order, one a line, as they lie in the store: Secrets stay sealed
//! data/registry/..         the embedded registry's content
//! end.json                 how many objects there are: without it the file is not whole
//! ```

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sampan_store::{Kept, Key, Record, Revision};
use serde::{Deserialize, Serialize};

pub(super) const HEAD: &str = "sampan-backup.json";
pub(super) const END: &str = "end.json";
pub(super) const DATA: &str = "data/";
pub(super) const OBJECTS: &str = "objects/";
/// What this program writes, and the newest it reads.
const VERSION: u32 = 1;
const FORMAT: &str = "sampan.dev/backup";

/// What the file is.
#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Head {
    format: String,
    version: u32,
    /// Seconds since 1970.
    pub(super) taken: i64,
    pub(super) revision: u64,
    pub(super) epoch: u64,
}

impl Head {
    pub(super) fn new(taken: i64, revision: u64, epoch: u64) -> Self {
        Self { format: FORMAT.to_owned(), version: VERSION, taken, revision, epoch }
    }

    pub(super) fn check(&self) -> Result<(), String> {
        match (self.format.as_str(), self.version) {
            (FORMAT, 1..=VERSION) => Ok(()),
            (FORMAT, other) => {
                Err(format!("it has format version {other}, this program knows {VERSION}: use a newer one"))
            }
            (other, _) => Err(format!("it is a {other}, not a {FORMAT}")),
        }
    }
}

/// What must have come before.
#[derive(Debug, Deserialize, Serialize)]
pub(super) struct End {
    pub(super) objects: u64,
}

/// One object.
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(super) struct Line {
    resource: String,
    #[serde(default, skip_serializing_if = "String::is_empty")]
    namespace: String,
    name: String,
    revision: u64,
    create_revision: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    expires: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    text: Option<String>,
    /// What is no text: sealed bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    base64: Option<String>,
}

impl From<Kept> for Line {
    fn from(Kept { record, expires }: Kept) -> Self {
        let Record { key, revision, create_revision, data } = record;
        let (text, base64) = match String::from_utf8(data.into()) {
            Ok(text) => (Some(text), None),
            Err(bytes) => (None, Some(STANDARD.encode(bytes.as_bytes()))),
        };
        Self {
            resource: key.resource.to_string(),
            namespace: key.namespace.to_string(),
            name: key.name.to_string(),
            revision: revision.0,
            create_revision: create_revision.0,
            expires,
            text,
            base64,
        }
    }
}

impl TryFrom<Line> for Kept {
    type Error = String;

    fn try_from(line: Line) -> Result<Self, String> {
        let key = Key::new(line.resource, line.namespace, line.name);
        let data = match (line.text, line.base64) {
            (Some(text), None) => text.into_bytes(),
            (None, Some(bytes)) => STANDARD.decode(bytes).map_err(|error| format!("{key} is no base64: {error}"))?,
            _ => return Err(format!("{key} has neither text nor base64, or both")),
        };
        let (revision, create_revision) = (Revision(line.revision), Revision(line.create_revision));
        Ok(Self { record: Record { key, revision, create_revision, data: data.into() }, expires: line.expires })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_of_text_and_of_bytes_come_back_as_they_were() {
        for data in [&b"{\"a\":\n\"\\u00fc\"}"[..], &[0, 159, 255], b""] {
            let record = Record {
                key: Key::new("/secrets", "default", "a"),
                revision: Revision(7),
                create_revision: Revision(3),
                data: data.to_vec().into(),
            };
            let kept = Kept { record, expires: Some(9) };
            let line = serde_json::to_string(&Line::from(kept.clone())).unwrap();
            assert!(!line.contains('\n'), "{line}");
            let read: Line = serde_json::from_str(&line).unwrap();
            assert_eq!(Kept::try_from(read), Ok(kept));
        }
    }

    #[test]
    fn what_is_not_ours_or_too_new_is_refused() {
        let head = |format: &str, version| Head { format: format.into(), version, ..Head::new(0, 1, 1) };
        assert_eq!(head(FORMAT, 1).check(), Ok(()));
        assert_eq!(head("tape", 1).check().unwrap_err(), "it is a tape, not a sampan.dev/backup");
        let newer = head(FORMAT, 2).check().unwrap_err();
        assert_eq!(newer, "it has format version 2, this program knows 1: use a newer one");
    }
}
