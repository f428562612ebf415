use super::super::signer::subject_of;
use super::*;

fn usages(names: &[&str]) -> Vec<String> {
    names.iter().map(|name| (*name).to_owned()).collect()
}

fn sign(authority: &Authority, signer_name: &str, pending: &Pending, usages: &[String]) -> Result<String, String> {
    let request = SigningRequest { signer_name, request_pem: pending.request_pem(), usages, expiration_seconds: None };
    authority.sign(&request).map_err(|refused| refused.to_string())
}

fn client_usages() -> Vec<String> {
    usages(&["digital signature", "client auth"])
}

fn serving(names: &[&str]) -> Subject {
    Subject::node_server("edge-1", &usages(names))
}

#[test]
fn a_node_gets_the_certificate_it_asks_for_and_can_use_it() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let pending = Pending::new(&Subject::node("edge-1")).unwrap();
    let pem = sign(&authority, KUBELET_CLIENT, &pending, &client_usages()).unwrap();
    let identity = pending.complete(&pem).unwrap();
    assert_eq!(subject_of(&identity.chain()[0]), Some(Subject::node("edge-1")));
    let server = authority.issue(&Subject::api_server(&[])).unwrap();
    assert!(handshake::connect(&fixture, &authority, &server, Some(&identity)).is_ok());
}

#[test]
fn a_node_gets_a_serving_certificate_for_its_names() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let pending = Pending::new(&serving(&["localhost", "10.0.0.7"])).unwrap();
    let all = usages(&["key encipherment", "server auth", "digital signature"]);
    let pem = sign(&authority, KUBELET_SERVING, &pending, &all).unwrap();
    let identity = pending.complete(&pem).unwrap();
    assert!(handshake::connect(&fixture, &authority, &identity, None).is_ok());
}

#[test]
fn what_a_signer_does_not_sign_is_refused_in_upstreams_words() {
    let authority = Fixture::new().open();
    let node = Subject::node("edge-1");
    let server_usages = usages(&["digital signature", "server auth"]);
    let named = |names: &[&str]| Subject { alternative_names: usages(names), ..node.clone() };
    let rows = [
        (
            KUBELET_CLIENT,
            Subject::client("system:node:a", &["system:masters"]),
            client_usages(),
            "subject organization is not system:nodes",
        ),
        (
            KUBELET_CLIENT,
            Subject::client("system:node:a", &["system:nodes", "system:masters"]),
            client_usages(),
            "subject organization is not system:nodes",
        ),
        (
            KUBELET_CLIENT,
            Subject::client("system:node:a", &["system:masters", "system:nodes"]),
            client_usages(),
            "subject organization is not system:nodes",
        ),
        (
            KUBELET_CLIENT,
            Subject::client("admin", &["system:nodes"]),
            client_usages(),
            "subject common name does not begin with system:node: ",
        ),
        (KUBELET_CLIENT, Subject::node(""), client_usages(), "subject common name does not begin with system:node: "),
        (KUBELET_CLIENT, named(&["edge-1"]), client_usages(), "DNS subjectAltNames are not allowed"),
        (KUBELET_CLIENT, named(&["10.0.0.1"]), client_usages(), "IP subjectAltNames are not allowed"),
        (
            KUBELET_CLIENT,
            node.clone(),
            server_usages.clone(),
            "usages did not match [digital signature key encipherment client auth]",
        ),
        (
            KUBELET_CLIENT,
            node.clone(),
            usages(&["client auth", "digital signature", "cert sign"]),
            "usages did not match [digital signature key encipherment client auth]",
        ),
        (KUBELET_SERVING, node.clone(), server_usages.clone(), "DNS or IP subjectAltName is required"),
        (
            KUBELET_SERVING,
            serving(&["a"]),
            client_usages(),
            "usages did not match [digital signature key encipherment server auth]",
        ),
        (
            KUBE_APISERVER_CLIENT,
            Subject::client("jane", &["devs"]),
            server_usages,
            "usages did not match [client auth], with or without digital signature and key encipherment",
        ),
        (
            KUBE_APISERVER_CLIENT,
            Subject::client("jane", &["devs", "system:masters"]),
            client_usages(),
            "use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed",
        ),
        ("example.com/mine", node, client_usages(), "signer \"example.com/mine\" is not one of this cluster's"),
    ];
    for (signer, subject, usages, expected) in rows {
        let refusal = sign(&authority, signer, &Pending::new(&subject).unwrap(), &usages).unwrap_err();
        assert_eq!(refusal, expected, "{subject:?}");
    }
}

#[test]
fn what_is_no_request_is_refused() {
    let authority = Fixture::new().open();
    let pending = Pending::new(&Subject::node("edge-1")).unwrap();
    let usages = client_usages();
    let refused = |request_pem: &str| {
        let request =
            SigningRequest { signer_name: KUBELET_CLIENT, request_pem, usages: &usages, expiration_seconds: None };
        authority.sign(&request).unwrap_err().to_string()
    };
    assert_eq!(refused(""), "PEM block type must be CERTIFICATE REQUEST");
    assert_eq!(refused(authority.certificate_pem()), "PEM block type must be CERTIFICATE REQUEST");
    let der = rustls_pki_types::CertificateSigningRequestDer::from_pem_slice(pending.request_pem().as_bytes()).unwrap();
    let mut altered = der.to_vec();
    *altered.last_mut().unwrap() ^= 1;
    assert!(refused(&pem(&altered)).starts_with("unable to parse csr"), "the signature does not fit");
    assert!(refused(&pem(&der[..der.len() / 2])).starts_with("unable to parse csr"), "cut off");
}

fn pem(der: &[u8]) -> String {
    use base64::Engine;
    let text = base64::engine::general_purpose::STANDARD.encode(der);
    format!("-----BEGIN CERTIFICATE REQUEST-----\n{text}\n-----END CERTIFICATE REQUEST-----\n")
}

use rustls_pki_types::pem::PemObject;

#[test]
fn a_certificate_lives_as_long_as_asked_within_bounds() {
    let fixture = Fixture::new();
    let authority = fixture.open();
    let now = jiff::Timestamp::constant(1_767_323_045, 0);
    let life = |expiration_seconds: Option<i64>| {
        let pending = Pending::new(&Subject::client("jane", &["devs"])).unwrap();
        let usages = client_usages();
        let request = SigningRequest {
            signer_name: KUBE_APISERVER_CLIENT,
            request_pem: pending.request_pem(),
            usages: &usages,
            expiration_seconds,
        };
        let pem = authority.sign(&request).unwrap();
        pending.complete(&pem).unwrap().not_after().duration_since(now).as_secs()
    };
    assert_eq!(life(Some(3600)), 3600);
    assert_eq!(life(Some(1)), 600);
    assert_eq!(life(Some(-5)), 600);
    assert_eq!(life(Some(i64::MAX)), 365 * 24 * 3600);
    assert_eq!(life(None), 365 * 24 * 3600);
}
