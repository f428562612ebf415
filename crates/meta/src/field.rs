//! What validation finds: errors that name a field, in upstream's words (`apimachinery/pkg/util/validation/field`).

use serde_json::Value;
use std::fmt;

/// Where a field is, as people write it: `spec.containers[0].image`, `metadata.labels[app]`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Path(String);

impl Path {
    /// A path that begins at a field of the object, for example `spec`. Dots in `name` are taken as they are.
    pub fn new(name: &str) -> Self {
        Self(name.to_owned())
    }

    /// The path of a field below.
    pub fn child(&self, name: &str) -> Self {
        if self.0.is_empty() { Self::new(name) } else { Self(format!("{}.{name}", self.0)) }
    }

    /// The path of a list's element.
    pub fn index(&self, index: usize) -> Self {
        Self(format!("{}[{index}]", self.0))
    }

    /// The path of a map's entry.
    pub fn key(&self, key: &str) -> Self {
        Self(format!("{}[{key}]", self.0))
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(if self.0.is_empty() { "<nil>" } else { &self.0 })
    }
}

/// What is wrong with a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ErrorKind {
    NotFound,
    Required,
    Duplicate,
    Invalid,
    NotSupported,
    Forbidden,
    TooLong,
    TooMany,
    Internal,
    TypeInvalid,
}

impl ErrorKind {
    /// The reason a Status cause carries.
    pub fn reason(self) -> &'static str {
        match self {
            Self::NotFound => "FieldValueNotFound",
            Self::Required => "FieldValueRequired",
            Self::Duplicate => "FieldValueDuplicate",
            Self::Invalid => "FieldValueInvalid",
            Self::NotSupported => "FieldValueNotSupported",
            Self::Forbidden => "FieldValueForbidden",
            Self::TooLong => "FieldValueTooLong",
            Self::TooMany => "FieldValueTooMany",
            Self::Internal => "InternalError",
            Self::TypeInvalid => "FieldValueTypeInvalid",
        }
    }

    fn text(self) -> &'static str {
        match self {
            Self::NotFound => "Not found",
            Self::Required => "Required value",
            Self::Duplicate => "Duplicate value",
            Self::Invalid | Self::TypeInvalid => "Invalid value",
            Self::NotSupported => "Unsupported value",
            Self::Forbidden => "Forbidden",
            Self::TooLong => "Too long",
            Self::TooMany => "Too many",
            Self::Internal => "Internal error",
        }
    }

    fn shows_value(self) -> bool {
        !matches!(self, Self::Required | Self::Forbidden | Self::TooLong | Self::Internal)
    }
}

/// One finding about one field.
#[derive(Clone, Debug, PartialEq)]
pub struct Error {
    pub kind: ErrorKind,
    /// Where, as text; see [`Path`].
    pub field: String,
    /// The offending value; shown for the kinds that show it. `None` leaves it out.
    pub value: Option<Value>,
    /// What is expected instead; may be empty.
    pub detail: String,
}

/// All findings about one object.
pub type ErrorList = Vec<Error>;

impl Error {
    /// The message without the field's name, as a Status cause carries it. Values are shown as JSON.
    pub fn body(&self) -> String {
        let mut body = self.kind.text().to_owned();
        if let Some(value) = self.value.as_ref().filter(|_| self.kind.shows_value()) {
            body = format!("{body}: {value}");
        }
        if !self.detail.is_empty() {
            body = format!("{body}: {}", self.detail);
        }
        body
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.field, self.body())
    }
}

impl std::error::Error for Error {}

fn error(kind: ErrorKind, path: &Path, value: Option<Value>, detail: impl Into<String>) -> Error {
    Error { kind, field: path.to_string(), value, detail: detail.into() }
}

/// A value that refers to something that does not exist.
pub fn not_found(path: &Path, value: impl Into<Value>) -> Error {
    error(ErrorKind::NotFound, path, Some(value.into()), "")
}

/// A value that must be given: `spec.a: Required value: detail`.
pub fn required(path: &Path, detail: impl Into<String>) -> Error {
    error(ErrorKind::Required, path, None, detail)
}

/// A value that must be unique.
pub fn duplicate(path: &Path, value: impl Into<Value>) -> Error {
    error(ErrorKind::Duplicate, path, Some(value.into()), "")
}

/// A value that is malformed: `spec.a: Invalid value: "x": detail`.
pub fn invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Error {
    error(ErrorKind::Invalid, path, Some(value.into()), detail)
}

/// A value of the wrong type.
pub fn type_invalid(path: &Path, value: impl Into<Value>, detail: impl Into<String>) -> Error {
    error(ErrorKind::TypeInvalid, path, Some(value.into()), detail)
}

/// A value that is none of the allowed ones: `Unsupported value: "x": supported values: "a", "b"`. Keeps the order given.
pub fn not_supported<S: AsRef<str>>(path: &Path, value: impl Into<Value>, supported: &[S]) -> Error {
    let quoted: Vec<String> = supported.iter().map(|text| format!("{:?}", text.as_ref())).collect();
    let detail = if quoted.is_empty() { String::new() } else { format!("supported values: {}", quoted.join(", ")) };
    error(ErrorKind::NotSupported, path, Some(value.into()), detail)
}

/// A value that is well formed and not permitted here.
pub fn forbidden(path: &Path, detail: impl Into<String>) -> Error {
    error(ErrorKind::Forbidden, path, None, detail)
}

/// A text of more bytes than allowed.
pub fn too_long(path: &Path, max_length: usize) -> Error {
    error(ErrorKind::TooLong, path, None, format!("may not be more than {}", counted(max_length, "byte")))
}

/// A list of more elements than allowed.
pub fn too_many(path: &Path, actual: usize, max: usize) -> Error {
    error(ErrorKind::TooMany, path, Some(Value::from(actual)), format!("must have at most {}", counted(max, "item")))
}

fn counted(count: usize, unit: &str) -> String {
    format!("{count} {unit}{}", if count == 1 { "" } else { "s" })
}

/// A check that failed for a reason that is not the user's.
pub fn internal(path: &Path, detail: impl Into<String>) -> Error {
    error(ErrorKind::Internal, path, None, detail)
}

/// A change to a field that may not change: `Invalid value: …: field is immutable`.
pub fn immutable(path: &Path, value: impl Into<Value>) -> Error {
    invalid(path, value, "field is immutable")
}

#[cfg(test)]
mod tests;
