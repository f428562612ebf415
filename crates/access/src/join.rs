//! Join tokens: what one machine is told so that it can trust the cluster and the cluster can trust it.
//!
//! `sampan.<pin>.<id>.<secret>`: the pin is the SHA-256 of the cluster authority's public key (SPKI) in hex, with which the new
//! machine recognises the server before it says anything ([`crate::pki::pinned_client_config`]); id and secret are an
//! upstream bootstrap token, which it then shows as bearer.

use std::fmt;
use std::str::FromStr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sampan_meta::Entropy;
use sampan_meta::time::format_time;
use serde_json::{Value, json};

/// Where the Secrets of bootstrap tokens live.
pub const NAMESPACE: &str = "kube-system";
/// What the names of those Secrets begin with; the token's id follows.
pub const SECRET_PREFIX: &str = "bootstrap-token-";
/// The type of those Secrets.
pub const SECRET_TYPE: &str = "bootstrap.kubernetes.io/token";
/// The group of everybody who shows a bootstrap token.
pub const GROUP: &str = "system:bootstrappers";

const PREFIX: &str = "sampan";
const ID_LENGTH: usize = 6;
const SECRET_LENGTH: usize = 16;
const PIN_LENGTH: usize = 64;
/// 36 letters, as upstream's bootstrap tokens use them.
const ALPHABET: &[u8; 36] = b"abcdefghijklmnopqrstuvwxyz0123456789";

/// A join token, taken apart.
#[derive(Clone, PartialEq, Eq)]
pub struct JoinToken {
    /// SHA-256 of the authority's SPKI, 64 hex digits: see [`crate::Authority::pin`].
    pub pin: String,
    /// Public part, 6 letters or digits.
    pub id: String,
    secret: String,
}

/// A text that is no join token, and what is wrong with it. Never shows the text itself.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseError {
    /// Another kind of text.
    #[error("not a join token: it has the form sampan.PIN.ID.SECRET; make one with: sampan token create")]
    Form,
    /// A bootstrap token without the pin.
    #[error(
        "this is a bootstrap token without the pin of the cluster's authority, so the server cannot be recognised; use the whole token: sampan.PIN.ID.SECRET"
    )]
    NoPin,
    /// One part is wrong, most often cut off while copying.
    #[error(
        "the {part} of the join token has {found} characters instead of {expected} of {letters}; was it copied whole?"
    )]
    Part {
        /// pin, id or secret
        part: &'static str,
        /// how many there are
        found: usize,
        /// how many there should be
        expected: usize,
        /// which are allowed
        letters: &'static str,
    },
}

impl JoinToken {
    /// A new token for the authority with this pin.
    pub fn generate(pin: &str, entropy: &dyn Entropy) -> Self {
        Self { pin: pin.to_owned(), id: letters(entropy, ID_LENGTH), secret: letters(entropy, SECRET_LENGTH) }
    }

    /// What goes behind `Bearer`: the bootstrap token `ID.SECRET`.
    pub fn bearer(&self) -> String {
        format!("{}.{}", self.id, self.secret)
    }

    /// The Secret that makes the token hold until `expires`; create it in [`NAMESPACE`].
    pub fn secret_object(&self, expires: Timestamp, description: &str) -> Value {
        let encoded = |text: &str| STANDARD.encode(text);
        json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": { "name": format!("{SECRET_PREFIX}{}", self.id), "namespace": NAMESPACE },
            "type": SECRET_TYPE,
            "data": {
                "token-id": encoded(&self.id),
                "token-secret": encoded(&self.secret),
                "expiration": encoded(&format_time(expires)),
                "usage-bootstrap-authentication": encoded("true"),
                "usage-bootstrap-signing": encoded("true"),
                "auth-extra-groups": encoded("system:bootstrappers:sampan:default-node-token"),
                "description": encoded(description),
            },
        })
    }
}

impl fmt::Display for JoinToken {
    /// The whole token, secret included: for the person who asked for it, never for a log.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{PREFIX}.{}.{}.{}", self.pin, self.id, self.secret)
    }
}

impl fmt::Debug for JoinToken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("JoinToken").field("pin", &self.pin).field("id", &self.id).finish_non_exhaustive()
    }
}

impl FromStr for JoinToken {
    type Err = ParseError;

    fn from_str(text: &str) -> Result<Self, ParseError> {
        let text = text.trim();
        if split(text).is_some() {
            return Err(ParseError::NoPin);
        }
        let parts: Vec<&str> = text.split('.').collect();
        let [PREFIX, pin, id, secret] = parts.as_slice() else { return Err(ParseError::Form) };
        let is_hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        part("pin", pin, PIN_LENGTH, "0-9a-f", is_hex)?;
        part("id", id, ID_LENGTH, "a-z0-9", is_letter)?;
        part("secret", secret, SECRET_LENGTH, "a-z0-9", is_letter)?;
        Ok(Self { pin: (*pin).to_owned(), id: (*id).to_owned(), secret: (*secret).to_owned() })
    }
}

fn part(
    part: &'static str,
    text: &str,
    expected: usize,
    letters: &'static str,
    allowed: fn(u8) -> bool,
) -> Result<(), ParseError> {
    match text.len() == expected && text.bytes().all(allowed) {
        true => Ok(()),
        false => Err(ParseError::Part { part, found: text.chars().count(), expected, letters }),
    }
}

fn is_letter(byte: u8) -> bool {
    ALPHABET.contains(&byte)
}

/// The id and the secret of a text that has the form of a bootstrap token.
pub(crate) fn split(token: &str) -> Option<(&str, &str)> {
    let (id, secret) = token.split_once('.')?;
    let whole = |text: &str, length: usize| text.len() == length && text.bytes().all(is_letter);
    (whole(id, ID_LENGTH) && whole(secret, SECRET_LENGTH)).then_some((id, secret))
}

fn letters(entropy: &dyn Entropy, length: usize) -> String {
    let mut text = String::with_capacity(length);
    let mut byte = [0];
    while text.len() < length {
        entropy.fill(&mut byte);
        // 252 is the largest multiple of 36 a byte holds: drawing again above it keeps all letters equally likely.
        if byte[0] < 252 {
            text.push(char::from(ALPHABET[usize::from(byte[0]) % ALPHABET.len()]));
        }
    }
    text
}

#[cfg(test)]
mod tests;
