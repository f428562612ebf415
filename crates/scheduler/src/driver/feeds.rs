//! Everything the scheduler hears of, in one stream.

use sampan_api::k8s::api::apps::v1::{ReplicaSet, StatefulSet};
use sampan_api::k8s::api::core::v1::{
    Namespace, Node, PersistentVolume, PersistentVolumeClaim, Pod, ReplicationController, Service,
};
use sampan_api::k8s::api::policy::v1::PodDisruptionBudget;
use sampan_api::k8s::api::storage::v1::{CSIDriver, CSINode, CSIStorageCapacity, StorageClass};
use sampan_client::{Change, Informers, Subscription};
use tokio::sync::mpsc;

use super::bind::Outcome;

/// One thing heard of.
pub(super) enum News {
    Node(Change<Node>),
    Namespace(Change<Namespace>),
    Service(Change<Service>),
    ReplicationController(Change<ReplicationController>),
    ReplicaSet(Change<ReplicaSet>),
    StatefulSet(Change<StatefulSet>),
    Budget(Change<PodDisruptionBudget>),
    Class(Change<StorageClass>),
    CsiNode(Change<CSINode>),
    Driver(Change<CSIDriver>),
    Capacity(Change<CSIStorageCapacity>),
    Volume(Change<PersistentVolume>),
    Claim(Change<PersistentVolumeClaim>),
    Pod(Change<Pod>),
    Done(Outcome),
}

/// The streams there are. Where several have something, what pods depend on comes before pods.
pub(super) struct Feeds {
    nodes: Subscription<Node>,
    namespaces: Subscription<Namespace>,
    services: Subscription<Service>,
    replication_controllers: Subscription<ReplicationController>,
    replica_sets: Subscription<ReplicaSet>,
    stateful_sets: Subscription<StatefulSet>,
    budgets: Subscription<PodDisruptionBudget>,
    classes: Subscription<StorageClass>,
    csi_nodes: Subscription<CSINode>,
    drivers: Subscription<CSIDriver>,
    capacities: Subscription<CSIStorageCapacity>,
    volumes: Subscription<PersistentVolume>,
    claims: Subscription<PersistentVolumeClaim>,
    pods: Subscription<Pod>,
    outcomes: mpsc::UnboundedReceiver<Outcome>,
}

impl Feeds {
    /// Starts to listen, and returns once all there is has been heard of.
    pub(super) async fn start(informers: &Informers, outcomes: mpsc::UnboundedReceiver<Outcome>) -> Self {
        let nodes = informers.of::<Node>();
        let namespaces = informers.of::<Namespace>();
        let services = informers.of::<Service>();
        let replication_controllers = informers.of::<ReplicationController>();
        let replica_sets = informers.of::<ReplicaSet>();
        let stateful_sets = informers.of::<StatefulSet>();
        let budgets = informers.of::<PodDisruptionBudget>();
        let classes = informers.of::<StorageClass>();
        let csi_nodes = informers.of::<CSINode>();
        let drivers = informers.of::<CSIDriver>();
        let capacities = informers.of::<CSIStorageCapacity>();
        let volumes = informers.of::<PersistentVolume>();
        let claims = informers.of::<PersistentVolumeClaim>();
        let pods = informers.of::<Pod>();
        tokio::join!(
            nodes.synced(),
            namespaces.synced(),
            services.synced(),
            replication_controllers.synced(),
            replica_sets.synced(),
            stateful_sets.synced(),
            budgets.synced(),
            classes.synced(),
            csi_nodes.synced(),
            drivers.synced(),
            capacities.synced(),
            volumes.synced(),
            claims.synced(),
            pods.synced(),
        );
        Self {
            nodes: nodes.subscribe(),
            namespaces: namespaces.subscribe(),
            services: services.subscribe(),
            replication_controllers: replication_controllers.subscribe(),
            replica_sets: replica_sets.subscribe(),
            stateful_sets: stateful_sets.subscribe(),
            budgets: budgets.subscribe(),
            classes: classes.subscribe(),
            csi_nodes: csi_nodes.subscribe(),
            drivers: drivers.subscribe(),
            capacities: capacities.subscribe(),
            volumes: volumes.subscribe(),
            claims: claims.subscribe(),
            pods: pods.subscribe(),
            outcomes,
        }
    }

    /// What has been heard of already.
    pub(super) fn waiting(&mut self) -> Option<News> {
        let news = self.nodes.try_next().map(News::Node);
        let news = news.or_else(|| self.namespaces.try_next().map(News::Namespace));
        let news = news.or_else(|| self.services.try_next().map(News::Service));
        let news = news.or_else(|| self.replication_controllers.try_next().map(News::ReplicationController));
        let news = news.or_else(|| self.replica_sets.try_next().map(News::ReplicaSet));
        let news = news.or_else(|| self.stateful_sets.try_next().map(News::StatefulSet));
        let news = news.or_else(|| self.budgets.try_next().map(News::Budget));
        let news = news.or_else(|| self.classes.try_next().map(News::Class));
        let news = news.or_else(|| self.csi_nodes.try_next().map(News::CsiNode));
        let news = news.or_else(|| self.drivers.try_next().map(News::Driver));
        let news = news.or_else(|| self.capacities.try_next().map(News::Capacity));
        let news = news.or_else(|| self.volumes.try_next().map(News::Volume));
        let news = news.or_else(|| self.claims.try_next().map(News::Claim));
        let news = news.or_else(|| self.pods.try_next().map(News::Pod));
        news.or_else(|| self.outcomes.try_recv().ok().map(News::Done))
    }

    /// What is heard of next; waits for it.
    pub(super) async fn next(&mut self) -> Option<News> {
        tokio::select! {
            biased;
            Some(change) = self.nodes.next() => Some(News::Node(change)),
            Some(change) = self.namespaces.next() => Some(News::Namespace(change)),
            Some(change) = self.services.next() => Some(News::Service(change)),
            Some(change) = self.replication_controllers.next() => Some(News::ReplicationController(change)),
            Some(change) = self.replica_sets.next() => Some(News::ReplicaSet(change)),
            Some(change) = self.stateful_sets.next() => Some(News::StatefulSet(change)),
            Some(change) = self.budgets.next() => Some(News::Budget(change)),
            Some(change) = self.classes.next() => Some(News::Class(change)),
            Some(change) = self.csi_nodes.next() => Some(News::CsiNode(change)),
            Some(change) = self.drivers.next() => Some(News::Driver(change)),
            Some(change) = self.capacities.next() => Some(News::Capacity(change)),
            Some(change) = self.volumes.next() => Some(News::Volume(change)),
            Some(change) = self.claims.next() => Some(News::Claim(change)),
            Some(change) = self.pods.next() => Some(News::Pod(change)),
            Some(outcome) = self.outcomes.recv() => Some(News::Done(outcome)),
            else => None,
        }
    }
}
