//! One key, and the bytes it makes of an object.
//!
//! `sampan:sealed:v1:KEYID:` + 32 random bytes + ciphertext and tag. Each write has an AEAD key and nonce of its own, derived
//! (HKDF-SHA256) from the secret and the random bytes: a key never comes near the 2^32 messages that are the limit of random 96-bit
//! nonces, however long it is in use (upstream's KMS v2 derives keys for the same reason, value/encrypt/aes/aes_extended_nonce.go).
//!
//! With a secret that a service outside has encrypted (the *envelope*), `v2` instead of `v1`, and between the second colon and the random
//! bytes: the length of the service's name in one byte, the name, the length of the envelope in two, the envelope.

use std::fmt;

use bytes::Bytes;
use ring::aead::{self, Aad, LessSafeKey, Nonce, UnboundKey};
use ring::{digest, hkdf};
use sampan_meta::Entropy;

use crate::Key;

const MAGIC: &[u8] = b"sampan:sealed:v1:";
/// As long as the other.
const MAGIC_OF_SERVICE: &[u8] = b"sampan:sealed:v2:";
const ID: usize = 16;
const SALT: usize = 32;
const TAG: usize = 16;
const HEAD: usize = MAGIC.len() + ID + 1;
/// A key of AES-128 is the least upstream takes.
const SHORTEST_SECRET: usize = 16;

const CIPHER_KEY: usize = 32;
const DERIVED: usize = CIPHER_KEY + aead::NONCE_LEN;

/// How objects are encrypted; both authenticate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cipher {
    /// AES-256-GCM: the faster one where the processor helps.
    Aes256Gcm,
    /// ChaCha20-Poly1305: the faster one where it does not (a Raspberry Pi 4).
    ChaCha20Poly1305,
}

impl Cipher {
    fn algorithm(self) -> &'static aead::Algorithm {
        match self {
            Self::Aes256Gcm => &aead::AES_256_GCM,
            Self::ChaCha20Poly1305 => &aead::CHACHA20_POLY1305,
        }
    }
}

/// Bytes that make no key.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum KeyError {
    /// The secret has so few bytes.
    #[error("a secret of {0} bytes is too short, {SHORTEST_SECRET} are the least and 32 the usual")]
    TooShort(usize),
    /// What a key service made of it.
    #[error("a key service's name has at most 255 bytes, and what it encrypts a secret to at most 65,535")]
    TooLong,
}

/// A key that seals and opens.
pub struct SealKey {
    name: String,
    id: String,
    cipher: Cipher,
    secret: hkdf::Prk,
    /// Of a secret that a service keeps: the service's name and the envelope, with their lengths.
    envelope: Vec<u8>,
}

