//! How objects are encrypted in the store: an `EncryptionConfiguration` of `apiserver.config.k8s.io/v1`, upstream's form
//! (apiserver/pkg/apis/apiserver), in a file of the data directory or wherever `--encryption-provider-config` says.
//!
//! The first start makes the file with one key for Secrets. The keys never enter the store, so that whoever gets hold of the database,
//! or a backup of it, has no secret; whoever gets hold of the whole data directory has them all.

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use sampan_kms::{KmsOptions, KmsService};
use sampan_meta::time::format_time;
use sampan_store::{Cipher, Provider, Resources, Rule, SealKey, Sealing};
use serde::{Deserialize, Serialize};

use crate::layout::{Layout, write_atomically};
use crate::outside::Outside;

const API_VERSION: &str = "apiserver.config.k8s.io/v1";
const KIND: &str = "EncryptionConfiguration";
const COMMENT: &str = "# The keys that Secrets are encrypted with in the store. Without this file they are lost: keep a copy of it, apart from the
# copies of the store. The first key writes, all of them read; `sampan secrets rotate` puts a new one first.
";

#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Configuration {
    api_version: String,
    kind: String,
    resources: Vec<ResourceConfiguration>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ResourceConfiguration {
    resources: Vec<String>,
    providers: Vec<ProviderConfiguration>,
}

/// One of them is given.
#[derive(Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct ProviderConfiguration {
    #[serde(skip_serializing_if = "Option::is_none")]
    aesgcm: Option<Keys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    secretbox: Option<Keys>,
    #[serde(skip_serializing_if = "Option::is_none")]
    aescbc: Option<serde_json::Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    kms: Option<Kms>,
    #[serde(skip_serializing_if = "Option::is_none")]
    identity: Option<Empty>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Empty {}

/// A plugin that keeps the keys (KMS v2).
#[derive(Deserialize, Serialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Kms {
    api_version: String,
    name: String,
    endpoint: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<String>,
}

/// What the file comes to.
pub(super) struct Opened {
    pub(super) sealing: Sealing,
    /// The key services among its providers.
    pub(super) services: Vec<Arc<KmsService>>,
}

type Services = BTreeMap<String, Arc<KmsService>>;

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Keys {
    keys: Vec<KeyConfiguration>,
}

#[derive(Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct KeyConfiguration {
    name: String,
    secret: String,
}

/// The rules of the file, which is made when it is the data directory's own and not there.
pub(super) async fn open(given: Option<&Path>, layout: &Layout, outside: &Outside) -> Result<Opened> {
    let path = given.map_or_else(|| layout.encryption(), Path::to_owned);
    if given.is_none() && !path.exists() {
        std::fs::create_dir_all(layout.pki()).with_context(|| format!("failed to make {}", layout.pki().display()))?;
        save(&path, &Configuration::generate(outside)?)?;
    }
    let configuration = read(&path)?;
    let cannot = || format!("{} cannot be used", path.display());
    let services = configuration.start_services(outside).await.with_context(cannot)?;
    let sealing = configuration.sealing(&path, &services).with_context(cannot)?;
    Ok(Opened { sealing, services: services.into_values().collect() })
}

/// Puts a new key before those of the data directory's file, and says what happens next.
#[expect(clippy::print_stdout, reason = "this is what the user asked for")]
pub(crate) fn rotate(layout: &Layout, outside: &Outside) -> Result<()> {
    let path = layout.encryption();
    if !path.exists() {
        bail!(
            "{} does not exist: no server has run here yet, or it was given --encryption-provider-config",
            path.display()
        );
    }
    let mut configuration = read(&path)?;
    let key = KeyConfiguration::generate(outside);
    let name = key.name.clone();
    configuration.put_first(key)?;
    if configuration.services().next().is_none() {
        // Those with a key service are checked by the server, which can ask it.
        configuration.sealing(&path, &Services::new()).with_context(|| format!("{} cannot be used", path.display()))?;
    }
    save(&path, &configuration)?;
    println!("{name} is the first key of {}", path.display());
    println!("When the server starts next, it writes with it and encrypts what is there anew.");
    Ok(())
}

