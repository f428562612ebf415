//! Real handshakes between rustls on both sides, through memory.

use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection};

use super::*;

/// What the server learned of the client, or why there is no connection.
type Outcome = Result<Vec<CertificateDer<'static>>, String>;

fn exchange(server: Arc<ServerConfig>, client: impl Into<Arc<ClientConfig>>, name: &str) -> Outcome {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.into(), name).unwrap();
    let mut server = ServerConnection::new(server).unwrap();
    while client.is_handshaking() || server.is_handshaking() || client.wants_write() || server.wants_write() {
        transfer(|bytes| client.write_tls(bytes).map(|_| ()), |mut bytes| server.read_tls(&mut bytes).map(|_| ()));
        server.process_new_packets().map_err(|error| format!("server: {error}"))?;
        transfer(|bytes| server.write_tls(bytes).map(|_| ()), |mut bytes| client.read_tls(&mut bytes).map(|_| ()));
        client.process_new_packets().map_err(|error| format!("client: {error}"))?;
    }
    assert_eq!(server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let shown = server.peer_certificates().unwrap_or_default();
    Ok(shown.iter().map(|certificate| certificate.clone().into_owned()).collect())
}

fn transfer(
    from: impl FnOnce(&mut dyn std::io::Write) -> std::io::Result<()>,
    to: impl FnOnce(&[u8]) -> std::io::Result<()>,
) {
    let mut bytes = Vec::new();
    from(&mut bytes).unwrap();
    if !bytes.is_empty() {
        to(&bytes).unwrap();
    }
}

fn serve(fixture: &Fixture, server: &Identity, clients: &Clients) -> Arc<ServerConfig> {
    server_config(LiveCertificate::new(server).unwrap(), clients, fixture.clock.clone()).unwrap()
}

pub(super) fn connect(
    fixture: &Fixture,
    authority: &Authority,
    server: &Identity,
    client: Option<&Identity>,
) -> Outcome {
    connect_to(fixture, authority, server, client, "localhost")
}

fn connect_to(
    fixture: &Fixture,
    authority: &Authority,
    server: &Identity,
    client: Option<&Identity>,
    name: &str,
) -> Outcome {
    let roots = [authority.certificate().clone()];
    let server = serve(fixture, server, &Clients::May(roots.to_vec()));
    exchange(server, client_config(&roots, client, fixture.clock.clone()).unwrap(), name)
}

#[test]
fn both_sides_recognise_each_other_by_the_authority() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let server = authority.issue(&Subject::api_server(&["127.200.0.1".to_owned()])).unwrap();
    let client = authority.issue(&Subject::node("edge-1")).unwrap();
    for name in ["localhost", "kubernetes.default.svc", "127.0.0.1", "127.200.0.1"] {
        let shown = connect_to(&fixture, &authority, &server, Some(&client), name).unwrap();
        assert_eq!(shown[0], client.chain()[0], "{name}");
    }
    assert_eq!(connect(&fixture, &authority, &server, None), Ok(vec![]), "a certificate may be absent");
    let error = connect_to(&fixture, &authority, &server, None, "elsewhere.example").unwrap_err();
    assert!(error.contains("not valid for name"), "{error}");
}

#[test]
fn a_certificate_of_another_authority_is_refused_on_either_side() {
    let (fixture, stranger) = (Fixture::new(), Fixture::new());
    let (authority, other) = (fixture.open(), stranger.open());
    let server = authority.issue(&Subject::api_server(&[])).unwrap();
    let false_server = other.issue(&Subject::api_server(&[])).unwrap();
    let false_client = other.issue(&Subject::admin()).unwrap();
    assert!(connect(&fixture, &authority, &false_server, None).unwrap_err().starts_with("client:"));
    assert!(connect(&fixture, &authority, &server, Some(&false_client)).unwrap_err().starts_with("server:"));
}

#[test]
fn an_expired_certificate_is_refused_by_the_given_clock() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let client = authority.issue(&Subject::admin()).unwrap();
    fixture.clock.advance(DAY * 366);
    let server = authority.issue(&Subject::api_server(&[])).unwrap();
    let error = connect(&fixture, &authority, &server, Some(&client)).unwrap_err();
    assert!(error.contains("expired"), "{error}");
    fixture.clock.advance(DAY * 366);
    let error = connect(&fixture, &authority, &server, None).unwrap_err();
    assert!(error.contains("expired"), "{error}");
}