impl SealKey {
    /// A key of a secret. The name is for people; what is sealed names the key by a hash of it, so that another secret under the
    /// same name is told apart.
    pub fn new(name: impl Into<String>, cipher: Cipher, secret: &[u8]) -> Result<Self, KeyError> {
        if secret.len() < SHORTEST_SECRET {
            return Err(KeyError::TooShort(secret.len()));
        }
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, b"sampan seal").extract(secret);
        Ok(Self { name: name.into(), id: id_of(cipher, secret), cipher, secret: extracted, envelope: Vec::new() })
    }

    /// A key of a secret that the service of this name has encrypted as `envelope`, which goes with everything the key seals.
    ///
    /// # Errors
    /// When the secret is too short, the name longer than a byte or the envelope longer than two bytes tell.
    pub fn of_service(cipher: Cipher, secret: &[u8], service: &str, envelope: &[u8]) -> Result<Self, KeyError> {
        let (Ok(name), Ok(length)) = (u8::try_from(service.len()), u16::try_from(envelope.len())) else {
            return Err(KeyError::TooLong);
        };
        let kept = [&[name], service.as_bytes(), &length.to_be_bytes(), envelope].concat();
        Ok(Self { envelope: kept, ..Self::new(service, cipher, secret)? })
    }

    /// What people call it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What sealed objects call it: 16 hex digits.
    pub fn id(&self) -> &str {
        &self.id
    }

    pub(super) fn seal(&self, key: &Key, plain: &[u8], entropy: &dyn Entropy) -> Bytes {
        let mut salt = [0; SALT];
        entropy.fill(&mut salt);
        let mut sealed = Vec::with_capacity(HEAD + self.envelope.len() + SALT + plain.len() + TAG);
        sealed.extend_from_slice(if self.envelope.is_empty() { MAGIC } else { MAGIC_OF_SERVICE });
        sealed.extend_from_slice(self.id.as_bytes());
        sealed.push(b':');
        sealed.extend_from_slice(&self.envelope);
        sealed.extend_from_slice(&salt);
        let begin = sealed.len();
        sealed.extend_from_slice(plain);
        let (cipher, nonce) = self.derive(&salt);
        let tag = cipher.seal_in_place_separate_tag(nonce, authenticated(key), &mut sealed[begin..]);
        sealed.extend_from_slice(tag.expect("an object is far below the 64 GiB an AEAD takes").as_ref());
        sealed.into()
    }

    /// `None`: the bytes are not what was sealed for this object.
    pub(super) fn open(&self, key: &Key, sealed: &Sealed<'_>) -> Option<Bytes> {
        let (cipher, nonce) = self.derive(sealed.salt);
        let mut plain = sealed.body.to_vec();
        let length = cipher.open_in_place(nonce, authenticated(key), &mut plain).ok()?.len();
        plain.truncate(length);
        Some(plain.into())
    }

    fn derive(&self, salt: &[u8]) -> (LessSafeKey, Nonce) {
        let mut derived = [0; DERIVED];
        let info = [b"v1".as_slice(), salt];
        let expanded = self.secret.expand(&info, Length).and_then(|expanded| expanded.fill(&mut derived));
        expanded.expect("HKDF gives 255 times 32 bytes");
        let (key, nonce) = derived.split_at(CIPHER_KEY);
        let key = UnboundKey::new(self.cipher.algorithm(), key).expect("both ciphers take 32 bytes");
        (LessSafeKey::new(key), Nonce::try_assume_unique_for_key(nonce).expect("it has a nonce's length"))
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKey").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// How much HKDF is to give.
struct Length;

impl hkdf::KeyType for Length {
    fn len(&self) -> usize {
        DERIVED
    }
}

fn id_of(cipher: Cipher, secret: &[u8]) -> String {
    let label = match cipher {
        Cipher::Aes256Gcm => b"sampan seal key aes256gcm\0".as_slice(),
        Cipher::ChaCha20Poly1305 => b"sampan seal key chacha20poly1305\0".as_slice(),
    };
    let hash = digest::digest(&digest::SHA256, &[label, secret].concat());
    hash.as_ref().iter().take(ID / 2).map(|byte| format!("{byte:02x}")).collect()
}

/// No part of a key holds a NUL (the stores see to that), so that different keys never give the same bytes.
fn authenticated(key: &Key) -> Aad<Vec<u8>> {
    let Key { resource, namespace, name } = key;
    Aad::from([resource.as_bytes(), b"\0", namespace.as_bytes(), b"\0", name.as_bytes()].concat())
}

/// The service that keeps a secret, and what it made of it.
pub(super) type Envelope<'a> = (&'a str, &'a [u8]);

/// The parts of sealed bytes.
pub(super) struct Sealed<'a> {
    pub(super) key_id: &'a str,
    /// Of a secret that a service keeps.
    pub(super) envelope: Option<Envelope<'a>>,
    salt: &'a [u8],
    body: &'a [u8],
}

impl<'a> Sealed<'a> {
    /// `None`: the bytes are plain. No JSON begins as sealed bytes do.
    pub(super) fn parse(data: &'a [u8]) -> Option<Self> {
        let (magic, rest) = data.split_at_checked(MAGIC.len())?;
        let (key_id, rest) = rest.split_at_checked(ID)?;
        let rest = rest.strip_prefix(b":")?;
        let (envelope, rest) = match magic {
            _ if magic == MAGIC => (None, rest),
            _ if magic == MAGIC_OF_SERVICE => split_envelope(rest).map(|(envelope, rest)| (Some(envelope), rest))?,
            _ => return None,
        };
        let (salt, body) = rest.split_at_checked(SALT)?;
        let key_id = std::str::from_utf8(key_id).ok().filter(|_| body.len() >= TAG)?;
        Some(Self { key_id, envelope, salt, body })
    }
}

fn split_envelope(bytes: &[u8]) -> Option<(Envelope<'_>, &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (service, rest) = rest.split_at_checked(usize::from(*length))?;
    let (length, rest) = rest.split_first_chunk::<2>()?;
    let (envelope, rest) = rest.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
    Some(((std::str::from_utf8(service).ok()?, envelope), rest))
}

/// Whether an object's bytes, as they lie in the store, are sealed.
pub fn is_sealed(data: &[u8]) -> bool {
    Sealed::parse(data).is_some()
}

/// How many of the bytes are there because they are sealed.
pub(crate) fn overhead(data: &[u8]) -> usize {
    Sealed::parse(data).map_or(0, |sealed| data.len() - (sealed.body.len() - TAG))
}