fn read(path: &Path) -> Result<Configuration> {
    let text = std::fs::read_to_string(path).with_context(|| format!("failed to read {}", path.display()))?;
    let read: Configuration = serde_saphyr::from_str(&text)
        .map_err(|error| without_secrets(&error.to_string()))
        .with_context(|| format!("{} is no {KIND}", path.display()))?;
    if (read.api_version.as_str(), read.kind.as_str()) != (API_VERSION, KIND) {
        bail!("{} is a {} of {}, not an {KIND} of {API_VERSION}", path.display(), read.kind, read.api_version);
    }
    Ok(read)
}

/// The first line of a complaint: those that follow quote the text, keys and all.
fn without_secrets(complaint: &str) -> anyhow::Error {
    anyhow::anyhow!("{}", complaint.lines().next().unwrap_or_default().to_owned())
}

fn save(path: &Path, configuration: &Configuration) -> Result<()> {
    let text = serde_saphyr::to_string(configuration).context("a configuration is plain text")?;
    write_atomically(path, format!("{COMMENT}{text}").as_bytes(), 0o600)
}

impl KeyConfiguration {
    fn generate(outside: &Outside) -> Self {
        let mut secret = [0; 32];
        outside.entropy.fill(&mut secret);
        let name = format!("key-{}", format_time(outside.clock.now()).replace(['-', ':'], ""));
        Self { name, secret: STANDARD.encode(secret) }
    }

    fn key(&self, cipher: Cipher) -> Result<SealKey> {
        let Self { name, secret } = self;
        let secret =
            STANDARD.decode(secret).ok().with_context(|| format!("the secret of key {name:?} is no base64"))?;
        SealKey::new(name, cipher, &secret).with_context(|| format!("key {name:?} cannot be used"))
    }
}

impl Configuration {
    fn generate(outside: &Outside) -> Result<Self> {
        let keys = Keys { keys: vec![KeyConfiguration::generate(outside)] };
        let providers = vec![
            ProviderConfiguration { aesgcm: Some(keys), ..ProviderConfiguration::default() },
            ProviderConfiguration { identity: Some(Empty {}), ..ProviderConfiguration::default() },
        ];
        let secrets = ResourceConfiguration { resources: vec!["secrets".to_owned()], providers };
        Ok(Self { api_version: API_VERSION.to_owned(), kind: KIND.to_owned(), resources: vec![secrets] })
    }

    fn put_first(&mut self, key: KeyConfiguration) -> Result<()> {
        let first = self.resources.first_mut().and_then(|rule| rule.providers.first_mut());
        match first {
            Some(
                ProviderConfiguration { aesgcm: Some(keys), .. } | ProviderConfiguration { secretbox: Some(keys), .. },
            ) => {
                keys.keys.insert(0, key);
                Ok(())
            }
            _ => bail!("its first provider has no keys; put aesgcm first"),
        }
    }

    fn services(&self) -> impl Iterator<Item = &Kms> {
        let providers = self.resources.iter().flat_map(|rule| &rule.providers);
        providers.filter_map(|provider| provider.kms.as_ref())
    }

    /// Each service once, however many rules name it.
    async fn start_services(&self, outside: &Outside) -> Result<Services> {
        let mut services = Services::new();
        for kms in self.services() {
            if !services.contains_key(&kms.name) {
                services.insert(kms.name.clone(), kms.start(outside).await?);
            }
        }
        Ok(services)
    }

    fn sealing(&self, path: &Path, services: &Services) -> Result<Sealing> {
        if self.resources.is_empty() {
            bail!("it names no resources");
        }
        let rules = self.resources.iter().map(|some| some.rule(services)).collect::<Result<_>>()?;
        // Events go by themselves within the hour.
        let expiring = ["/events", "events.k8s.io/events"].map(|some| Resources::One(some.to_owned()));
        Ok(Sealing::new(rules, expiring.to_vec(), path.display().to_string()))
    }
}