#[test]
fn a_client_cannot_pose_as_a_server_nor_a_server_as_a_client() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let server = authority.issue(&Subject::api_server(&[])).unwrap();
    let disguised = Subject { alternative_names: vec!["localhost".to_owned()], ..Subject::admin() };
    let client = authority.issue(&disguised).unwrap();
    assert!(connect(&fixture, &authority, &client, None).is_err());
    assert!(connect(&fixture, &authority, &server, Some(&server)).is_err());
}

#[test]
fn a_server_that_must_know_its_clients_refuses_those_without_a_certificate() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let server = authority.issue(&Subject::api_server(&[])).unwrap();
    let roots = [authority.certificate().clone()];
    let config = serve(&fixture, &server, &Clients::Must(roots.to_vec()));
    let client = client_config(&roots, None, fixture.clock.clone()).unwrap();
    assert!(exchange(config, client, "localhost").is_err());
    let config = serve(&fixture, &server, &Clients::NotAsked);
    let identity = authority.issue(&Subject::admin()).unwrap();
    let client = client_config(&roots, Some(&identity), fixture.clock.clone()).unwrap();
    assert_eq!(exchange(config, client, "localhost"), Ok(vec![]));
}

#[test]
fn a_server_shows_its_new_certificate_from_the_next_handshake_on() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let (first, second) = (authority.issue(&Subject::api_server(&[])).unwrap(), Fixture::new().open());
    let second = second.issue(&Subject::api_server(&[])).unwrap();
    let shown = LiveCertificate::new(&second).unwrap();
    let config = server_config(shown.clone(), &Clients::NotAsked, fixture.clock.clone()).unwrap();
    let roots = [authority.certificate().clone()];
    let attempt = || exchange(config.clone(), client_config(&roots, None, fixture.clock.clone()).unwrap(), "localhost");
    assert!(attempt().is_err());
    shown.replace(&first).unwrap();
    assert!(attempt().is_ok());
}

#[test]
fn a_client_shows_its_new_certificate_from_the_next_handshake_on() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let server = authority.issue(&Subject::api_server(&[])).unwrap();
    let roots = [authority.certificate().clone()];
    let server = serve(&fixture, &server, &Clients::Must(roots.to_vec()));
    let [first, second] = [(); 2].map(|()| authority.issue(&Subject::node("edge-1")).unwrap());
    let shown = LiveCertificate::new(&first).unwrap();
    let client = Arc::new(live_client_config(&roots, shown.clone(), fixture.clock.clone()).unwrap());
    let attempt = || exchange(server.clone(), client.clone(), "localhost").unwrap()[0].clone();
    assert_eq!([attempt(), attempt()], [first.chain()[0].clone(), first.chain()[0].clone()]);
    shown.replace(&second).unwrap();
    assert_eq!(attempt(), second.chain()[0], "no session of before is resumed");
}

#[test]
fn who_has_the_pin_alone_recognises_the_server_and_no_other() {
    let fixture = Fixture::new();
    let (authority, stranger) = (fixture.open(), Fixture::new().open());
    let server = authority.issue(&Subject::api_server(&[])).unwrap();
    let attempt = |identity: &Identity, pin: &str, name: &str| {
        let client = pinned_client_config(pin, fixture.clock.clone()).unwrap();
        exchange(serve(&fixture, identity, &Clients::NotAsked), client, name)
    };
    assert!(attempt(&server, &authority.pin(), "localhost").is_ok());
    assert!(attempt(&server, &stranger.pin(), "localhost").is_err());
    assert!(attempt(&server, &authority.pin(), "elsewhere.example").is_err());
    // A stranger that shows the right authority beside a certificate of its own.
    let own = stranger.issue(&Subject::api_server(&[])).unwrap();
    let leaf = own.certificate_pem().split_inclusive("-----END CERTIFICATE-----\n").next().unwrap().to_owned();
    let disguised = Identity::from_pem(&format!("{leaf}{}", authority.certificate_pem()), own.key_pem()).unwrap();
    assert!(attempt(&disguised, &authority.pin(), "localhost").is_err());
    fixture.clock.advance(DAY * 366);
    assert!(attempt(&server, &authority.pin(), "localhost").is_err(), "expired");
}
