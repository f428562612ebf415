//! A store whose Secrets are sealed with keys of a plugin: a real gRPC server on a socket, though its encryption is a joke.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::convert::Infallible;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, Request, Response};
use http_body_util::{BodyExt, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper_util::rt::{TokioExecutor, TokioIo};
use parking_lot::Mutex;
use prost::Message;
use sampan_kms::{KmsOptions, KmsService};
use sampan_meta::{ManualClock, SeededEntropy};
use sampan_store::{
    Durability, Error, Key, MemoryStore, Provider, Resources, Rule, SealedStore, Sealing, Store, Write, is_sealed,
};
use tokio::net::UnixListener;

/// One field of a message as the wire has it: number, bytes.
#[derive(Clone, PartialEq, Message)]
struct Fields {
    #[prost(bytes = "vec", tag = "1")]
    first: Vec<u8>,
    #[prost(string, tag = "2")]
    second: String,
    #[prost(string, tag = "3")]
    third: String,
}

/// The plugin: its key, whether it is well, and how often it was asked to decrypt.
struct Plugin {
    key: Mutex<String>,
    ill: AtomicBool,
    decrypted: AtomicUsize,
}

impl Plugin {
    fn start(socket: &Path) -> Arc<Self> {
        let plugin = Arc::new(Self { key: Mutex::new("k1".into()), ill: false.into(), decrypted: 0.into() });
        let listener = UnixListener::bind(socket).unwrap();
        tokio::spawn(plugin.clone().serve(listener));
        plugin
    }

    async fn serve(self: Arc<Self>, listener: UnixListener) {
        while let Ok((stream, _)) = listener.accept().await {
            let plugin = self.clone();
            let service = hyper::service::service_fn(move |request| plugin.clone().answer(request));
            let served = hyper::server::conn::http2::Builder::new(TokioExecutor::new());
            tokio::spawn(served.serve_connection(TokioIo::new(stream), service));
        }
    }

    async fn answer(
        self: Arc<Self>,
        request: Request<Incoming>,
    ) -> Result<Response<StreamBody<impl futures::Stream<Item = Result<Frame<Bytes>, Infallible>>>>, Infallible> {
        let method = request.uri().path().rsplit('/').next().unwrap().to_owned();
        let body = request.into_body().collect().await.unwrap().to_bytes();
        let asked = Fields::decode(&body[5..]);
        let (message, status) = match self.reply(&method, asked.unwrap_or_default()) {
            Ok(message) => (message.encode_to_vec(), "0"),
            Err(()) => (Vec::new(), "9"),
        };
        let mut framed = BytesMut::new();
        framed.put_u8(0);
        framed.put_u32(u32::try_from(message.len()).unwrap());
        framed.put_slice(&message);
        let mut trailers = HeaderMap::new();
        trailers.insert("grpc-status", status.parse().unwrap());
        trailers.insert("grpc-message", "key%20unknown".parse().unwrap());
        let frames = [Ok(Frame::data(framed.freeze())), Ok(Frame::trailers(trailers))];
        let body = StreamBody::new(futures::stream::iter(frames));
        Ok(Response::builder().header("content-type", "application/grpc").body(body).unwrap())
    }

    fn reply(&self, method: &str, asked: Fields) -> Result<Fields, ()> {
        let key = self.key.lock().clone();
        match method {
            "Status" => {
                let healthz = if self.ill.load(Ordering::SeqCst) { "the vault is shut" } else { "ok" };
                Ok(Fields { first: b"v2".to_vec(), second: healthz.into(), third: key })
            }
            "Encrypt" => {
                let ciphertext =
                    [key.as_bytes(), b":", &asked.first.iter().map(|byte| byte ^ 0x5a).collect::<Vec<_>>()].concat();
                Ok(Fields { first: ciphertext, second: key, third: String::new() })
            }
            _ => {
                self.decrypted.fetch_add(1, Ordering::SeqCst);
                // The third field of a request to decrypt is the key.
                let rest = asked.first.strip_prefix(format!("{}:", asked.third).as_bytes()).ok_or(())?;
                let plain = rest.iter().map(|byte| byte ^ 0x5a).collect();
                Ok(Fields { first: plain, second: String::new(), third: String::new() })
            }
        }
    }
}

async fn service(socket: &Path, seed: u64) -> Result<Arc<KmsService>, Error> {
    let entropy = Arc::new(SeededEntropy::new(seed));
    let timeout = Duration::from_secs(3);
    KmsService::start(KmsOptions { name: "vault".into(), socket: socket.to_owned(), timeout, entropy }).await
}

/// A server's view of the store.
fn sealed(below: &MemoryStore, service: &Arc<KmsService>, seed: u64) -> SealedStore {
    let rule = Rule {
        resources: vec![Resources::One("/secrets".into())],
        providers: vec![Provider::Service(service.clone())],
    };
    let sealing = Sealing::new(vec![rule], Vec::new(), "DIR/encryption.yaml");
    SealedStore::new(Arc::new(below.clone()), sealing, Arc::new(SeededEntropy::new(seed)))
}

fn key(name: &str) -> Key {
    Key::new("/secrets", "default", name)
}

async fn create(store: &dyn Store, name: &str) -> Result<(), Error> {
    let data = format!("secret of {name}").into();
    store.write(key(name), Write::Create { data, expires: None }, Durability::Durable).await.map(drop)
}

async fn read(store: &dyn Store, name: &str) -> Result<String, Error> {
    let record = store.get(&key(name)).await?.unwrap();
    Ok(String::from_utf8(record.data.to_vec()).unwrap())
}

#[tokio::test]
async fn what_is_sealed_with_a_plugins_key_is_opened_by_every_server_that_reaches_the_plugin() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("kms.sock");
    let plugin = Plugin::start(&socket);
    let below = MemoryStore::new(Arc::new(ManualClock::default()));
    let (first, second) = (service(&socket, 1).await.unwrap(), service(&socket, 2).await.unwrap());
    let (one, two) = (sealed(&below, &first, 1), sealed(&below, &second, 2));
    for name in ["a", "b"] {
        create(&one, name).await.unwrap();
    }
    create(&two, "c").await.unwrap();
    let raw = below.get(&key("a")).await.unwrap().unwrap().data;
    assert!(is_sealed(&raw) && !raw.windows(6).any(|part| part == b"secret"), "{raw:?}");
    assert_eq!(plugin.decrypted.load(Ordering::SeqCst), 0, "a server knows its own key");
    for name in ["a", "b", "c"] {
        assert_eq!(read(&one, name).await.unwrap(), format!("secret of {name}"));
        assert_eq!(read(&two, name).await.unwrap(), format!("secret of {name}"));
    }
    assert_eq!(plugin.decrypted.load(Ordering::SeqCst), 2, "each asked once for the other's key");
    assert_eq!(one.reseal().await, Ok(0), "another server's data key is as good");
}

