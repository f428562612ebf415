//! Custom resources through HTTP: definitions, and the objects that are served because of them.

use expect_test::{Expect, expect};
use serde_json::{Value, json};

use crate::apply::owners;
use crate::harness::{Cluster, Reply};

pub const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
const POTS: &str = "/apis/example.com/v1/namespaces/default/pots";

/// A definition of pots with this schema of the spec and these further members of its version.
fn definition(spec: Value, more: Value) -> Value {
    let mut version = json!({"name": "v1", "served": true, "storage": true, "schema": {"openAPIV3Schema": {"type": "object", "properties": {
        "spec": spec, "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}}});
    version.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    json!({"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": {"name": "pots.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "versions": [version],
            "names": {"plural": "pots", "kind": "Pot", "shortNames": ["pt"], "categories": ["all"]}}})
}

pub fn pots() -> Value {
    let spec = json!({"type": "object", "required": ["size"], "properties": {
        "size": {"type": "integer", "minimum": 1, "maximum": 10},
        "colour": {"type": "string", "default": "brown", "enum": ["brown", "blue"]},
        "replicas": {"type": "integer"},
        "parts": {"type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": {"type": "object",
            "required": ["name"], "properties": {"name": {"type": "string"}, "weight": {"type": "integer"}}}},
        "marks": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
        "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}});
    definition(
        spec,
        json!({
        "subresources": {"status": {}, "scale": {"specReplicasPath": ".spec.replicas", "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector"}},
        "selectableFields": [{"jsonPath": ".spec.colour"}],
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"},
            {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"}]}),
    )
}

fn pot(name: &str, spec: Value) -> Value {
    json!({"apiVersion": "example.com/v1", "kind": "Pot", "metadata": {"name": name}, "spec": spec})
}

impl Cluster {
    /// Creates a definition and waits until it is established.
    pub async fn define(&self, definition: &Value) {
        let made = self.create(DEFINITIONS, definition.clone()).await;
        let version = made["metadata"]["resourceVersion"].as_str().unwrap();
        let name = made["metadata"]["name"].as_str().unwrap();
        let mut events = self
            .open(&format!("{DEFINITIONS}?watch=1&resourceVersion={version}&fieldSelector=metadata.name={name}"))
            .await;
        loop {
            let event = events.event().await.unwrap();
            let conditions = event["object"]["status"]["conditions"].as_array().cloned().unwrap_or_default();
            if conditions.iter().any(|condition| condition["type"] == "Established" && condition["status"] == "True") {
                return;
            }
        }
    }

    async fn with_pots() -> Self {
        let cluster = Self::start().await;
        cluster.define(&pots()).await;
        cluster
    }

    async fn post(&self, path: &str, object: &Value) -> Reply {
        self.ask(&format!("POST {path}\nContent-Type: application/json\n\n{object}")).await
    }

    async fn merge(&self, path: &str, patch: Value) -> Reply {
        self.ask(&format!("PATCH {path}\nContent-Type: application/merge-patch+json\n\n{patch}")).await
    }
}

fn refused(reply: &Reply, expected: Expect) {
    expected.assert_eq(&reply.failure());
}

#[tokio::test]
async fn a_kind_is_served_once_its_definition_is_established() {
    let cluster = Cluster::start().await;
    assert_eq!(cluster.ask(&format!("GET {POTS}")).await.code, 404);
    cluster.define(&pots()).await;
    let definition = cluster.ask(&format!("GET {DEFINITIONS}/pots.example.com")).await.json();
    let names = &definition["status"]["acceptedNames"];
    assert_eq!(
        (
            &names["singular"],
            &names["listKind"],
            &definition["status"]["storedVersions"],
            &definition["spec"]["conversion"]["strategy"]
        ),
        (&json!("pot"), &json!("PotList"), &json!(["v1"]), &json!("None"))
    );
    let made = cluster.create(POTS, pot("a", json!({"size": 3}))).await;
    assert_eq!((&made["spec"], &made["metadata"]["generation"]), (&json!({"colour": "brown", "size": 3}), &json!(1)));
    let list = cluster.ask(&format!("GET {POTS}")).await.json();
    assert_eq!(
        (&list["kind"], &list["apiVersion"], &list["items"][0]),
        (&json!("PotList"), &json!("example.com/v1"), &made)
    );
    let everywhere = cluster.ask("GET /apis/example.com/v1/pots").await.json();
    assert_eq!(everywhere["items"].as_array().unwrap().len(), 1);
    assert_eq!(cluster.ask(&format!("DELETE {POTS}/a")).await.json()["status"], "Success");
    assert_eq!(cluster.ask(&format!("GET {POTS}/a")).await.failure(), "404 NotFound pots.example.com \"a\" not found");
}

#[tokio::test]
async fn what_the_schema_does_not_allow_is_refused_in_upstreams_words() {
    let cluster = Cluster::with_pots().await;
    let rows = [
        (
            json!({"size": "big"}),
            expect![[
                r#"422 Invalid Pot.example.com "a" is invalid: spec.size: Invalid value: "string": spec.size in body must be of type integer: "string""#
            ]],
        ),
        (
            json!({"size": 11}),
            expect![[
                r#"422 Invalid Pot.example.com "a" is invalid: spec.size: Invalid value: 11: spec.size in body should be less than or equal to 10"#
            ]],
        ),
        (json!({}), expect![[r#"422 Invalid Pot.example.com "a" is invalid: spec.size: Required value"#]]),
        (
            json!({"size": 1, "colour": "red"}),
            expect![[
                r#"422 Invalid Pot.example.com "a" is invalid: spec.colour: Unsupported value: "red": supported values: "brown", "blue""#
            ]],
        ),
        (
            json!({"size": 1, "parts": [{"name": "x"}, {"name": "x"}]}),
            expect![[r#"422 Invalid Pot.example.com "a" is invalid: spec.parts[1]: Duplicate value: {"name":"x"}"#]],
        ),
        (
            json!({"size": 1, "marks": ["m", "m"]}),
            expect![[r#"422 Invalid Pot.example.com "a" is invalid: spec.marks[1]: Duplicate value: "m""#]],
        ),
    ];
    for (spec, expected) in rows {
        refused(&cluster.post(POTS, &pot("a", spec)).await, expected);
    }
    let strict =
        cluster.post(&format!("{POTS}?fieldValidation=Strict"), &pot("a", json!({"size": 1, "siez": 2}))).await;
    refused(
        &strict,
        expect![[
            r#"400 BadRequest Pot in version "v1" cannot be handled as a Pot: strict decoding error: unknown field "spec.siez""#
        ]],
    );
    let warned = cluster.post(POTS, &pot("a", json!({"size": 1, "siez": 2, "any": {"thing": [1]}}))).await;
    assert_eq!(warned.warnings(), [r#"299 - "unknown field \"spec.siez\"""#]);
    assert_eq!(warned.json()["spec"], json!({"any": {"thing": [1]}, "colour": "brown", "size": 1}));
}

#[tokio::test]
async fn patches_change_what_they_say_and_strategic_ones_are_not_taken() {
    let cluster = Cluster::with_pots().await;
    cluster.create(POTS, pot("a", json!({"size": 1}))).await;
    let path = format!("{POTS}/a");
    let merged = cluster.merge(&path, json!({"spec": {"size": 2}})).await.json();
    assert_eq!((&merged["spec"]["size"], &merged["metadata"]["generation"]), (&json!(2), &json!(2)));
    let json_patch = cluster
        .ask(&format!(
            "PATCH {path}\nContent-Type: application/json-patch+json\n\n{}",
            json!([{"op": "replace", "path": "/spec/size", "value": 3}])
        ))
        .await;
    assert_eq!(json_patch.json()["spec"]["size"], 3);
    let strategic =
        cluster.ask(&format!("PATCH {path}\nContent-Type: application/strategic-merge-patch+json\n\n{{}}")).await;
    assert_eq!(strategic.code, 415, "{}", strategic.text());
    let mut whole = cluster.ask(&format!("GET {path}")).await.json();
    whole["spec"]["size"] = 4.into();
    assert_eq!(cluster.ask(&format!("PUT {path}\n\n{whole}")).await.json()["spec"]["size"], 4);
    whole["spec"]["size"] = 5.into();
    assert_eq!(cluster.ask(&format!("PUT {path}\n\n{whole}")).await.code, 409);
    whole["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    refused(
        &cluster.ask(&format!("PUT {path}\n\n{whole}")).await,
        expect![[
            r#"422 Invalid Pot.example.com "a" is invalid: metadata.resourceVersion: Invalid value: 0: must be specified for an update"#
        ]],
    );
}

#[tokio::test]
async fn status_and_scale_are_written_by_themselves() {
    let cluster = Cluster::with_pots().await;
    let made = cluster.create(POTS, {
        let mut pot = pot("a", json!({"size": 1, "replicas": 2}));
        pot["status"] = json!({"replicas": 9});
        pot
    });
    assert!(made.await.get("status").is_none(), "a client does not say how it is");
    let status = cluster
        .merge(&format!("{POTS}/a/status"), json!({"spec": {"size": 9}, "status": {"replicas": 2, "selector": "a=b"}}))
        .await
        .json();
    assert_eq!(
        (&status["spec"]["size"], &status["status"]["replicas"], &status["metadata"]["generation"]),
        (&json!(1), &json!(2), &json!(1))
    );
    let scale = cluster.ask(&format!("GET {POTS}/a/scale")).await.json();
    assert_eq!(
        (&scale["kind"], &scale["spec"], &scale["status"]),
        (&json!("Scale"), &json!({"replicas": 2}), &json!({"replicas": 2, "selector": "a=b"}))
    );
    let scaled = cluster.merge(&format!("{POTS}/a/scale"), json!({"spec": {"replicas": 5}})).await.json();
    assert_eq!(scaled["spec"]["replicas"], 5);
    let now = cluster.ask(&format!("GET {POTS}/a")).await.json();
    assert_eq!((&now["spec"]["replicas"], &now["metadata"]["generation"]), (&json!(5), &json!(2)));
}

#[tokio::test]
async fn apply_merges_lists_by_their_keys() {
    let cluster = Cluster::with_pots().await;
    let path = format!("{POTS}/a");
    let made = cluster
        .apply(&path, "one", &pot("a", json!({"size": 1, "parts": [{"name": "lid", "weight": 1}], "marks": ["m"]})))
        .await;
    assert_eq!(made.code, 201, "{}", made.text());
    let merged = cluster
        .apply(
            &path,
            "two",
            &pot("a", json!({"parts": [{"name": "base"}], "marks": ["n"], "any": {"deep": {"er": 1}}})),
        )
        .await;
    assert_eq!(merged.code, 200, "{}", merged.text());
    let object = merged.json();
    assert_eq!(object["spec"]["parts"], json!([{"name": "lid", "weight": 1}, {"name": "base"}]));
    assert_eq!(object["spec"]["marks"], json!(["m", "n"]));
    expect![[r#"
        one Apply - {"f:spec":{"f:marks":{"v:\"m\"":{}},"f:parts":{"k:{\"name\":\"lid\"}":{".":{},"f:name":{},"f:weight":{}}},"f:size":{}}}
        two Apply - {"f:spec":{"f:any":{"f:deep":{".":{},"f:er":{}}},"f:marks":{"v:\"n\"":{}},"f:parts":{"k:{\"name\":\"base\"}":{".":{},"f:name":{}}}}}"#]]
    .assert_eq(&owners(&object));
    let conflict = cluster.apply(&path, "two", &pot("a", json!({"size": 2}))).await;
    assert_eq!(conflict.failure(), "409 Conflict Apply failed with 1 conflict: conflict with \"one\": .spec.size");
    let unknown = cluster.apply(&path, "two", &pot("a", json!({"siez": 2}))).await;
    assert_eq!(unknown.code, 500);
    assert!(unknown.text().contains(".spec.siez: field not declared in schema"), "{}", unknown.text());
}

#[tokio::test]
async fn lists_and_watches_select_by_declared_fields() {
    let cluster = Cluster::with_pots().await;
    let start = cluster.create(POTS, pot("a", json!({"size": 1}))).await;
    let version = start["metadata"]["resourceVersion"].as_str().unwrap();
    let mut blue =
        cluster.open(&format!("{POTS}?watch=1&resourceVersion={version}&fieldSelector=spec.colour=blue")).await;
    cluster.create(POTS, pot("b", json!({"size": 1, "colour": "blue"}))).await;
    assert_eq!(blue.told().await, "ADDED b");
    cluster.merge(&format!("{POTS}/a"), json!({"spec": {"colour": "blue"}})).await;
    assert_eq!(blue.told().await, "ADDED a");
    cluster.merge(&format!("{POTS}/b"), json!({"spec": {"colour": "brown"}})).await;
    assert_eq!(blue.told().await, "DELETED b");
    let list = cluster.ask(&format!("GET {POTS}?fieldSelector=spec.colour=blue")).await.json();
    assert_eq!(list["items"].as_array().unwrap().len(), 1);
    refused(
        &cluster.ask(&format!("GET {POTS}?fieldSelector=spec.size=1")).await,
        expect!["400 BadRequest field label not supported: spec.size"],
    );
}

#[tokio::test]
async fn tables_have_the_columns_of_the_definition() {
    let cluster = Cluster::with_pots().await;
    cluster.create(POTS, pot("a", json!({"size": 3}))).await;
    let table = cluster.ask(&format!("GET {POTS}\nAccept: application/json;as=Table;v=v1;g=meta.k8s.io")).await.json();
    let columns: Vec<&str> =
        table["columnDefinitions"].as_array().unwrap().iter().map(|column| column["name"].as_str().unwrap()).collect();
    assert_eq!(columns, ["Name", "Size", "Age"]);
    let cells = &table["rows"][0]["cells"];
    assert_eq!((&cells[0], &cells[1]), (&json!("a"), &json!(3)));
    let protobuf =
        cluster.ask(&format!("GET {POTS}\nAccept: application/vnd.kubernetes.protobuf,application/json")).await;
    assert_eq!(protobuf.header("content-type"), "application/json", "custom kinds have no protobuf");
    let metadata = "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1";
    let metadata = cluster.ask(&format!("GET {POTS}\nAccept: {metadata}")).await;
    assert_eq!((metadata.code, metadata.header("content-type")), (200, "application/vnd.kubernetes.protobuf"));
}

#[tokio::test]
async fn versions_show_the_same_objects_and_a_new_storage_version_is_remembered() {
    let cluster = Cluster::start().await;
    let mut definition = pots();
    let mut old = definition["spec"]["versions"][0].clone();
    old["name"] = "v1beta1".into();
    old["storage"] = false.into();
    old["deprecated"] = true.into();
    definition["spec"]["versions"].as_array_mut().unwrap().push(old);
    cluster.define(&definition).await;
    let beta = POTS.replace("/v1/", "/v1beta1/");
    let mut object = pot("a", json!({"size": 1}));
    object["apiVersion"] = "example.com/v1beta1".into();
    let made = cluster.post(&beta, &object).await;
    assert_eq!((made.code, &made.json()["apiVersion"]), (201, &json!("example.com/v1beta1")));
    assert_eq!(made.warnings(), [r#"299 - "example.com/v1beta1 Pot is deprecated""#]);
    let read = cluster.ask(&format!("GET {POTS}/a")).await;
    assert_eq!((&read.json()["apiVersion"], read.warnings().len()), (&json!("example.com/v1"), 0));
    let storage = json!([{"op": "replace", "path": "/spec/versions/0/storage", "value": false},
        {"op": "replace", "path": "/spec/versions/1/storage", "value": true}]);
    let patch = format!("PATCH {DEFINITIONS}/pots.example.com\nContent-Type: application/json-patch+json\n\n{storage}");
    let definition = cluster.ask(&patch).await.json();
    assert_eq!(definition["status"]["storedVersions"], json!(["v1", "v1beta1"]));
    let drop = json!([{"op": "remove", "path": "/spec/versions/0"}]);
    let refusal = cluster
        .ask(&format!("PATCH {DEFINITIONS}/pots.example.com\nContent-Type: application/json-patch+json\n\n{drop}"))
        .await;
    assert!(refusal.failure().contains("status.storedVersions[0]"), "{}", refusal.failure());
    let mut unchanged = cluster.ask(&format!("GET {POTS}/a")).await.json();
    unchanged["metadata"].as_object_mut().unwrap().remove("managedFields");
    let migrated = cluster.ask(&format!("PUT {POTS}/a\n\n{unchanged}")).await.json();
    assert_ne!(
        migrated["metadata"]["resourceVersion"], unchanged["metadata"]["resourceVersion"],
        "a write moves it into the new version"
    );
}

#[tokio::test]
async fn a_definition_takes_its_objects_along_and_waits_for_those_that_are_held() {
    let cluster = Cluster::with_pots().await;
    cluster.create(POTS, pot("free", json!({"size": 1}))).await;
    let mut held = pot("held", json!({"size": 1}));
    held["metadata"]["finalizers"] = json!(["example.com/wait"]);
    let held = cluster.create(POTS, held).await;
    let version = held["metadata"]["resourceVersion"].as_str().unwrap();
    let mut pots_told = cluster.open(&format!("{POTS}?watch=1&resourceVersion={version}")).await;
    let mut definitions = cluster.open(&format!("{DEFINITIONS}?watch=1&resourceVersion={version}")).await;
    let deleted = cluster.ask(&format!("DELETE {DEFINITIONS}/pots.example.com")).await.json();
    assert_eq!(deleted["metadata"]["finalizers"], json!(["customresourcecleanup.apiextensions.k8s.io"]));
    assert_eq!(pots_told.told().await, "DELETED free");
    assert_eq!(pots_told.told().await, "MODIFIED held");
    let another = cluster.post(POTS, &pot("another", json!({"size": 1}))).await;
    refused(
        &another,
        expect!["405 MethodNotAllowed create not allowed while custom resource definition is terminating"],
    );
    assert_eq!(cluster.merge(&format!("{POTS}/held"), json!({"metadata": {"finalizers": null}})).await.code, 200);
    while definitions.told().await != "DELETED pots.example.com" {}
    assert_eq!(cluster.ask(&format!("GET {POTS}")).await.code, 404);
    assert_eq!(pots_told.told().await, "DELETED held");
    assert_eq!(pots_told.told().await, "END", "who watches a kind that is gone is told so by the end");
    cluster.define(&pots()).await;
    assert_eq!(cluster.ask(&format!("GET {POTS}")).await.json()["items"], json!([]));
}

#[tokio::test]
async fn discovery_and_openapi_follow_the_definitions() {
    let cluster = Cluster::start().await;
    let aggregated = "GET /apis\nAccept: application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList";
    let before = cluster.ask(aggregated).await;
    let known = cluster.ask("GET /openapi/v3").await.json()["paths"]["apis/apps/v1"].clone();
    cluster.define(&pots()).await;
    let after = cluster.ask(aggregated).await;
    assert_ne!(before.header("etag"), after.header("etag"));
    let groups = after.json();
    let group =
        groups["items"].as_array().unwrap().iter().find(|group| group["metadata"]["name"] == "example.com").unwrap();
    let resource = &group["versions"][0]["resources"][0];
    assert_eq!(
        (&resource["resource"], &resource["shortNames"], &resource["categories"], &resource["responseKind"]["kind"]),
        (&json!("pots"), &json!(["pt"]), &json!(["all"]), &json!("Pot"))
    );
    assert_eq!(resource["subresources"].as_array().unwrap().len(), 2);
    let legacy = cluster.ask("GET /apis/example.com/v1").await.json();
    let names: Vec<&str> =
        legacy["resources"].as_array().unwrap().iter().map(|row| row["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["pots", "pots/scale", "pots/status"]);
    let index = cluster.ask("GET /openapi/v3").await.json();
    assert_eq!(index["paths"]["apis/apps/v1"], known, "documents of other groups stay as they are");
    let document = cluster.ask("GET /openapi/v3/apis/example.com/v1").await.json();
    let component = &document["components"]["schemas"]["com.example.v1.Pot"];
    assert_eq!(component["properties"]["spec"]["properties"]["size"]["maximum"], 10);
    assert_eq!(
        component["x-kubernetes-group-version-kind"],
        json!([{"group": "example.com", "kind": "Pot", "version": "v1"}])
    );
    assert!(document["components"]["schemas"]["io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"].is_object());
    let v2 = cluster.ask("GET /openapi/v2").await.json();
    assert!(v2["definitions"]["com.example.v1.PotList"].is_object());
    let protobuf =
        cluster.ask("GET /openapi/v2\nAccept: application/com.github.proto-openapi.spec.v2@v1.0+protobuf").await;
    assert_eq!(protobuf.code, 200, "{}", protobuf.text());
    assert!(v2["paths"]["/apis/example.com/v1/namespaces/{namespace}/pots/{name}"]["patch"].is_object());
}

#[tokio::test]
async fn definitions_that_are_wrong_are_refused_by_the_name_of_the_field() {
    let cluster = Cluster::start().await;
    let message = async |change: &dyn Fn(&mut Value)| {
        let mut wrong = pots();
        change(&mut wrong);
        let reply = cluster.post(DEFINITIONS, &wrong).await;
        assert_eq!(reply.code, 422, "{}", reply.text());
        reply.json()["message"].as_str().unwrap().split(" is invalid: ").nth(1).unwrap().to_owned()
    };
    let set = |pointer: &'static str, value: Value| {
        move |object: &mut Value| {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            object.pointer_mut(parent).unwrap()[name] = value.clone();
        }
    };
    expect![[r#"metadata.name: Invalid value: "cups.example.com": must be spec.names.plural+"."+spec.group"#]]
        .assert_eq(&message(&set("/metadata/name", json!("cups.example.com"))).await);
    expect![[r#"spec.scope: Unsupported value: "World": supported values: "Cluster", "Namespaced""#]]
        .assert_eq(&message(&set("/spec/scope", json!("World"))).await);
    expect![[r#"spec.preserveUnknownFields: Invalid value: true: cannot set to true, set x-kubernetes-preserve-unknown-fields to true in spec.versions[*].schema instead"#]]
        .assert_eq(&message(&set("/spec/preserveUnknownFields", json!(true))).await);
    expect!["spec.versions[0].schema.openAPIV3Schema: Required value: schemas are required"]
        .assert_eq(&message(&set("/spec/versions/0/schema", json!({}))).await);
    expect!["spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[size].type: Required value: must not be empty for specified object fields"]
        .assert_eq(&message(&set("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size", json!({"minimum": 1}))).await);
    expect![[r#"spec.versions[0].schema.openAPIV3Schema.properties[spec].properties[colour].default: Unsupported value: "red": supported values: "blue""#]]
        .assert_eq(&message(&set("/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/colour", json!({"type": "string", "enum": ["blue"], "default": "red"}))).await);
    expect![[r#"spec.versions[0].additionalPrinterColumns[0].type: Invalid value: "colour": must be one of boolean,date,integer,number,string"#]]
        .assert_eq(&message(&set("/spec/versions/0/additionalPrinterColumns/0/type", json!("colour"))).await);
    expect![[r#"spec.versions[0].selectableFields[0].jsonPath: Invalid value: ".spec.odd": is an invalid path: does not refer to a valid field"#]]
        .assert_eq(&message(&set("/spec/versions/0/selectableFields/0/jsonPath", json!(".spec.odd"))).await);
    cluster.define(&pots()).await;
    let patch = json!({"spec": {"scope": "Cluster"}});
    let changed = cluster.merge(&format!("{DEFINITIONS}/pots.example.com"), patch).await;
    refused(
        &changed,
        expect![[
            r#"422 Invalid CustomResourceDefinition.apiextensions.k8s.io "pots.example.com" is invalid: spec.scope: Invalid value: "Cluster": field is immutable"#
        ]],
    );
}

#[tokio::test]
async fn a_stricter_schema_is_not_held_against_what_is_there() {
    let cluster = Cluster::with_pots().await;
    cluster.create(POTS, pot("a", json!({"size": 9}))).await;
    let stricter = json!([{"op": "replace", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/size/maximum", "value": 5},
        {"op": "add", "path": "/spec/versions/0/schema/openAPIV3Schema/properties/spec/properties/glaze", "value": {"type": "string", "default": "matt"}}]);
    let patch =
        format!("PATCH {DEFINITIONS}/pots.example.com\nContent-Type: application/json-patch+json\n\n{stricter}");
    assert_eq!(cluster.ask(&patch).await.code, 200);
    assert_eq!(
        cluster.ask(&format!("GET {POTS}/a")).await.json()["spec"]["glaze"],
        "matt",
        "a new default holds for old objects"
    );
    let other = cluster.merge(&format!("{POTS}/a"), json!({"spec": {"colour": "blue"}})).await;
    assert_eq!(other.code, 200, "{}", other.text());
    let same_field = cluster.merge(&format!("{POTS}/a"), json!({"spec": {"size": 8}})).await;
    refused(
        &same_field,
        expect![[
            r#"422 Invalid Pot.example.com "a" is invalid: spec.size: Invalid value: 8: spec.size in body should be less than or equal to 5"#
        ]],
    );
}

#[tokio::test]
async fn rules_in_cel_judge_objects_and_their_changes() {
    let cluster = Cluster::start().await;
    let spec = json!({"type": "object", "required": ["size"], "properties": {"size": {"type": "integer"}, "most": {"type": "integer", "default": 5},
            "glaze": {"type": "string", "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "glaze is fired once"}]}},
        "x-kubernetes-validations": [{"rule": "self.size <= self.most", "messageExpression": "'at most ' + string(self.most)"}]});
    let mut definition = definition(spec, json!({}));
    let wrong = "/spec/versions/0/schema/openAPIV3Schema/properties/spec/x-kubernetes-validations/0/rule";
    let rule = definition.pointer_mut(wrong).unwrap();
    let good = std::mem::replace(rule, "self.size <= self.least".into());
    let refusal = cluster.post(DEFINITIONS, &definition).await;
    assert!(
        refusal.failure().contains(
            "x-kubernetes-validations[0].rule: Invalid value: \"self.size <= self.least\": compilation failed"
        ),
        "{}",
        refusal.text()
    );
    *definition.pointer_mut(wrong).unwrap() = good;
    cluster.define(&definition).await;
    refused(
        &cluster.post(POTS, &pot("a", json!({"size": 6}))).await,
        expect![[r#"422 Invalid Pot.example.com "a" is invalid: spec: Invalid value: "object": at most 5"#]],
    );
    cluster.create(POTS, pot("a", json!({"size": 5, "glaze": "matt"}))).await;
    let change = cluster.merge(&format!("{POTS}/a"), json!({"spec": {"glaze": "shiny"}})).await;
    refused(
        &change,
        expect![[
            r#"422 Invalid Pot.example.com "a" is invalid: spec.glaze: Invalid value: "string": glaze is fired once"#
        ]],
    );
}

#[tokio::test]
async fn two_servers_on_one_store_serve_the_same_kinds() {
    let store = std::sync::Arc::new(sampan_store::MemoryStore::new(std::sync::Arc::new(crate::harness::WallClock)));
    let setup = || crate::harness::Setup { store: store.clone(), ..Default::default() };
    let (one, other) = (Cluster::with(setup()).await, Cluster::with(setup()).await);
    one.define(&pots()).await;
    let made = one.create(POTS, pot("a", json!({"size": 1}))).await;
    // A consistent read of the definitions brings the other server up to date, as the watch of its own does.
    assert_eq!(other.ask(&format!("GET {DEFINITIONS}")).await.code, 200);
    assert_eq!(other.ask(&format!("GET {POTS}/a")).await.json(), made);
    assert_eq!(other.ask("GET /apis/example.com").await.json()["preferredVersion"]["version"], "v1");
}
