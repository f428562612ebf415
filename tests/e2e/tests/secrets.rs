//! What a thief of the database, and a reader of the audit log, do not find; and what becomes of a cluster that loses its keys.

use std::path::Path;

use sampan_e2e::Cluster;

const CANARY: &str = "the-canary-sings-in-the-mine";
/// In base64, as the API shows it.
const ENCODED: &str = "dGhlLWNhbmFyeS1zaW5ncy1pbi10aGUtbWluZQ==";

fn holds(path: &Path, text: &str) -> bool {
    let bytes = std::fs::read(path).unwrap_or_default();
    bytes.windows(text.len()).any(|window| window == text.as_bytes())
}

fn assert_sealed(cluster: &Cluster) {
    for file in ["state.db", "state.db-wal", "audit/audit.log"] {
        let path = cluster.data().join(file);
        assert!(!holds(&path, CANARY) && !holds(&path, ENCODED), "it is in {file}");
    }
}

fn keys(cluster: &Cluster) -> usize {
    let text = std::fs::read_to_string(cluster.data().join("pki/encryption.yaml"));
    let text = text.expect("a server leaves its keys there");
    text.matches("secret:").count()
}

#[test]
fn a_secret_is_in_no_file_of_the_server_and_outlives_a_new_key_but_not_the_loss_of_all() {
    let mut cluster = Cluster::start();
    cluster.kubectl(&format!("create secret generic hidden --from-literal=k={CANARY}")).ok();
    let read = |cluster: &Cluster| cluster.field("secret/hidden", "{.data.k}");
    assert_eq!(read(&cluster), ENCODED);
    assert_sealed(&cluster);
    let log = cluster.data().join("audit/audit.log");
    cluster.crash_and_restart();
    assert!(holds(&log, "\"name\":\"hidden\"") && holds(&log, "\"verb\":\"create\""), "its creation was not logged");
    assert_eq!(read(&cluster), ENCODED);
    let data = cluster.data().to_owned();
    let data = data.to_str().unwrap();
    cluster.sampan(&["secrets", "rotate", "--data-dir", data]).ok();
    assert_eq!(keys(&cluster), 2);
    cluster.process().end_by("TERM");
    cluster.restart();
    cluster.process().wait_for("objects encrypted anew with the first key", 30);
    assert_eq!(read(&cluster), ENCODED);
    assert_sealed(&cluster);
    cluster.process().end_by("TERM");
    std::fs::rename(cluster.data().join("pki/encryption.yaml"), cluster.data().join("elsewhere.yaml")).unwrap();
    let refused = cluster.sampan(&["server", "--api-port", "0", "--data-dir", data]);
    let said = refused.err();
    assert!(said.contains("is encrypted with key ") && said.contains("pki/encryption.yaml does not hold"), "{said}");
    std::fs::rename(cluster.data().join("elsewhere.yaml"), cluster.data().join("pki/encryption.yaml")).unwrap();
    cluster.restart();
    assert_eq!(read(&cluster), ENCODED);
}
