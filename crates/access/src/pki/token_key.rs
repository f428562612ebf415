use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use rcgen::{KeyPair, PublicKeyData};
use sha2::{Digest, Sha256};

/// The key service-account tokens are signed with: ECDSA P-256.
#[derive(Clone)]
pub struct TokenKey {
    private: Arc<[u8]>,
    public: Arc<[u8]>,
    id: String,
}

impl TokenKey {
    pub(super) fn new(key: &KeyPair) -> Self {
        let id = URL_SAFE_NO_PAD.encode(Sha256::digest(key.subject_public_key_info()));
        Self { private: key.serialized_der().into(), public: key.public_key_raw().into(), id }
    }

    /// The private key in PKCS #8.
    pub(crate) fn private_der(&self) -> &[u8] {
        &self.private
    }

    /// The public key as an uncompressed point: a byte 4, then x and y of 32 bytes each.
    pub fn public_point(&self) -> &[u8] {
        &self.public
    }

    /// `kid` of the tokens: the hash of the public key, as upstream derives it (`pkg/serviceaccount/jwt.go`).
    pub fn id(&self) -> &str {
        &self.id
    }
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenKey").field("id", &self.id).finish_non_exhaustive()
    }
}
