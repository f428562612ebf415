//! Every active namespace has the ConfigMap by which pods know the apiserver. As upstream's `rootcacertpublisher`.

use std::collections::BTreeMap;
use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::api::core::v1::{ConfigMap, Namespace};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use sampan_client::{Api, Informer, PostParams, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::namespace::is_active;
use crate::table::Entry;

pub(crate) const ENTRY: Entry = Entry {
    name: "root-ca-cert-publisher",
    identity: "root-ca-cert-publisher",
    requires: &[],
    permissions: &[
        Rule { group: "", resources: &["configmaps"], verbs: &["create", "update"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(RootCaPublisher::new(context.clone())),
};

const NAME: &str = "kube-root-ca.crt";
const DESCRIPTION: (&str, &str) = (
    "kubernetes.io/description",
    "Contains a CA bundle that can be used to verify the kube-apiserver when using internal endpoints such as the internal \
     service IP or kubernetes.default.svc. No other usage is guaranteed across distributions of Kubernetes clusters.",
);

struct RootCaPublisher {
    cx: Context,
    namespaces: Informer<Namespace>,
    maps: Informer<ConfigMap>,
}

impl RootCaPublisher {
    fn new(cx: Context) -> Self {
        // Of all ConfigMaps those of this name alone: others may be large and are none of our business.
        let api = Api::<ConfigMap>::all(cx.informers.client().clone());
        let maps = Informer::builder(api).fields(&format!("metadata.name={NAME}")).start(cx.entropy.clone());
        Self { namespaces: cx.informer(), maps, cx }
    }

    /// The key is the namespace's.
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        if !self.namespaces.get(key).is_some_and(|namespace| is_active(&namespace)) {
            return Ok(Next::Settled);
        }
        let current = self.maps.get(&Key::new(&key.name, NAME));
        let Some(wanted) = wanted(current.as_deref(), &self.cx.settings.root_ca) else { return Ok(Next::Settled) };
        let api: Api<ConfigMap> = self.cx.api(&key.name);
        let written = match current {
            None => api.create(&PostParams::default(), &wanted).await,
            Some(_) => api.replace(NAME, &PostParams::default(), &wanted).await,
        };
        match written {
            Err(failure) if !error::is_already_exists(&failure) && !error::is_namespace_terminating(&failure) => {
                Err(failure.into())
            }
            _ => Ok(Next::Settled),
        }
    }
}

/// The map as it shall be; `None`: it is.
fn wanted(current: Option<&ConfigMap>, root_ca: &str) -> Option<ConfigMap> {
    let mut map = current.cloned().unwrap_or_else(|| ConfigMap {
        metadata: ObjectMeta { name: Some(NAME.to_owned()), ..ObjectMeta::default() },
        ..ConfigMap::default()
    });
    map.data = Some(BTreeMap::from([("ca.crt".to_owned(), root_ca.to_owned())]));
    let annotations = map.metadata.annotations.get_or_insert_default();
    annotations.insert(DESCRIPTION.0.to_owned(), DESCRIPTION.1.to_owned());
    (current != Some(&map)).then_some(map)
}

impl Controller for RootCaPublisher {
    fn watches(&self) -> Vec<Watch> {
        let maps = Watch::new(&self.maps, |change| {
            change.object().metadata.namespace.clone().map(|namespace| Key::new("", namespace)).into_iter().collect()
        });
        vec![Watch::each(&self.namespaces), maps]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_map_that_is_right_is_not_written_again_and_a_changed_one_is_restored() {
        let first = wanted(None, "CA").expect("there is none");
        assert!(wanted(Some(&first), "CA").is_none());
        assert!(wanted(Some(&first), "NEW CA").is_some());
        let mut meddled = first.clone();
        meddled.data.get_or_insert_default().insert("more".to_owned(), "x".to_owned());
        assert_eq!(wanted(Some(&meddled), "CA").expect("it was changed").data, first.data);
    }
}