impl ResourceConfiguration {
    fn rule(&self, services: &Services) -> Result<Rule> {
        let mut providers = Vec::new();
        for provider in &self.providers {
            provider.add_to(&mut providers, services)?;
        }
        if self.resources.is_empty() || providers.is_empty() {
            bail!("each of its resources needs at least one resource and one provider");
        }
        Ok(Rule { resources: self.resources.iter().map(|words| resources(words)).collect(), providers })
    }
}

impl Kms {
    /// Upstream's time for a question.
    const TIMEOUT: Duration = Duration::from_secs(3);

    async fn start(&self, outside: &Outside) -> Result<Arc<KmsService>> {
        let Self { api_version, name, endpoint, timeout } = self;
        if api_version != "v2" {
            bail!("kms {name:?} is of apiVersion {api_version:?}; only v2 is offered");
        }
        if name.is_empty() || name.len() > usize::from(u8::MAX) || name.contains(':') {
            bail!("kms {name:?} needs a name of at most 255 letters without a colon");
        }
        let socket = endpoint.strip_prefix("unix://").filter(|socket| socket.starts_with(['/', '@']));
        let socket =
            socket.with_context(|| format!("the endpoint {endpoint:?} of kms {name:?} is no unix:///SOCKET"))?;
        let timeout = match timeout.as_deref().map(super::duration) {
            Some(given) => given.with_context(|| format!("the timeout of kms {name:?} is no time"))?,
            None => Self::TIMEOUT,
        };
        let options =
            KmsOptions { name: name.clone(), socket: socket.into(), timeout, entropy: outside.entropy.clone() };
        Ok(KmsService::start(options).await?)
    }
}

impl ProviderConfiguration {
    fn add_to(&self, providers: &mut Vec<Provider>, services: &Services) -> Result<()> {
        let (cipher, keys) = match self {
            Self { aescbc: Some(_), .. } => {
                bail!("aescbc does not notice altered bytes and is not offered; use aesgcm or secretbox")
            }
            Self { kms: Some(kms), aesgcm: None, secretbox: None, identity: None, .. } => {
                let service = services.get(&kms.name).context("every service of the file was started")?;
                providers.push(Provider::Service(service.clone()));
                return Ok(());
            }
            Self { aesgcm: Some(keys), secretbox: None, kms: None, identity: None, .. } => (Cipher::Aes256Gcm, keys),
            Self { secretbox: Some(keys), aesgcm: None, kms: None, identity: None, .. } => {
                (Cipher::ChaCha20Poly1305, keys)
            }
            Self { identity: Some(_), aesgcm: None, secretbox: None, kms: None, .. } => {
                providers.push(Provider::Identity);
                return Ok(());
            }
            _ => bail!("each provider is one of: aesgcm, secretbox, kms, identity"),
        };
        if keys.keys.is_empty() {
            bail!("a provider has no keys");
        }
        for key in &keys.keys {
            providers.push(Provider::Key(Arc::new(key.key(cipher)?)));
        }
        Ok(())
    }
}

