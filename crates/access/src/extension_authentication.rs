//! ConfigMap `kube-system/extension-apiserver-authentication`: by what extension servers know whom this server speaks for, and whose client
//! certificates hold. Upstream: `pkg/controlplane/controller/clusterauthenticationtrust`.

use serde_json::{Value, json};

/// The name on the certificate this server shows to extension servers.
pub(crate) const FRONT_PROXY: &str = "front-proxy-client";

const CLIENTS: &str = "client-ca-file";
const PROXIES: &str = "requestheader-client-ca-file";

/// The ConfigMap, with these authorities beside those that other servers of the cluster have put there.
pub fn extension_authentication(existing: Option<&Value>, clients_pem: &str, front_proxy_pem: &str) -> Value {
    let present =
        |key: &str| existing.and_then(|existing| existing.pointer(&format!("/data/{key}"))).and_then(Value::as_str);
    json!({
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": { "name": "extension-apiserver-authentication", "namespace": "kube-system" },
        "data": {
            CLIENTS: joined(present(CLIENTS), clients_pem),
            PROXIES: joined(present(PROXIES), front_proxy_pem),
            "requestheader-allowed-names": json!([FRONT_PROXY]).to_string(),
            "requestheader-extra-headers-prefix": json!(["X-Remote-Extra-"]).to_string(),
            "requestheader-group-headers": json!(["X-Remote-Group"]).to_string(),
            "requestheader-uid-headers": json!(["X-Remote-Uid"]).to_string(),
            "requestheader-username-headers": json!(["X-Remote-User"]).to_string(),
        },
    })
}

fn joined(present: Option<&str>, own: &str) -> String {
    match present {
        Some(present) if present.contains(own.trim()) => present.to_owned(),
        Some(present) if !present.trim().is_empty() => format!("{}\n{own}", present.trim_end()),
        _ => own.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_authorities_of_several_servers_lie_side_by_side_and_each_once() {
        let first = extension_authentication(None, "A\n", "P\n");
        assert_eq!((&first["data"][CLIENTS], &first["data"][PROXIES]), (&json!("A\n"), &json!("P\n")));
        let second = extension_authentication(Some(&first), "A\n", "Q\n");
        assert_eq!((&second["data"][CLIENTS], &second["data"][PROXIES]), (&json!("A\n"), &json!("P\nQ\n")));
        assert_eq!(extension_authentication(Some(&second), "A\n", "P\n"), second);
        assert_eq!(second["data"]["requestheader-allowed-names"], r#"["front-proxy-client"]"#);
    }
}
