//! Claims of a set's pods: which are made, kept and deleted.

use serde_json::json;

use super::*;

#[test]
fn claims_stay_or_go_as_the_policy_says() {
    let policy = |deleted: &str, scaled: &str| {
        with_claims(
            &json!({ "replicas": 2, "persistentVolumeClaimRetentionPolicy": { "whenDeleted": deleted, "whenScaled": scaled } }),
        )
    };
    for (deleted, scaled, at_two, at_one) in [
        ("Retain", "Retain", "data-web-0= data-web-1=", "data-web-0= data-web-1="),
        (
            "Delete",
            "Retain",
            "data-web-0=StatefulSet data-web-1=StatefulSet",
            "data-web-0=StatefulSet data-web-1=StatefulSet",
        ),
        ("Retain", "Delete", "data-web-0= data-web-1=", "data-web-0="),
        ("Delete", "Delete", "data-web-0=StatefulSet data-web-1=StatefulSet", "data-web-0=StatefulSet"),
    ] {
        let mut world = World::new(&policy(deleted, scaled));
        world.settle();
        assert_eq!(world.owners(), at_two, "{deleted} {scaled}");
        world.set_replicas(1);
        world.settle();
        assert_eq!(world.owners(), at_one, "{deleted} {scaled}");
        world.set_replicas(2);
        world.settle();
        assert_eq!(world.owners(), at_two, "{deleted} {scaled}");
    }
}

#[test]
fn no_pod_is_made_over_a_claim_that_goes() {
    let mut world = World::new(&with_claims(&json!({ "replicas": 1 })));
    world.settle();
    world.pods.clear();
    let deleted = Some(sampan_api::k8s::apimachinery::pkg::apis::meta::v1::Time(world.clock));
    world.claims.get_mut("data-web-0").unwrap().metadata.deletion_timestamp = deleted;
    let plan = world.plan();
    assert!(plan.create.is_empty() && plan.claims.is_empty());
    assert_eq!(plan.blocked, Some(("web-0".to_owned(), "pvc data-web-0 is being deleted".to_owned())));
    world.claims.clear();
    world.settle();
    assert_eq!(world.picture(), "0:0");
}

#[test]
fn a_claims_name_leads_to_the_sets_it_may_belong_to() {
    let mut web = set(&with_claims(&json!({})));
    web.metadata.name = Some("my-web".to_owned());
    let claim: PersistentVolumeClaim =
        object(json!({ "metadata": { "name": "data-my-web-3", "namespace": "default" } }));
    let find = |key: &Key| (key.name == "my-web").then(|| Arc::new(web.clone()));
    assert_eq!(sets_of_claim(&claim, &find), [Key::new("default", "my-web")]);
}
