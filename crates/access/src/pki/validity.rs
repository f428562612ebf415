//! From when until when a certificate holds.

use std::time::Duration;

use jiff::Timestamp;
use rcgen::CertificateParams;

/// Machines' clocks differ; a certificate is good a little before it was made.
const SKEW: Duration = Duration::from_secs(5 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);
/// How long the authority holds, unless it is renewed before.
pub(super) const AUTHORITY: Duration = DAY.saturating_mul(10 * 365);
/// How long what it issues holds.
pub(super) const ISSUED: Duration = DAY.saturating_mul(365);

/// A span of time, in whole seconds as certificates have it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Validity {
    pub(super) not_before: Timestamp,
    pub(super) not_after: Timestamp,
}

impl Validity {
    /// From (a little before) now for `life`, but not beyond `limit`.
    pub(super) fn starting(now: Timestamp, life: Duration, limit: Option<Timestamp>) -> Self {
        let end = now.checked_add(life).unwrap_or(Timestamp::MAX);
        let not_before = now.checked_sub(SKEW).unwrap_or(now);
        Self { not_before, not_after: limit.map_or(end, |limit| end.min(limit)) }
    }

    /// Whether less than a third of the life is left.
    pub(super) fn needs_renewal(self, now: Timestamp) -> bool {
        let life = self.not_after.duration_since(self.not_before);
        let left = self.not_after.duration_since(now);
        left.as_secs().saturating_mul(3) < life.as_secs()
    }

    pub(super) fn write(self, params: &mut CertificateParams) {
        // The time crate is named by rcgen's interface alone; counting from 1970 keeps it out of this crate.
        let epoch = rcgen::date_time_ymd(1970, 1, 1);
        let since = |time: Timestamp| Duration::from_secs(u64::try_from(time.as_second()).unwrap_or_default());
        params.not_before = epoch + since(self.not_before);
        params.not_after = epoch + since(self.not_after);
    }

    pub(super) fn read(certificate: &x509_parser::certificate::X509Certificate<'_>) -> Self {
        let time =
            |time: x509_parser::time::ASN1Time| Timestamp::from_second(time.timestamp()).unwrap_or(Timestamp::MIN);
        let validity = certificate.validity();
        Self { not_before: time(validity.not_before), not_after: time(validity.not_after) }
    }
}