/// `secrets`, `deployments.apps`, `*.apps`, `*.` (the core group) or `*.*`, as the store calls it.
fn resources(words: &str) -> Resources {
    let (resource, group) = words.split_once('.').unwrap_or((words, ""));
    match (resource, group) {
        ("*", "*") => Resources::All,
        ("*", group) => Resources::Group(group.to_owned()),
        (resource, group) => Resources::One(format!("{group}/{resource}")),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn layout() -> (tempfile::TempDir, Layout) {
        let directory = tempfile::tempdir().unwrap();
        let layout = Layout::create(directory.path()).unwrap();
        (directory, layout)
    }

    #[tokio::test]
    async fn the_first_start_makes_a_key_that_is_the_owners_alone_and_later_ones_find_it() {
        let (_directory, layout) = layout();
        open(None, &layout, &Outside::real()).await.unwrap();
        let made = std::fs::read_to_string(layout.encryption()).unwrap();
        assert_eq!(std::fs::metadata(layout.encryption()).unwrap().permissions().mode() & 0o777, 0o600);
        open(None, &layout, &Outside::real()).await.unwrap();
        assert_eq!(made, std::fs::read_to_string(layout.encryption()).unwrap());
    }

    #[tokio::test]
    async fn a_rotation_puts_a_new_key_first_and_keeps_the_old_one() {
        let (_directory, layout) = layout();
        let error = rotate(&layout, &Outside::real()).unwrap_err().to_string();
        assert!(error.contains("does not exist: no server has run here yet"), "{error}");
        open(None, &layout, &Outside::real()).await.unwrap();
        let old = read(&layout.encryption()).unwrap();
        rotate(&layout, &Outside::real()).unwrap();
        let new = read(&layout.encryption()).unwrap();
        let secrets = |configuration: &Configuration| -> Vec<String> {
            let keys = configuration.resources[0].providers[0].aesgcm.as_ref().unwrap();
            keys.keys.iter().map(|key| key.secret.clone()).collect()
        };
        assert_eq!((secrets(&new).len(), &secrets(&new)[1]), (2, &secrets(&old)[0]));
        assert_ne!(secrets(&new)[0], secrets(&new)[1]);
        open(None, &layout, &Outside::real()).await.unwrap();
    }

    #[test]
    fn resources_are_named_as_upstream_names_them() {
        let rows = [
            ("secrets", Resources::One("/secrets".into())),
            ("deployments.apps", Resources::One("apps/deployments".into())),
            ("ingresses.networking.k8s.io", Resources::One("networking.k8s.io/ingresses".into())),
            ("*.apps", Resources::Group("apps".into())),
            ("*.", Resources::Group(String::new())),
            ("*.*", Resources::All),
        ];
        for (words, expected) in rows {
            assert_eq!(resources(words), expected, "{words}");
        }
    }

    #[tokio::test]
    async fn what_cannot_be_used_is_said_without_showing_a_key() {
        let file = |providers: &str| {
            format!(
                "apiVersion: {API_VERSION}\nkind: {KIND}\nresources:\n- resources: [secrets]\n  providers: {providers}\n"
            )
        };
        let long = STANDARD.encode([7; 32]);
        let rows = [
            (file("[]"), "needs at least one resource and one provider"),
            (
                file("[{aescbc: {keys: []}}]"),
                "aescbc does not notice altered bytes and is not offered; use aesgcm or secretbox",
            ),
            (file("[{kms: {name: x}}]"), "is no EncryptionConfiguration"),
            (file("[{kms: {apiVersion: v1, name: x, endpoint: 'unix:///x'}}]"), "only v2 is offered"),
            (file("[{kms: {apiVersion: v2, name: x, endpoint: 'tcp://x'}}]"), "is no unix:///SOCKET"),
            (file("[{kms: {apiVersion: v2, name: x, endpoint: 'unix:///nowhere.sock'}}]"), "/nowhere.sock"),
            (file("[{aesgcm: {keys: []}}]"), "a provider has no keys"),
            (file("[{}]"), "each provider is one of: aesgcm, secretbox, kms, identity"),
            (file("[{aesgcm: {keys: [{name: a, secret: '%%'}]}}]"), "the secret of key \"a\" is no base64"),
            (file("[{secretbox: {keys: [{name: a, secret: YWJj}]}}]"), "key \"a\" cannot be used"),
            (file(&format!("[{{aesgcm: {{keys: [{{name: a, secrets: {long}}}]}}}}]")), "is no EncryptionConfiguration"),
            (
                "apiVersion: v1\nkind: Secret\nresources: []\n".to_owned(),
                "is a Secret of v1, not an EncryptionConfiguration",
            ),
        ];
        let (directory, layout) = layout();
        for (text, expected) in rows {
            let path = directory.path().join("given.yaml");
            std::fs::write(&path, text).unwrap();
            let error = open(Some(&path), &layout, &Outside::real()).await.map(drop).unwrap_err();
            let said = format!("{error:#}");
            assert!(said.contains(expected) && said.contains("given.yaml") && !said.contains(&long), "{said}");
        }
        let good = file(&format!("[{{secretbox: {{keys: [{{name: a, secret: {long}}}]}}}}, {{identity: {{}}}}]"));
        std::fs::write(directory.path().join("given.yaml"), good).unwrap();
        open(Some(&directory.path().join("given.yaml")), &layout, &Outside::real()).await.unwrap();
    }
}