#[tokio::test]
async fn a_new_key_of_the_plugin_seals_what_is_written_and_then_the_rest() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("kms.sock");
    let plugin = Plugin::start(&socket);
    let below = MemoryStore::new(Arc::new(ManualClock::default()));
    let service = service(&socket, 1).await.unwrap();
    let store = sealed(&below, &service, 1);
    create(&store, "a").await.unwrap();
    let mut rotations = service.rotations();
    let before = below.get(&key("a")).await.unwrap().unwrap().data;
    *plugin.key.lock() = "k2".into();
    service.check().await.unwrap();
    rotations.changed().await.unwrap();
    assert_eq!(&*rotations.borrow(), "k2");
    create(&store, "b").await.unwrap();
    assert_eq!(read(&store, "a").await.unwrap(), "secret of a");
    let loaded = futures::TryStreamExt::try_concat(store.load().await.unwrap().records).await.unwrap();
    assert_eq!(loaded.len(), 2);
    assert_eq!(store.reseal().await, Ok(1));
    assert_ne!(below.get(&key("a")).await.unwrap().unwrap().data, before);
    assert_eq!(read(&store, "a").await.unwrap(), "secret of a");
}

#[tokio::test]
async fn a_plugin_that_is_ill_or_gone_is_told_and_trusted_for_three_minutes() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("kms.sock");
    let missing = service(&socket, 1).await.err().unwrap().to_string();
    assert!(missing.contains("kms.sock"), "{missing}");
    let plugin = Plugin::start(&socket);
    let service = service(&socket, 1).await.unwrap();
    let below = MemoryStore::new(Arc::new(ManualClock::default()));
    let store = sealed(&below, &service, 1);
    service.health().unwrap();
    plugin.ill.store(true, Ordering::SeqCst);
    let ill = service.check().await.unwrap_err();
    assert_eq!(ill, "the key service vault says of itself: the vault is shut");
    assert_eq!(service.health().unwrap_err(), ill);
    create(&store, "a").await.unwrap();
    tokio::time::pause();
    tokio::time::advance(Duration::from_secs(181)).await;
    let refused = create(&store, "b").await.unwrap_err();
    assert!(refused.retryable() && refused.to_string().contains("nothing can be encrypted"), "{refused}");
    assert_eq!(read(&store, "a").await.unwrap(), "secret of a", "what is known is read");
    tokio::time::resume();
    plugin.ill.store(false, Ordering::SeqCst);
    service.check().await.unwrap();
    create(&store, "b").await.unwrap();
}

#[tokio::test]
async fn what_no_configured_service_sealed_is_said_to_be_so() {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("kms.sock");
    Plugin::start(&socket);
    let below = MemoryStore::new(Arc::new(ManualClock::default()));
    create(&sealed(&below, &service(&socket, 1).await.unwrap(), 1), "a").await.unwrap();
    let sealing = Sealing::new(Vec::new(), Vec::new(), "DIR/encryption.yaml");
    let other = SealedStore::new(Arc::new(below), sealing, Arc::new(SeededEntropy::new(1)));
    let said = read(&other, "a").await.unwrap_err().to_string();
    assert!(said.contains("key of the key service vault, which DIR/encryption.yaml does not name"), "{said}");
}
