//! Certificates of this process, replaced in time while it runs.

use std::sync::Arc;

use anyhow::Result;
use sampan_access::Authority;
use sampan_access::pki::{self, Identity, LiveCertificate, Subject};

use crate::outside::Outside;
use crate::parts::Parts;

/// Renews `first` and what follows it until the process stops. `obtain` gets another one and puts it where it is used.
pub(crate) fn keep_renewed<F>(
    parts: &mut Parts,
    what: &'static str,
    first: Identity,
    outside: &Outside,
    obtain: impl FnMut() -> F + Send + 'static,
) where
    F: Future<Output = Result<Identity>> + Send + 'static,
{
    let renewing = pki::keep_renewed(what, first, outside.clock.clone(), outside.entropy.clone(), obtain);
    let stopped = parts.stop().run_until_cancelled_owned(renewing);
    parts.start(what, async move {
        stopped.await;
        Ok(())
    });
}

/// A certificate that the authority in this process issues: `install` puts each where it is used, the first one now.
pub(crate) fn keep_issued(
    parts: &mut Parts,
    authority: &Arc<Authority>,
    outside: &Outside,
    (name, subject): (&'static str, Subject),
    install: impl Fn(&Identity) -> Result<()> + Send + Sync + 'static,
) -> Result<()> {
    let authority = authority.clone();
    let issue = move || -> Result<Identity> {
        let identity = authority.keep(name, &subject)?;
        install(&identity)?;
        Ok(identity)
    };
    let first = issue()?;
    keep_renewed(parts, name, first, outside, move || std::future::ready(issue()));
    Ok(())
}

/// The same for one that is shown in handshakes.
pub(crate) fn keep_shown(
    parts: &mut Parts,
    authority: &Arc<Authority>,
    outside: &Outside,
    (name, subject): (&'static str, Subject),
) -> Result<Arc<LiveCertificate>> {
    let certificate = LiveCertificate::new(&authority.keep(name, &subject)?)?;
    let shown = certificate.clone();
    keep_issued(parts, authority, outside, (name, subject), move |identity| Ok(shown.replace(identity)?))?;
    Ok(certificate)
}
