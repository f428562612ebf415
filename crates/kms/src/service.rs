//! The plugin as the store sees it.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use prost::Message;
use sampan_meta::{Entropy, new_uid};
use sampan_store::{Cipher, Error, KeyService, SealKey};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::client::Client;
use crate::messages::{DecryptRequest, EncryptRequest, Envelope, StatusRequest};

/// How often the plugin is asked for its status: while it is well, and while it is not (upstream's `kmsv2PluginHealthzPositiveInterval`
/// and `NegativeInterval`). This is how a new key of its is noticed.
const ASK: (Duration, Duration) = (Duration::from_secs(60), Duration::from_secs(10));
/// How long a data key is used without a word from the plugin (upstream's `kmsv2PluginWriteDEKSourceMaxTTL`).
const TRUST: Duration = Duration::from_secs(180);
/// A data key's secret.
const SECRET: usize = 32;
/// The longest id of a key, and the most that a plugin may make of a secret, in bytes (upstream's `KeyIDMaxSize` and
/// `encryptedDEKSourceMaxSize`).
const LONGEST_ID: usize = 1 << 10;
const LONGEST_CIPHERTEXT: usize = 1 << 10;

/// Where a plugin is.
pub struct KmsOptions {
    /// What the configuration calls it.
    pub name: String,
    /// Its socket.
    pub socket: PathBuf,
    /// How long it may take to answer.
    pub timeout: Duration,
    /// Draws secrets.
    pub entropy: Arc<dyn Entropy>,
}

/// See the module.
pub struct KmsService {
    name: String,
    client: Client,
    entropy: Arc<dyn Entropy>,
    state: Mutex<State>,
    /// The plugin's own key, each time it is another.
    rotated: watch::Sender<String>,
}

#[derive(Default)]
struct State {
    key: Option<Arc<SealKey>>,
    /// The plugin's key that the data key is encrypted with.
    key_id: String,
    /// When the plugin last said that it is its key still.
    heard: Option<Instant>,
    failure: Option<String>,
}

impl KmsService {
    /// Asks the plugin for its key and has it encrypt a first secret. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// `Unavailable`, with the reason, while the plugin does not answer or is not well.
    pub async fn start(options: KmsOptions) -> Result<Arc<Self>, Error> {
        let KmsOptions { name, socket, timeout, entropy } = options;
        let client = Client::new(&socket, timeout);
        let rotated = watch::channel(String::new()).0;
        let service = Arc::new(Self { name, client, entropy, state: Mutex::default(), rotated });
        service.check().await.map_err(Error::Unavailable)?;
        Ok(service)
    }

    /// Goes on asking the plugin, until it is dropped.
    pub async fn watch(self: Arc<Self>) {
        let mut pause = ASK.0;
        loop {
            sleep(pause).await;
            pause = if self.check().await.is_ok() { ASK.0 } else { ASK.1 };
        }
    }

    /// Whether the plugin is well, by what it said last.
    ///
    /// # Errors
    /// What is wrong, in words.
    pub fn health(&self) -> Result<(), String> {
        self.state.lock().failure.clone().map_or(Ok(()), Err)
    }

    /// Tells when the plugin has another key: what lies under the earlier one is to be sealed anew.
    pub fn rotations(&self) -> watch::Receiver<String> {
        self.rotated.subscribe()
    }

    /// Asks once, and takes another data key when the plugin has another key.
    ///
    /// # Errors
    /// What is wrong, in words; until it is well again for three minutes the last data key is used.
    pub async fn check(&self) -> Result<(), String> {
        let checked = self.ask().await;
        let mut state = self.state.lock();
        match (&state.failure, &checked) {
            (None, Err(why)) => tracing::warn!(service = self.name, why, "the key service is not well"),
            (Some(_), Ok(())) => tracing::info!(service = self.name, "the key service is well again"),
            _ => {}
        }
        state.failure = checked.as_ref().err().cloned();
        checked
    }

    async fn ask(&self) -> Result<(), String> {
        let asked = Instant::now();
        let status = self.client.call(StatusRequest {}).await?;
        if !matches!(&*status.version, "v2" | "v2beta1") {
            return Err(format!("the key service {} speaks version {:?}, not v2", self.name, status.version));
        }
        if status.healthz != "ok" {
            return Err(format!("the key service {} says of itself: {}", self.name, status.healthz));
        }
        check_id(&status.key_id)?;
        if self.state.lock().key_id == status.key_id {
            self.state.lock().heard = Some(asked);
            return Ok(());
        }
        let key = self.data_key(&status.key_id).await?;
        let mut state = self.state.lock();
        let before = std::mem::replace(&mut state.key_id, status.key_id.clone());
        (state.key, state.heard) = (Some(Arc::new(key)), Some(asked));
        drop(state);
        if !before.is_empty() {
            tracing::info!(service = self.name, key = status.key_id, before, "the key service has another key");
            self.rotated.send_replace(status.key_id);
        }
        Ok(())
    }

    /// A new data key, encrypted by the plugin under the key that it said it uses.
    async fn data_key(&self, key_id: &str) -> Result<SealKey, String> {
        let mut secret = [0; SECRET];
        self.entropy.fill(&mut secret);
        let uid = new_uid(self.entropy.as_ref());
        let made = self.client.call(EncryptRequest { plaintext: secret.to_vec(), uid }).await?;
        if made.key_id != key_id {
            // It is rotating: the next question finds it settled.
            return Err(format!("the key service uses key {:?} and said {key_id:?}", made.key_id));
        }
        if made.ciphertext.is_empty() || made.ciphertext.len() > LONGEST_CIPHERTEXT {
            return Err(format!("the key service made {} bytes of a secret", made.ciphertext.len()));
        }
        let envelope = Envelope { key_id: made.key_id, ciphertext: made.ciphertext, annotations: made.annotations }
            .encode_to_vec();
        let key = SealKey::of_service(Cipher::Aes256Gcm, &secret, &self.name, &envelope);
        key.map_err(|error| error.to_string())
    }
}

fn check_id(key_id: &str) -> Result<(), String> {
    match key_id.len() {
        0 => Err("the key service names no key".to_owned()),
        1..=LONGEST_ID => Ok(()),
        length => Err(format!("the key service names a key with {length} bytes, {LONGEST_ID} are the most")),
    }
}

impl KeyService for KmsService {
    fn name(&self) -> &str {
        &self.name
    }

    fn current(&self) -> Result<Arc<SealKey>, Error> {
        let state = self.state.lock();
        let fresh = state.heard.is_some_and(|heard| heard.elapsed() < TRUST);
        match &state.key {
            Some(key) if fresh => Ok(key.clone()),
            _ => {
                let why = state.failure.as_deref().unwrap_or("it has not been asked");
                Err(Error::Unavailable(format!("nothing can be encrypted: {why}")))
            }
        }
    }

    fn open<'a>(&'a self, envelope: &'a [u8]) -> BoxFuture<'a, Result<Vec<u8>, Error>> {
        async move {
            let damaged =
                |_| Error::Corrupt(format!("what lies with an object for key service {} is damaged", self.name));
            let Envelope { key_id, ciphertext, annotations } = Envelope::decode(envelope).map_err(damaged)?;
            let uid = new_uid(self.entropy.as_ref());
            let opened = self.client.call(DecryptRequest { ciphertext, uid, key_id, annotations }).await;
            opened.map(|opened| opened.plaintext).map_err(Error::Unavailable)
        }
        .boxed()
    }

    fn is_current(&self, envelope: &[u8]) -> bool {
        Envelope::decode(envelope).is_ok_and(|envelope| envelope.key_id == self.state.lock().key_id)
    }
}
