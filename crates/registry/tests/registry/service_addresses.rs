//! IPAddresses of Services, and the ServiceCIDRs they come from.

use expect_test::expect;
use sampan_registry::{DeleteOptions, ListOptions, VersionMatch, WatchOptions};
use serde_json::{Value, json};
use std::time::Duration;

use crate::cluster::{Cluster, Place, names, next, refusal};

impl Cluster {
    async fn service(&self, name: &str, address: Option<&str>) -> Result<Value, sampan_meta::Status> {
        let mut service = json!({"metadata": {"name": name}, "spec": {"ports": [{"port": 80}]}});
        if let Some(address) = address {
            service["spec"]["clusterIP"] = address.into();
        }
        self.create(&self.at("services", "default", ""), service).await
    }

    async fn addresses(&self) -> Vec<String> {
        let list = self.list(&self.at("networking/ipaddresses", "", ""), &ListOptions::default()).await.unwrap();
        names(&list.objects).into_iter().map(str::to_owned).collect()
    }

    /// What happens from now on.
    async fn changes(&self, place: &Place) -> sampan_registry::WatchStream {
        let options = WatchOptions {
            send_initial_events: Some(false),
            version_match: VersionMatch::NotOlderThan,
            ..WatchOptions::default()
        };
        self.watch(place, &options).await
    }

    async fn network(&self, name: &str, network: &str) {
        let place = self.at("networking/servicecidrs", "", name);
        let mut changes = self.changes(&place).await;
        let cidr = json!({"metadata": {"name": name}, "spec": {"cidrs": [network]}});
        self.create(&self.at("networking/servicecidrs", "", ""), cidr).await.unwrap();
        assert_eq!(
            (next(&mut changes).await, next(&mut changes).await),
            (format!("ADDED {name}"), format!("MODIFIED {name}"))
        );
    }
}

