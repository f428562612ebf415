//! A certificate that is replaced while it is in use.

use std::fmt;
use std::sync::Arc;

use parking_lot::RwLock;
use rustls::SignatureScheme;
use rustls::client::ResolvesClientCert;
use rustls::server::{ClientHello, ResolvesServerCert};
use rustls::sign::CertifiedKey;

use super::{Error, Identity, provider};

/// The certificate a server, or a client, shows: from the next handshake on another one, once it is replaced. Open connections do
/// not notice.
pub struct LiveCertificate(RwLock<Arc<CertifiedKey>>);

impl LiveCertificate {
    /// Begins with this one.
    pub fn new(identity: &Identity) -> Result<Arc<Self>, Error> {
        Ok(Arc::new(Self(RwLock::new(certified(identity)?))))
    }

    /// Shows another one from the next handshake on.
    pub fn replace(&self, identity: &Identity) -> Result<(), Error> {
        *self.0.write() = certified(identity)?;
        Ok(())
    }

    fn current(&self) -> Arc<CertifiedKey> {
        self.0.read().clone()
    }
}

impl fmt::Debug for LiveCertificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LiveCertificate").finish_non_exhaustive()
    }
}

impl ResolvesServerCert for LiveCertificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }
}

impl ResolvesClientCert for LiveCertificate {
    fn resolve(&self, _root_hints: &[&[u8]], _schemes: &[SignatureScheme]) -> Option<Arc<CertifiedKey>> {
        Some(self.current())
    }

    fn has_certs(&self) -> bool {
        true
    }
}

fn certified(identity: &Identity) -> Result<Arc<CertifiedKey>, Error> {
    let key = CertifiedKey::from_der(identity.chain().to_vec(), identity.key(), &provider()).map_err(Error::Tls)?;
    Ok(Arc::new(key))
}
