use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use sampan_meta::{ManualClock, SeededEntropy};

use super::*;

mod handshake;
mod renewal;
mod signer;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

pub(super) struct Fixture {
    pub(super) directory: tempfile::TempDir,
    pub(super) clock: Arc<ManualClock>,
}

impl Fixture {
    pub(super) fn new() -> Self {
        Self { directory: tempfile::tempdir().unwrap(), clock: Arc::new(ManualClock::default()) }
    }

    pub(super) fn try_open(&self) -> Result<Authority, Error> {
        Authority::open(self.directory.path(), self.clock.clone(), Arc::new(SeededEntropy::new(1)))
    }

    pub(super) fn open(&self) -> Authority {
        self.try_open().unwrap()
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.directory.path().join(name)
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[test]
fn an_authority_is_made_once_and_found_again() {
    let fixture = Fixture::new();
    let first = fixture.open();
    let second = fixture.open();
    assert_eq!(first.certificate_pem(), second.certificate_pem());
    assert_eq!(first.token_key().id(), second.token_key().id());
    assert_eq!(first.pin(), pin_of(first.certificate()).unwrap());
    let other = Fixture::new().open();
    assert_ne!(first.pin(), other.pin());
}

#[test]
fn keys_are_readable_by_their_owner_alone_and_closed_when_they_were_not() {
    let fixture = Fixture::new();
    fixture.open().keep("admin", &Subject::admin()).unwrap();
    for name in ["ca.key", "ca.crt", "service-account.key", "admin.key"] {
        assert_eq!(mode(&fixture.file(name)), 0o600, "{name}");
    }
    fs::set_permissions(fixture.file("ca.key"), fs::Permissions::from_mode(0o644)).unwrap();
    fixture.open();
    assert_eq!(mode(&fixture.file("ca.key")), 0o600);
}

#[test]
fn no_draft_is_left_and_an_old_one_is_in_nobodys_way() {
    let fixture = Fixture::new();
    fs::write(fixture.file("ca.key.draft"), "half").unwrap();
    fixture.open();
    let names: Vec<String> = fs::read_dir(fixture.directory.path())
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    assert!(!names.iter().any(|name| name.ends_with(".draft")), "{names:?}");
}

#[test]
fn a_damaged_or_half_lost_authority_is_left_alone_and_says_what_to_do() {
    let remove = |fixture: &Fixture, name: &str| fs::remove_file(fixture.file(name)).unwrap();
    let write = |fixture: &Fixture, name: &str, text: &[u8]| fs::write(fixture.file(name), text).unwrap();
    let swap = |fixture: &Fixture| {
        let other = Fixture::new();
        other.open();
        fs::copy(other.file("ca.key"), fixture.file("ca.key")).unwrap();
    };
    type Harm<'a> = &'a dyn Fn(&Fixture);
    let rows: [(Harm<'_>, &str); 6] = [
        (&|fixture| remove(fixture, "ca.key"), "it is missing while its certificate is there"),
        (&|fixture| write(fixture, "ca.key", b"nonsense"), "ca.key cannot be used"),
        (&|fixture| write(fixture, "ca.crt", b"nonsense"), "it holds no certificate"),
        (&|fixture| write(fixture, "ca.crt", &[0xff, 0xfe]), "it is not text"),
        (&|fixture| write(fixture, "service-account.key", b""), "service-account.key cannot be used"),
        (&swap, "its key is another one"),
    ];
    for (harm, expected) in rows {
        let fixture = Fixture::new();
        fixture.open();
        harm(&fixture);
        let error = fixture.try_open().err().expect(expected);
        assert!(!error.retryable());
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("restore it from a backup"), "{text}");
    }
}

#[test]
fn a_crash_after_the_key_was_written_is_finished_at_the_next_start() {
    let fixture = Fixture::new();
    let pin = fixture.open().pin();
    fs::remove_file(fixture.file("ca.crt")).unwrap();
    assert_eq!(fixture.open().pin(), pin);
}

#[test]
fn a_directory_that_cannot_be_written_is_an_error_that_may_pass() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("file");
    fs::write(&file, "").unwrap();
    let error = Authority::open(&file.join("pki"), Arc::new(ManualClock::default()), Arc::new(SeededEntropy::new(1)));
    assert!(error.err().unwrap().retryable());
}

#[test]
fn an_old_authority_is_renewed_with_its_key_and_what_it_issued_still_holds() {
    let fixture = Fixture::new();
    let before = fixture.open();
    fixture.clock.advance(DAY * 365 * 6);
    let same = fixture.open();
    assert_eq!(before.certificate_pem(), same.certificate_pem());
    let issued = same.issue(&Subject::admin()).unwrap();
    fixture.clock.advance(DAY * 200);
    assert_eq!(before.certificate_pem(), fixture.open().certificate_pem());
    fixture.clock.advance(DAY * 100);
    let after = fixture.open();
    assert_ne!(before.certificate_pem(), after.certificate_pem());
    assert_eq!(before.pin(), after.pin());
    fixture.clock.set(issued.not_after().checked_sub(DAY).unwrap());
    let server = after.issue(&Subject::api_server(&[])).unwrap();
    assert!(handshake::connect(&fixture, &after, &server, Some(&issued)).is_ok(), "issued under the old certificate");
}

#[test]
fn a_kept_certificate_stays_until_a_third_of_its_life_is_left() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let keep = || authority.keep("node", &Subject::node("edge-1")).unwrap();
    let first = keep();
    assert_eq!(first.certificate_pem(), keep().certificate_pem());
    fixture.clock.advance(DAY * 240);
    assert_eq!(first.certificate_pem(), keep().certificate_pem());
    assert!(!first.needs_renewal(fixture.clock.now_timestamp()));
    fixture.clock.advance(DAY * 5);
    assert!(first.needs_renewal(fixture.clock.now_timestamp()));
    let second = keep();
    assert_ne!(first.certificate_pem(), second.certificate_pem());
    assert_eq!(second.certificate_pem(), keep().certificate_pem());
}