#[tokio::test]
async fn an_address_is_an_object_for_as_long_as_its_service_has_it() {
    let cluster = Cluster::new().await;
    cluster.service("web", Some("10.96.0.5")).await.unwrap();
    let mut address = cluster.get(&cluster.at("networking/ipaddresses", "", "10.96.0.5")).await.unwrap();
    for field in ["uid", "resourceVersion", "creationTimestamp"] {
        assert!(address["metadata"].as_object_mut().unwrap().remove(field).is_some(), "{field}");
    }
    expect![[r#"{"apiVersion":"networking.k8s.io/v1","kind":"IPAddress","metadata":{"labels":{"ipaddress.kubernetes.io/ip-family":"IPv4","ipaddress.kubernetes.io/managed-by":"ipallocator.k8s.io"},"name":"10.96.0.5"},"spec":{"parentRef":{"group":"","name":"web","namespace":"default","resource":"services"}}}"#]]
        .assert_eq(&address.to_string());
    cluster.delete(&cluster.at("services", "default", "web"), &DeleteOptions::default()).await.unwrap();
    assert_eq!(cluster.addresses().await, [""; 0]);
}

#[tokio::test]
async fn an_address_that_somebody_deletes_comes_back_and_one_that_is_anothers_is_taken() {
    let cluster = Cluster::new().await;
    cluster.service("web", Some("10.96.0.5")).await.unwrap();
    let place = cluster.at("networking/ipaddresses", "", "10.96.0.5");
    let mut changes = cluster.changes(&place).await;
    cluster.delete(&place, &DeleteOptions::default()).await.unwrap();
    assert_eq!(
        (next(&mut changes).await, next(&mut changes).await),
        ("DELETED 10.96.0.5".into(), "ADDED 10.96.0.5".into())
    );
    let theirs =
        json!({"metadata": {"name": "10.96.0.6"}, "spec": {"parentRef": {"resource": "gateways", "name": "g"}}});
    cluster.create(&cluster.at("networking/ipaddresses", "", ""), theirs).await.unwrap();
    cluster.clock.advance(Duration::from_secs(3600));
    expect![[r#"422 Invalid: Service "other" is invalid: spec.clusterIPs: Invalid value: ["10.96.0.6"]: failed to allocate IP 10.96.0.6: provided IP is already allocated"#]]
        .assert_eq(&refusal(cluster.service("other", Some("10.96.0.6")).await));
}

#[tokio::test]
async fn the_network_of_the_cluster_is_a_service_cidr_and_more_can_be_added() {
    let cluster = Cluster::new().await;
    let default = cluster.get(&cluster.at("networking/servicecidrs", "", "kubernetes")).await.unwrap();
    assert_eq!(default["spec"]["cidrs"], json!(["10.96.0.0/28"]));
    assert_eq!(default["metadata"]["finalizers"], json!(["networking.k8s.io/service-cidr-finalizer"]));
    let ready = &default["status"]["conditions"][0];
    assert_eq!(
        (&ready["type"], &ready["status"], &ready["message"]),
        (&json!("Ready"), &json!("True"), &json!("Kubernetes Service CIDR is ready"))
    );
    for at in 0..13 {
        cluster.service(&format!("s{at}"), None).await.unwrap();
    }
    expect!["500 InternalError: Internal error occurred: failed to allocate a serviceIP: range is full"]
        .assert_eq(&refusal(cluster.service("one-too-many", None).await));
    cluster.network("more", "10.97.0.0/29").await;
    let more = cluster.service("more", None).await.unwrap();
    assert!(more["spec"]["clusterIP"].as_str().unwrap().starts_with("10.97.0."), "{more}");
    cluster.service("chosen", Some("10.97.0.1")).await.unwrap();
    cluster.service("outside", Some("10.98.0.1")).await.unwrap_err();
}

#[tokio::test(start_paused = true)]
async fn a_service_cidr_stays_while_services_have_its_addresses() {
    let cluster = Cluster::new().await;
    cluster.network("more", "10.97.0.0/29").await;
    cluster.service("web", Some("10.97.0.2")).await.unwrap();
    let place = cluster.at("networking/servicecidrs", "", "more");
    let mut changes = cluster.changes(&place).await;
    cluster.delete(&place, &DeleteOptions::default()).await.unwrap();
    assert_eq!((next(&mut changes).await, next(&mut changes).await), ("MODIFIED more".into(), "MODIFIED more".into()));
    let going = cluster.get(&place).await.unwrap();
    let ready = &going["status"]["conditions"][0];
    assert_eq!((&ready["status"], &ready["reason"]), (&json!("False"), &json!("Terminating")));
    cluster.service("late", Some("10.97.0.3")).await.unwrap_err();
    cluster.clock.advance(Duration::from_secs(11));
    cluster.delete(&cluster.at("services", "default", "web"), &DeleteOptions::default()).await.unwrap();
    assert_eq!(next(&mut changes).await, "DELETED more");
}

#[tokio::test]
async fn services_of_a_store_without_address_objects_get_them_at_the_next_start() {
    let cluster = Cluster::new().await;
    cluster.service("web", Some("10.96.0.5")).await.unwrap();
    let key = sampan_store::Key::new("networking.k8s.io/ipaddresses", "", "10.96.0.5");
    let record = cluster.store.get(&key).await.unwrap().unwrap();
    let former = sampan_store::Key::new("sampan/serviceaddresses", "", "10.96.0.5");
    let moved = [
        (key, sampan_store::Write::Delete { expect: record.revision }),
        (former.clone(), sampan_store::Write::Create { data: record.data.clone(), expires: None }),
    ];
    let stopped = cluster.store.clone();
    let clock = cluster.clock.clone();
    drop(cluster.registry);
    for (key, write) in moved {
        stopped.write(key, write, Default::default()).await.unwrap();
    }
    let again = Cluster::on(stopped.clone(), clock).await;
    assert_eq!(again.addresses().await, ["10.96.0.5"]);
    assert!(stopped.get(&former).await.unwrap().is_none());
    let taken = again.service("other", Some("10.96.0.5")).await;
    assert_eq!(taken.unwrap_err().code, 422);
}
