use std::convert::Infallible;

use http_body_util::StreamBody;
use hyper::body::Frame;
use hyper::service::service_fn;

use super::*;

/// What the server of a row answers.
#[derive(Clone)]
struct Reply {
    status: u16,
    headers: Vec<(&'static str, &'static str)>,
    body: &'static [u8],
    trailers: Vec<(&'static str, &'static str)>,
}

fn grpc(body: &'static [u8], trailers: &[(&'static str, &'static str)]) -> Reply {
    Reply { status: 200, headers: vec![("content-type", "application/grpc")], body, trailers: trailers.to_vec() }
}

/// Serves one HTTP/2 connection after the other; `None` never answers. Requests have to be what the protocol says.
async fn serve(reply: Option<Reply>) -> u16 {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let reply = reply.clone();
            let service = service_fn(move |request: http::Request<Incoming>| answer(request, reply.clone()));
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    port
}

async fn answer(
    request: http::Request<Incoming>,
    reply: Option<Reply>,
) -> Result<Response<http_body_util::combinators::UnsyncBoxBody<Bytes, Infallible>>, Infallible> {
    let Some(Reply { status, headers, body, trailers }) = reply else { return std::future::pending().await };
    assert_eq!(
        (request.uri().path(), &request.headers()["te"]),
        ("/grpc.health.v1.Health/Check", &"trailers".parse::<http::HeaderValue>().unwrap())
    );
    let sent = request.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(&sent[..], b"\0\0\0\0\x05\x0a\x03web");
    let mut ends = HeaderMap::new();
    trailers.into_iter().for_each(|(name, value)| drop(ends.insert(name, value.parse().unwrap())));
    let frames = [Ok(Frame::data(Bytes::from_static(body))), Ok(Frame::trailers(ends))];
    let mut response = Response::new(StreamBody::new(futures::stream::iter(frames)).boxed_unsync());
    *response.status_mut() = StatusCode::from_u16(status).unwrap();
    headers.into_iter().for_each(|(name, value)| drop(response.headers_mut().insert(name, value.parse().unwrap())));
    Ok(response)
}

async fn ask(port: u16) -> Answer {
    check(&Call { address: [127, 0, 0, 1].into(), port, service: "web", timeout: Duration::from_secs(2) }).await
}

#[tokio::test]
async fn only_a_server_that_says_serving_is_well() {
    let good: &[(&str, &str)] = &[("grpc-status", "0")];
    let not_found = Reply {
        headers: vec![
            ("content-type", "application/grpc"),
            ("grpc-status", "5"),
            ("grpc-message", "unknown%20service"),
        ],
        ..grpc(b"", &[])
    };
    let web = Reply { status: 404, headers: vec![("content-type", "text/plain")], ..grpc(b"no such page", &[]) };
    let unimplemented = "error: this server does not implement the grpc health protocol (grpc.health.v1.Health): ";
    let rows = [
        (grpc(b"\0\0\0\0\x02\x08\x01", good), String::new()),
        (grpc(b"\0\0\0\0\x02\x08\x02", good), "service unhealthy (responded with \"NOT_SERVING\")".into()),
        (grpc(b"\0\0\0\0\x02\x08\x03", good), "service unhealthy (responded with \"SERVICE_UNKNOWN\")".into()),
        (grpc(b"\0\0\0\0\0", good), "service unhealthy (responded with \"UNKNOWN\")".into()),
        (grpc(b"\0\0\0\0\x02\x08\x07", good), "service unhealthy (responded with \"7\")".into()),
        (not_found, "error: health rpc probe failed: rpc error: code = NotFound desc = unknown service".into()),
        (
            grpc(b"", &[("grpc-status", "12"), ("grpc-message", "unknown method")]),
            format!("{unimplemented}unknown method"),
        ),
        (
            web,
            format!(
                "{unimplemented}unexpected HTTP status code received from server: 404 (Not Found); \
                 transport: received unexpected content-type \"text/plain\""
            ),
        ),
        (
            grpc(b"\0\0\0\0\x09oops", good),
            "error: health rpc probe failed: rpc error: code = Internal desc = the answer is no HealthCheckResponse"
                .into(),
        ),
    ];
    for (reply, expected) in rows {
        let expected = if expected.is_empty() { Answer::Success } else { Answer::Failure(expected) };
        assert_eq!(ask(serve(Some(reply)).await).await, expected);
    }
}

#[tokio::test]
async fn nobody_there_and_nobody_answering_are_told_apart() {
    let port = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let Answer::Failure(refused) = ask(port).await else { panic!("nobody listens") };
    assert!(refused.starts_with(&format!("error: failed to connect service at \"127.0.0.1:{port}\": ")), "{refused}");
    let silent = ask(serve(None).await).await;
    assert_eq!(silent, Answer::Failure("timeout: health rpc did not complete within 2s".to_owned()));
}

#[test]
fn numbers_are_read_whole_or_not_at_all() {
    for (bytes, expected) in
        [(&[1][..], Some(1)), (&[0x80, 1], Some(128)), (&[0x80], None), (&[1, 1], None), (&[], None)]
    {
        assert_eq!(varint(bytes), expected, "{bytes:?}");
    }
    let mut long = Vec::new();
    put_varint(&mut long, 300);
    assert_eq!(long, [0xac, 2]);
}
