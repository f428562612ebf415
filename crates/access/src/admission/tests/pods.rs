use expect_test::expect;

use super::*;

const CONTAINER: &str = r#"{ "name": "c" }"#;

fn one_container() -> Value {
    json!({ "containers": [serde_json::from_str::<Value>(CONTAINER).unwrap()] })
}

fn with(member: &str, value: Value) -> Value {
    let mut spec = one_container();
    spec[member] = value;
    spec
}

#[test]
fn a_plain_pod_gets_what_upstream_gives_it() {
    let pod = fixture([]).create_pod(one_container()).unwrap();
    expect![[r#"
        {
          "containers": [
            {
              "name": "c",
              "volumeMounts": [
                {
                  "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount",
                  "name": "kube-api-access-SUFFIX",
                  "readOnly": true
                }
              ]
            }
          ],
          "preemptionPolicy": "PreemptLowerPriority",
          "priority": 0,
          "serviceAccount": "default",
          "serviceAccountName": "default",
          "tolerations": [
            {
              "effect": "NoExecute",
              "key": "node.kubernetes.io/not-ready",
              "operator": "Exists",
              "tolerationSeconds": 300
            },
            {
              "effect": "NoExecute",
              "key": "node.kubernetes.io/unreachable",
              "operator": "Exists",
              "tolerationSeconds": 300
            }
          ],
          "volumes": [
            {
              "name": "kube-api-access-SUFFIX",
              "projected": {
                "defaultMode": 420,
                "sources": [
                  {
                    "serviceAccountToken": {
                      "expirationSeconds": 3607,
                      "path": "token"
                    }
                  },
                  {
                    "configMap": {
                      "items": [
                        {
                          "key": "ca.crt",
                          "path": "ca.crt"
                        }
                      ],
                      "name": "kube-root-ca.crt"
                    }
                  },
                  {
                    "downwardAPI": {
                      "items": [
                        {
                          "fieldRef": {
                            "apiVersion": "v1",
                            "fieldPath": "metadata.namespace"
                          },
                          "path": "namespace"
                        }
                      ]
                    }
                  }
                ]
              }
            }
          ]
        }"#]]
    .assert_eq(&shown(&pod));
}

/// The spec with its members in the order of their names and the random suffix written SUFFIX.
fn shown(pod: &Value) -> String {
    let volume = pod["spec"]["volumes"][0]["name"].as_str().unwrap();
    let suffix = volume.strip_prefix("kube-api-access-").unwrap();
    assert_eq!(suffix.len(), 5);
    let sorted: std::collections::BTreeMap<String, Value> = serde_json::from_value(pod["spec"].clone()).unwrap();
    serde_json::to_string_pretty(&sorted).unwrap().replace(suffix, "SUFFIX")
}

#[test]
fn a_pod_of_an_unknown_service_account_does_not_enter() {
    let refusal = fixture([]).create_pod(with("serviceAccountName", json!("ghost"))).unwrap_err();
    assert_eq!(
        refusal,
        "pods \"web\" is forbidden: error looking up service account default/ghost: serviceaccount \"ghost\" not found"
    );
}

#[tokio::test(start_paused = true)]
async fn a_pod_waits_a_moment_for_the_default_account_of_a_new_namespace() {
    let fixture = fixture([plain("v1", "Namespace", "", "new")]);
    let attributes = asks(&admin(), "create pods new/");
    let (operation, warnings) = (Operation::Create, &Warnings::default());
    let request = AdmissionRequest { attributes: &attributes, operation, old: None, dry_run: false, warnings };
    let mut first = plain("v1", "Pod", "new", "web");
    let started = tokio::time::Instant::now();
    let refusal = fixture.chain.mutate(&request, &mut first).await.unwrap_err();
    assert!(refusal.message.ends_with("serviceaccount \"default\" not found"), "{refusal}");
    assert_eq!(started.elapsed(), std::time::Duration::from_secs(1), "and no longer");
    let controller = async {
        tokio::time::sleep(std::time::Duration::from_millis(120)).await;
        fixture.objects.put(plain("v1", "ServiceAccount", "new", "default"));
    };
    let mut second = plain("v1", "Pod", "new", "web");
    let (answer, ()) = tokio::join!(fixture.chain.mutate(&request, &mut second), controller);
    assert!(answer.is_ok());
}

#[test]
fn a_pod_without_name_is_named_by_the_beginning_of_it() {
    let fixture = fixture([]);
    let mut pod = pod("", with("serviceAccountName", json!("ghost")));
    pod["metadata"] = json!({ "generateName": "web-" });
    let refusal = fixture.admit(&admin(), "create pods default/", None, &pod).unwrap_err();
    assert!(refusal.starts_with("pods \"web-\" is forbidden"), "{refusal}");
}

#[test]
fn the_token_is_mounted_unless_pod_or_account_say_no() {
    let mut shy = plain("v1", "ServiceAccount", "default", "shy");
    shy["automountServiceAccountToken"] = json!(false);
    let fixture = fixture([shy]);
    let mounted = |spec: Value| !fixture.create_pod(spec).unwrap()["spec"]["volumes"].is_null();
    assert!(mounted(one_container()));
    assert!(!mounted(with("automountServiceAccountToken", json!(false))));
    assert!(!mounted(with("serviceAccountName", json!("shy"))));
    let mut wants = with("serviceAccountName", json!("shy"));
    wants["automountServiceAccountToken"] = json!(true);
    assert!(mounted(wants));
    let own = json!([{ "name": "c", "volumeMounts": [{ "name": "mine", "mountPath": "/var/run/secrets/kubernetes.io/serviceaccount" }] }]);
    assert!(!mounted(json!({ "containers": own })), "a mount of its own stays, and no volume is added for nobody");
}

#[test]
fn pull_secrets_come_from_the_account_unless_the_pod_has_its_own() {
    let mut account = plain("v1", "ServiceAccount", "default", "puller");
    account["imagePullSecrets"] = json!([{ "name": "registry" }]);
    let fixture = fixture([account]);
    let secrets = |spec: Value| fixture.create_pod(spec).unwrap()["spec"]["imagePullSecrets"].clone();
    assert_eq!(secrets(with("serviceAccountName", json!("puller"))), json!([{ "name": "registry" }]));
    let mut own = with("serviceAccountName", json!("puller"));
    own["imagePullSecrets"] = json!([{ "name": "own" }]);
    assert_eq!(secrets(own), json!([{ "name": "own" }]));
}

#[test]
fn own_tolerations_are_kept() {
    let fixture = fixture([]);
    let tolerations = |own: Value| {
        fixture.create_pod(with("tolerations", own)).unwrap()["spec"]["tolerations"].as_array().unwrap().len()
    };
    assert_eq!(tolerations(json!([{ "operator": "Exists" }])), 1, "tolerates everything");
    assert_eq!(
        tolerations(
            json!([{ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "tolerationSeconds": 5, "effect": "NoExecute" }])
        ),
        2
    );
    assert_eq!(
        tolerations(json!([{ "key": "node.kubernetes.io/not-ready", "operator": "Exists", "effect": "NoSchedule" }])),
        3
    );
}

fn class(name: &str, value: i64, default: bool) -> Value {
    let mut class = plain("scheduling.k8s.io/v1", "PriorityClass", "", name);
    (class["value"], class["globalDefault"]) = (json!(value), json!(default));
    class
}

#[test]
fn the_priority_is_that_of_the_class() {
    let mut polite = class("polite", 7, false);
    polite["preemptionPolicy"] = json!("Never");
    let fixture = fixture([class("usual", 5, true), polite]);
    let priority = |spec: Value| {
        let spec = fixture.create_pod(spec)?["spec"].clone();
        Ok::<_, String>((spec["priorityClassName"].clone(), spec["priority"].clone(), spec["preemptionPolicy"].clone()))
    };
    assert_eq!(priority(one_container()), Ok((json!("usual"), json!(5), json!("PreemptLowerPriority"))));
    assert_eq!(priority(with("priorityClassName", json!("polite"))), Ok((json!("polite"), json!(7), json!("Never"))));
    assert_eq!(
        priority(with("priorityClassName", json!("none"))),
        Err("pods \"web\" is forbidden: no PriorityClass with name none was found".to_owned())
    );
    let refusal = priority(with("priority", json!(9))).unwrap_err();
    assert!(refusal.ends_with("the integer value of priority (9) must not be provided in pod spec; priority admission controller computed 5 from the given PriorityClass name"), "{refusal}");
    let refusal = priority(with("preemptionPolicy", json!("Never"))).unwrap_err();
    assert!(refusal.contains("the string value of PreemptionPolicy (Never)"), "{refusal}");
}

#[test]
fn there_is_one_default_class() {
    let fixture = fixture([class("usual", 5, true)]);
    let create = |class: Value| fixture.admit(&admin(), "create scheduling.k8s.io:priorityclasses", None, &class);
    assert!(create(class("other", 5, false)).is_ok());
    assert_eq!(
        create(class("other", 5, true)).unwrap_err(),
        "priorityclasses.scheduling.k8s.io \"other\" is forbidden: PriorityClass usual is already marked as default. Only one default can exist"
    );
    let usual = class("usual", 6, true);
    assert!(fixture.admit(&admin(), "update scheduling.k8s.io:priorityclasses usual", Some(&usual), &usual).is_ok());
}

fn wasm_class() -> Value {
    let mut class = plain("node.k8s.io/v1", "RuntimeClass", "", "wasm");
    class["overhead"] = json!({ "podFixed": { "memory": "1Mi" } });
    class["scheduling"] =
        json!({ "nodeSelector": { "runtime": "wasm" }, "tolerations": [{ "key": "wasm", "operator": "Exists" }] });
    class
}

#[test]
fn a_runtime_class_brings_overhead_and_place() {
    let fixture = fixture([wasm_class()]);
    let spec = fixture.create_pod(with("runtimeClassName", json!("wasm"))).unwrap()["spec"].clone();
    assert_eq!(spec["overhead"], json!({ "memory": "1Mi" }));
    assert_eq!(spec["nodeSelector"], json!({ "runtime": "wasm" }));
    assert!(spec["tolerations"].as_array().unwrap().contains(&json!({ "key": "wasm", "operator": "Exists" })));
}

#[test]
fn a_pod_that_contradicts_its_runtime_class_does_not_enter() {
    let fixture = fixture([wasm_class()]);
    let refusal = |member: &str, value: Value| {
        let mut spec = with("runtimeClassName", json!("wasm"));
        spec[member] = value;
        fixture.create_pod(spec).err()
    };
    assert_eq!(refusal("overhead", json!({ "memory": "1024Ki" })), None, "the same amount");
    assert!(
        refusal("overhead", json!({ "memory": "2Mi" }))
            .unwrap()
            .ends_with("Pod's Overhead doesn't match RuntimeClass's defined Overhead")
    );
    assert!(refusal("nodeSelector", json!({ "runtime": "oci" })).unwrap().contains("doesn't match pod nodeSelector"));
    assert_eq!(
        refusal("runtimeClassName", json!("none")).unwrap(),
        "pods \"web\" is forbidden: pod rejected: RuntimeClass \"none\" not found"
    );
    let alone = fixture.create_pod(with("overhead", json!({ "memory": "1Mi" }))).unwrap_err();
    assert!(alone.ends_with("Pod Overhead set without corresponding RuntimeClass defined Overhead"), "{alone}");
}