#[test]
fn a_kept_certificate_is_replaced_when_it_is_for_somebody_else_or_of_another_authority_or_damaged() {
    let fixture = Fixture::new();
    let names = |names: &[&str]| Subject::api_server(&names.map_to_strings());
    let first = fixture.open().keep("server", &names(&["10.0.0.1"])).unwrap();
    let more = fixture.open().keep("server", &names(&["10.0.0.1", "host"])).unwrap();
    assert_ne!(first.certificate_pem(), more.certificate_pem());
    for name in ["ca.key", "ca.crt"] {
        fs::remove_file(fixture.file(name)).unwrap();
    }
    let other = fixture.open().keep("server", &names(&["10.0.0.1", "host"])).unwrap();
    assert_ne!(more.certificate_pem(), other.certificate_pem());
    fs::write(fixture.file("server.key"), first.key_pem()).unwrap();
    let repaired = fixture.open().keep("server", &names(&["10.0.0.1", "host"])).unwrap();
    assert_ne!(other.certificate_pem(), repaired.certificate_pem());
}

trait Strings {
    fn map_to_strings(&self) -> Vec<String>;
}

impl Strings for &[&str] {
    fn map_to_strings(&self) -> Vec<String> {
        self.iter().map(|text| (*text).to_owned()).collect()
    }
}

trait Now {
    fn now_timestamp(&self) -> jiff::Timestamp;
}

impl Now for ManualClock {
    fn now_timestamp(&self) -> jiff::Timestamp {
        sampan_meta::Clock::now(self)
    }
}

#[test]
fn an_identity_needs_the_key_that_belongs_to_it() {
    let authority = Fixture::new().open();
    let (first, second) = (authority.issue(&Subject::admin()).unwrap(), authority.issue(&Subject::admin()).unwrap());
    assert!(Identity::from_pem(first.certificate_pem(), first.key_pem()).is_ok());
    let error = Identity::from_pem(first.certificate_pem(), second.key_pem()).unwrap_err();
    assert_eq!(error.to_string(), "no usable key: it belongs to another certificate");
    assert!(Identity::from_pem("", first.key_pem()).is_err());
    assert!(Identity::from_pem(first.certificate_pem(), "").is_err());
}

#[test]
fn a_subject_with_more_groups_than_fit_is_refused() {
    let authority = Fixture::new().open();
    let error = authority.issue(&Subject::client("x", &["a", "b", "c"])).unwrap_err();
    assert!(
        error.to_string().contains("failed to issue a certificate for x: a certificate can carry at most two groups")
    );
    let both = authority.issue(&Subject::controller("job-controller")).unwrap();
    let subject = super::signer::subject_of(&both.chain()[0]).unwrap();
    assert_eq!(subject, Subject::controller("job-controller"));
}

#[test]
fn private_keys_are_not_in_debug_forms() {
    let authority = Fixture::new().open();
    let identity = authority.issue(&Subject::admin()).unwrap();
    let secret: String = identity.key_pem().lines().nth(1).unwrap().to_owned();
    assert!(!format!("{identity:?} {:?}", authority.token_key()).contains(&secret));
    assert_eq!(format!("{:?}", authority.token_key()).matches("private").count(), 0);
}
