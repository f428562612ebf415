use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use super::*;
use crate::pki::{KUBE_APISERVER_CLIENT, KUBELET_CLIENT, Pending, Subject};

const REQUESTS: &str = "certificates.k8s.io:certificatesigningrequests";

fn request(signer: &str, subject: &Subject) -> Value {
    let mut request = plain("certificates.k8s.io/v1", "CertificateSigningRequest", "", "csr-1");
    let pem = Pending::new(subject).unwrap();
    request["spec"] = json!({ "signerName": signer, "request": STANDARD.encode(pem.request_pem()) });
    request
}

fn approver(verb: &str, signer: &str) -> [Value; 2] {
    let mut role = plain("rbac.authorization.k8s.io/v1", "ClusterRole", "", "approver");
    role["rules"] = json!([{ "verbs": [verb], "apiGroups": ["certificates.k8s.io"], "resources": ["signers"], "resourceNames": [signer] }]);
    let mut binding = plain("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", "", "approver");
    binding["roleRef"] = json!({ "kind": "ClusterRole", "name": "approver" });
    binding["subjects"] = json!([{ "kind": "User", "name": "jane" }]);
    [role, binding]
}

#[test]
fn approving_and_signing_need_a_right_on_the_signer() {
    let jane = User::new("jane", ["devs"]);
    let old = request(KUBELET_CLIENT, &Subject::node("edge-1"));
    let mut signed = old.clone();
    signed["status"] = json!({ "certificate": "eA==" });
    for (verb, subresource, other) in [("approve", "approval", "sign"), ("sign", "status", "approve")] {
        let words = format!("update {REQUESTS}/{subresource} csr-1");
        for signer in [KUBELET_CLIENT, "kubernetes.io/*"] {
            assert!(fixture(approver(verb, signer)).admit(&jane, &words, Some(&old), &signed).is_ok(), "{signer}");
        }
        for (verb, signer) in [(verb, KUBE_APISERVER_CLIENT), (other, KUBELET_CLIENT)] {
            let refusal = fixture(approver(verb, signer)).admit(&jane, &words, Some(&old), &signed).unwrap_err();
            assert!(refusal.contains("user not permitted to"), "{refusal}");
            assert!(
                refusal.ends_with("requests with signerName \"kubernetes.io/kube-apiserver-client-kubelet\""),
                "{refusal}"
            );
        }
    }
    let words = format!("update {REQUESTS}/status csr-1");
    assert!(fixture([]).admit(&jane, &words, Some(&old), &old).is_ok(), "nothing signed");
    let mut renamed = signed.clone();
    renamed["spec"]["signerName"] = json!(KUBE_APISERVER_CLIENT);
    let own = fixture(approver("sign", KUBE_APISERVER_CLIENT));
    assert!(own.admit(&jane, &words, Some(&old), &renamed).is_err(), "the stored signer counts");
}

#[test]
fn nobody_becomes_a_master_by_asking() {
    let fixture = fixture([]);
    let create = |subject: Subject| {
        fixture.admit(&admin(), &format!("create {REQUESTS}"), None, &request(KUBE_APISERVER_CLIENT, &subject))
    };
    assert!(create(Subject::client("jane", &["devs"])).is_ok());
    let expected = "certificatesigningrequests.certificates.k8s.io \"csr-1\" is forbidden: use of kubernetes.io/kube-apiserver-client signer with system:masters group is not allowed";
    assert_eq!(create(Subject::admin()).unwrap_err(), expected);
    assert_eq!(create(Subject::client("jane", &["devs", "system:masters"])).unwrap_err(), expected);
    assert_eq!(create(Subject::client("jane", &["system:masters", "devs"])).unwrap_err(), expected);
    let mut garbage = request(KUBE_APISERVER_CLIENT, &Subject::admin());
    garbage["spec"]["request"] = json!("eA==");
    let refusal = fixture.admit(&admin(), &format!("create {REQUESTS}"), None, &garbage).unwrap_err();
    assert!(refusal.contains("failed to parse CSR"), "{refusal}");
}
