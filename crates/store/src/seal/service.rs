//! Keys that are not in any file of ours: a service outside keeps the key, we the secrets that it has encrypted.

use futures::future::BoxFuture;
use std::sync::Arc;

use super::SealKey;
use crate::Error;

/// A service that encrypts and decrypts the secrets of data keys, as upstream's KMS v2 plugins do.
///
/// What it encrypted, the *envelope*, lies with every object that was sealed with the data key; which bytes it is made of is the
/// service's own affair.
///
/// # Contract
/// - Calls end by themselves, in seconds.
/// - `open` gives for an envelope the secret it was made for, however long ago that was, or an error.
pub trait KeyService: Send + Sync + 'static {
    /// Its name in the configuration, at most 255 bytes. Sealed objects hold it.
    fn name(&self) -> &str;

    /// The data key to seal with now. Asked at every write, so it answers from memory.
    ///
    /// # Errors
    /// `Unavailable` when the service has been out of reach for so long that its key may have been withdrawn.
    fn current(&self) -> Result<Arc<SealKey>, Error>;

    /// The secret of a data key. Asked once for each envelope that is met.
    fn open<'a>(&'a self, envelope: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>>;

    /// Whether an envelope is of the key that the service uses now; what is under another one is sealed anew.
    fn is_current(&self, envelope: &[u8]) -> bool;
}
