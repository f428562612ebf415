//! Store, registry, access and apiserver, put together as a server puts them.

use std::path::Path;
use std::sync::{Arc, LazyLock};

use sampan_access::{Authenticator, Authority, Authorizer, Chain, admission, bootstrap, token};
use sampan_apiserver::{ApiServer, Limits, Version};
use sampan_meta::{Clock, Entropy};
use sampan_registry::Registry;
use sampan_store::MemoryStore;
use serde_json::Value;

use crate::Dice;

/// The same for every seed.
static POLICY: LazyLock<Vec<Value>> = LazyLock::new(bootstrap::objects);

/// What a server holds, before its objects are loaded.
pub(super) struct Parts {
    pub(super) store: MemoryStore,
    authority: Authority,
}

/// What a server holds.
pub(super) struct ControlPlane {
    pub(super) server: Arc<ApiServer>,
}

impl ControlPlane {
    /// An empty store. The authority's keys are the one thing that does not come from the seed; nothing of them reaches an object.
    pub(super) fn prepare(seed: u64, clock: &Arc<dyn Clock>, directory: &Path) -> Parts {
        let entropy = Dice::new(seed, "authority").entropy();
        let authority = Authority::open(&directory.join("pki"), clock.clone(), entropy);
        let authority = authority.expect("an empty directory takes a new authority");
        Parts { store: MemoryStore::new(clock.clone()), authority }
    }
}

impl Parts {
    /// Loads the store, writes the bootstrap policy into it and answers from here on.
    pub(super) async fn open(self, seed: u64, clock: &Arc<dyn Clock>) -> ControlPlane {
        let entropy = Dice::new(seed, "server").entropy();
        let options = sampan_registry::Options {
            clock: clock.clone(),
            entropy: entropy.clone(),
            service_network: ([127, 150, 0, 0].into(), 16),
            node_ports: 30_000..=32_767,
            cache: Default::default(),
        };
        let registry = Registry::open(Arc::new(self.store), options).await.expect("an empty store opens");
        for object in POLICY.iter().cloned() {
            registry.ensure(object).await.expect("the bootstrap policy is valid");
        }
        ControlPlane { server: serve(registry, &self.authority, clock.clone(), entropy) }
    }
}

fn serve(
    registry: Arc<Registry>,
    authority: &Authority,
    clock: Arc<dyn Clock>,
    entropy: Arc<dyn Entropy>,
) -> Arc<ApiServer> {
    let tokens = token::Issuer::new(
        authority.token_key(),
        token::Options::default(),
        registry.clone(),
        clock.clone(),
        entropy.clone(),
    );
    let tokens = Arc::new(tokens);
    let roots = vec![authority.certificate().clone()];
    let authorizer = Arc::new(Authorizer::new(registry.clone()));
    let admission = admission::Context {
        lister: registry.clone(),
        authorizer: authorizer.clone(),
        clock: clock.clone(),
        entropy: entropy.clone(),
        writer: registry.clone(),
    };
    ApiServer::new(sampan_apiserver::Options {
        authenticator: Arc::new(Authenticator::new(roots, tokens.clone(), registry.clone(), clock.clone())),
        authorizer,
        admission: Arc::new(Chain::new(admission)),
        tokens,
        version: Version::default(),
        node_client: None,
        limits: Limits::default(),
        registry,
        clock,
        entropy,
    })
}
