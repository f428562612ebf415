//! The node's lease in `kube-node-lease`: a small write every ten seconds says that it lives.

use jiff::Timestamp;
use sampan_api::k8s::api::coordination::v1::{Lease as Object, LeaseSpec};
use sampan_api::k8s::apimachinery::pkg::apis::meta::v1::{MicroTime, ObjectMeta, OwnerReference};
use sampan_client::{Api, Error, Patch, PatchParams, PostParams, error};
use serde_json::json;

use crate::context::Context;

const NAMESPACE: &str = "kube-node-lease";
const SECONDS: i32 = 40;

pub(super) struct Lease {
    api: Api<Object>,
    node: String,
    owner: String,
    exists: bool,
}

impl Lease {
    pub(super) fn new(context: &Context) -> Self {
        let api = Api::namespaced(super::client(context), NAMESPACE);
        Self { api, node: context.node_name.clone(), owner: String::new(), exists: false }
    }

    /// The lease goes with the Node of that UID.
    pub(super) fn owner(&mut self, uid: String) {
        if self.owner != uid {
            self.owner = uid;
            self.exists = false;
        }
    }

    pub(super) async fn renew(&mut self, now: Timestamp) -> Result<(), Error> {
        if self.exists {
            let patch = json!({"spec": {"renewTime": MicroTime(now)}});
            match self.api.patch(&self.node, &PatchParams::default(), &Patch::Merge(patch)).await {
                Err(failed) if error::is_not_found(&failed) => self.exists = false,
                other => return other.map(drop),
            }
        }
        self.create(now).await?;
        self.exists = true;
        Ok(())
    }

    async fn create(&self, now: Timestamp) -> Result<(), Error> {
        let lease = self.object(now);
        match self.api.create(&PostParams::default(), &lease).await {
            Err(failed) if error::is_already_exists(&failed) => {
                let patch =
                    json!({"metadata": {"ownerReferences": lease.metadata.owner_references}, "spec": lease.spec});
                self.api.patch(&self.node, &PatchParams::default(), &Patch::Merge(patch)).await.map(drop)
            }
            other => other.map(drop),
        }
    }

    fn object(&self, now: Timestamp) -> Object {
        let owner = OwnerReference {
            api_version: "v1".to_owned(),
            kind: "Node".to_owned(),
            name: self.node.clone(),
            uid: self.owner.clone(),
            ..OwnerReference::default()
        };
        let spec = LeaseSpec {
            holder_identity: Some(self.node.clone()),
            lease_duration_seconds: Some(SECONDS),
            renew_time: Some(MicroTime(now)),
            ..LeaseSpec::default()
        };
        let metadata =
            ObjectMeta { name: Some(self.node.clone()), owner_references: Some(vec![owner]), ..ObjectMeta::default() };
        Object { metadata, spec: Some(spec) }
    }
}
