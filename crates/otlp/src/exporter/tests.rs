//! Against a collector that is a real gRPC server.

use std::convert::Infallible;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use prost::Message;

use super::*;
use crate::Attribute;

/// Serves connections and passes on what it is sent.
async fn collector() -> (String, mpsc::UnboundedReceiver<(String, ExportRequest)>) {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (requests, received) = mpsc::unbounded_channel();
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let requests = requests.clone();
            let service = hyper::service::service_fn(move |request: Request<Incoming>| {
                let requests = requests.clone();
                async move {
                    let path = request.uri().path().to_owned();
                    let body = request.into_body().collect().await.unwrap().to_bytes();
                    requests.send((path, ExportRequest::decode(&body[5..]).unwrap())).unwrap();
                    let mut trailers = HeaderMap::new();
                    trailers.insert("grpc-status", "0".parse().unwrap());
                    let empty = Bytes::from_static(&[0; 5]);
                    let frames = [Ok::<_, Infallible>(Frame::data(empty)), Ok(Frame::trailers(trailers))];
                    let body = StreamBody::new(futures::stream::iter(frames));
                    Ok::<_, Infallible>(
                        Response::builder().header("content-type", "application/grpc").body(body).unwrap(),
                    )
                }
            });
            let server = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(server.serve_connection(TokioIo::new(stream), service));
        }
    });
    (address, received)
}

fn span(n: u8) -> Span {
    Span {
        trace: [n; 16],
        id: [n; 8],
        parent: (n > 1).then_some([n - 1; 8]),
        name: "get pods".into(),
        begin: 1_000,
        end: 2_000,
        attributes: vec![("http.status_code", Attribute::Number(200)), ("http.method", Attribute::Text("GET".into()))],
        failed: n > 1,
    }
}

#[tokio::test]
async fn spans_arrive_together_with_who_made_them() {
    let (address, mut received) = collector().await;
    let exporter = Exporter::start(&address, "apiserver").unwrap();
    (1..=2).for_each(|n| exporter.send(span(n)));
    // What is left is sent at the end.
    drop(exporter);
    let (path, request) = received.recv().await.unwrap();
    assert_eq!(path, "/opentelemetry.proto.collector.trace.v1.TraceService/Export");
    let of = &request.resource_spans[0];
    let service = &of.resource.as_ref().unwrap().attributes[0];
    assert_eq!(service, &KeyValue::new("service.name", Value::Text("apiserver".into())));
    let spans = &of.scope_spans[0].spans;
    assert_eq!(spans.len(), 2);
    assert_eq!((&spans[0].trace_id[..], &spans[0].parent_span_id[..], spans[0].kind), (&[1; 16][..], &[][..], 2));
    assert_eq!((&spans[1].parent_span_id[..], spans[1].status.as_ref().unwrap().code), (&[1; 8][..], 2));
    assert_eq!(spans[0].attributes[0], KeyValue::new("http.status_code", Value::Number(200)));
}

#[tokio::test]
async fn a_collector_that_is_not_there_stops_nobody() {
    assert!(Exporter::start("a b", "apiserver").is_err());
    let exporter = Exporter::start("127.0.0.1:1", "apiserver").unwrap();
    (0..=u8::MAX).cycle().take(WAITING * 2).for_each(|n| exporter.send(span(n.max(1))));
    assert!(exporter.lost.load(Ordering::Relaxed) > 0);
}
