use std::convert::Infallible;
use std::error::Error as _;

use sampan_api::k8s::api::core::v1::Pod;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use super::*;
use crate::{Api, error};

#[tokio::test]
async fn a_service_of_this_process_is_asked_without_a_socket() {
    let service = tower::service_fn(|request: Request<Body>| async move {
        assert_eq!(request.uri().path(), "/api/v1/namespaces/default/pods/web");
        let status =
            r#"{"kind":"Status","status":"Failure","code":404,"reason":"NotFound","message":"pods \"web\" not found"}"#;
        let response = Response::builder().status(404).body(Body::from(status.as_bytes().to_vec()));
        Ok::<_, Infallible>(response.expect("a valid response"))
    });
    let client = in_process(service, "default");
    let failure = Api::<Pod>::default_namespaced(client).get("web").await.expect_err("there is none");
    assert!(error::is_not_found(&failure));
    assert!(!error::is_retryable(&failure));
    assert_eq!(error::message(&failure), "pods \"web\" not found");
}

fn kubeconfig(server: &str) -> PathBuf {
    static NUMBER: std::sync::atomic::AtomicU32 = std::sync::atomic::AtomicU32::new(0);
    let number = NUMBER.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let path = std::env::temp_dir().join(format!("sampan-client-{}-{number}.kubeconfig", std::process::id()));
    let text = format!(
        "apiVersion: v1\nkind: Config\ncurrent-context: here\n\
         clusters: [{{name: here, cluster: {{server: '{server}'}}}}]\n\
         users: [{{name: me, user: {{token: secret}}}}]\n\
         contexts: [{{name: here, context: {{cluster: here, user: me, namespace: shop}}}}]\n"
    );
    std::fs::write(&path, text).expect("a writable temporary directory");
    path
}

#[tokio::test]
async fn a_kubeconfig_gives_address_credentials_and_namespace() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let address = listener.local_addr().expect("bound");
    let server = tokio::spawn(async move {
        let (mut connection, _) = listener.accept().await.expect("a connection");
        let mut request = vec![0; 4096];
        let length = connection.read(&mut request).await.expect("a request");
        let body = r#"{"metadata":{"name":"web"}}"#;
        let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\n\r\n{body}", body.len());
        connection.write_all(answer.as_bytes()).await.expect("the client listens");
        String::from_utf8_lossy(&request[..length]).to_lowercase()
    });
    let path = kubeconfig(&format!("http://{address}"));
    let client = from_kubeconfig(&path).await.expect("a good kubeconfig");
    assert_eq!(client.default_namespace(), "shop");
    Api::<Pod>::default_namespaced(client).get("web").await.expect("the server answers");
    let request = server.await.expect("no panic");
    assert!(request.starts_with("get /api/v1/namespaces/shop/pods/web"), "{request}");
    assert!(request.contains("authorization: bearer secret"), "{request}");
    std::fs::remove_file(path).expect("it was written");
}

#[tokio::test]
async fn a_kubeconfig_that_is_absent_is_named() {
    let failure = from_kubeconfig(Path::new("/nowhere/kubeconfig")).await.err().expect("there is none");
    assert_eq!(failure.to_string(), "failed to read kubeconfig /nowhere/kubeconfig");
    assert!(failure.source().is_some());
    assert!(!failure.retryable());
}

#[tokio::test]
async fn a_kubeconfig_with_a_certificate_that_is_none_is_refused() {
    let path = kubeconfig("https://127.0.0.1:1");
    let text = std::fs::read_to_string(&path).expect("it was written");
    std::fs::write(
        &path,
        text.replace("token: secret", "client-certificate-data: bm9uZQ==, client-key-data: bm9uZQ=="),
    )
    .expect("a writable temporary directory");
    let failure = from_kubeconfig(&path).await.err().expect("no certificate");
    assert!(matches!(failure, TransportError::Client { .. } | TransportError::Kubeconfig { .. }));
    std::fs::remove_file(path).expect("it was written");
}
