//! Custom resources under real kubectl: from the definition to its end.

use sampan_e2e::Cluster;

const DEFINITION: &str = r#"apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: pots.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: pots, singular: pot, kind: Pot, shortNames: [pt], categories: [all]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources:
      status: {}
      scale: {specReplicasPath: .spec.replicas, statusReplicasPath: .status.replicas}
    additionalPrinterColumns:
    - {name: Size, type: integer, jsonPath: .spec.size}
    - {name: Colour, type: string, jsonPath: .spec.colour, priority: 1}
    - {name: Age, type: date, jsonPath: .metadata.creationTimestamp}
    schema:
      openAPIV3Schema:
        type: object
        description: A pot holds things.
        properties:
          spec:
            type: object
            required: [size]
            properties:
              size: {type: integer, minimum: 1, description: How much it holds.}
              colour: {type: string, default: brown}
              replicas: {type: integer}
          status:
            type: object
            properties:
              replicas: {type: integer}
"#;

fn cluster() -> Cluster {
    let cluster = Cluster::start();
    assert!(
        cluster
            .apply(DEFINITION)
            .ok()
            .contains("customresourcedefinition.apiextensions.k8s.io/pots.example.com created")
    );
    cluster.kubectl("wait crd/pots.example.com --for=condition=Established --timeout=20s").ok();
    cluster
}

fn pot(name: &str, spec: &str) -> String {
    format!("{{apiVersion: example.com/v1, kind: Pot, metadata: {{name: {name}}}, spec: {spec}}}")
}

#[test]
fn kubectl_works_with_a_custom_kind_as_with_any_other() {
    let cluster = cluster();
    let definitions = cluster.kubectl("get crd").ok();
    assert!(definitions.starts_with("NAME ") && definitions.contains("CREATED AT"), "{definitions}");
    assert!(cluster.apply(DEFINITION).ok().contains("unchanged"));
    let resources = cluster.kubectl("api-resources --api-group=example.com").ok();
    assert!(
        resources.contains("pots") && resources.contains("pt") && resources.contains("example.com/v1"),
        "{resources}"
    );

    assert!(cluster.apply(&pot("a", "{size: 3, replicas: 1}")).ok().contains("pot.example.com/a created"));
    assert!(cluster.apply(&pot("a", "{size: 3, replicas: 1}")).ok().contains("pot.example.com/a unchanged"));
    assert!(cluster.apply(&pot("a", "{size: 4, replicas: 1}")).ok().contains("pot.example.com/a configured"));
    let table = cluster.kubectl("get pt").ok();
    let mut lines = table.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    assert_eq!(lines.next(), Some(vec!["NAME", "SIZE", "AGE"]), "{table}");
    assert_eq!(lines.next().map(|line| line[..2].to_vec()), Some(vec!["a", "4"]), "{table}");
    let wide = cluster.kubectl("get pots -o wide").ok();
    assert!(wide.contains("COLOUR") && wide.contains("brown"), "{wide}");
    assert!(cluster.kubectl("get all").ok().contains("pot.example.com/a"));
    let explained = cluster.kubectl("explain pot.spec.size").ok();
    assert!(explained.contains("How much it holds.") && explained.contains("KIND:       Pot"), "{explained}");
    assert!(cluster.kubectl("scale pot/a --replicas=3").ok().contains("scaled"));
    assert_eq!(cluster.field("pot/a", "{.spec.replicas} {.metadata.generation}"), "3 3");
    cluster
        .kubectl_with(&["patch", "pot/a", "--subresource=status", "--type=merge", "-p", r#"{"status":{"replicas":3}}"#])
        .ok();
    cluster.wait("pot/a", "{.status.replicas}", "3");
    assert!(cluster.kubectl("describe pot a").ok().contains("Size:"));
    cluster.kubectl("label pot a kept=yes").ok();
    assert!(cluster.kubectl("delete pot -l kept=yes").ok().contains("pot.example.com \"a\" deleted"));
}

#[test]
fn what_is_wrong_with_a_custom_object_is_told() {
    let cluster = cluster();
    let refused = cluster.apply(&pot("a", "{size: big}")).err();
    assert!(refused.contains("spec.size in body must be of type integer: \"string\""), "{refused}");
    let refused = cluster.apply(&pot("a", "{size: 0}")).err();
    assert!(refused.contains("spec.size in body should be greater than or equal to 1"), "{refused}");
    let refused = cluster.apply(&pot("a", "{size: 1, siez: 2}")).err();
    assert!(refused.contains("unknown field \"spec.siez\""), "{refused}");
    let unknown =
        cluster.kubectl_with_input("create -f -", "apiVersion: example.com/v1\nkind: Pan\nmetadata: {name: a}\n").err();
    assert!(unknown.contains("no matches for kind \"Pan\" in version \"example.com/v1\""), "{unknown}");
}

#[test]
fn custom_objects_go_with_their_owner_their_namespace_and_their_definition() {
    let cluster = cluster();
    cluster.apply(&pot("owner", "{size: 1}")).ok();
    let uid = cluster.field("pot/owner", "{.metadata.uid}");
    cluster
        .apply(&format!(
            "{{apiVersion: v1, kind: ConfigMap, metadata: {{name: owned, ownerReferences: \
             [{{apiVersion: example.com/v1, kind: Pot, name: owner, uid: {uid}}}]}}}}"
        ))
        .ok();
    cluster.kubectl("delete pot owner").ok();
    cluster.kubectl("wait configmap/owned --for=delete --timeout=40s").ok();

    cluster.kubectl("create namespace kitchen").ok();
    cluster
        .kubectl_with_input(
            "apply -n kitchen -f -",
            &pot("a", "{size: 1}").replace('{', "{ ").replacen("{ ", "---\n{ ", 1),
        )
        .ok();
    cluster.kubectl("delete namespace kitchen --timeout=40s").ok();
    assert!(cluster.kubectl("get pots -A").stderr.contains("No resources found"));

    cluster.apply(&pot("last", "{size: 1}")).ok();
    cluster.kubectl("delete crd pots.example.com --timeout=40s").ok();
    let gone = cluster.kubectl("get pots").err();
    assert!(
        gone.contains("the server doesn't have a resource type \"pots\"")
            || gone.contains("could not find the requested resource"),
        "{gone}"
    );
}

#[test]
fn custom_objects_survive_a_crash() {
    let mut cluster = cluster();
    cluster.apply(&pot("a", "{size: 3}")).ok();
    cluster.crash_and_restart();
    assert_eq!(cluster.field("pot/a", "{.spec.size} {.spec.colour}"), "3 brown");
    assert!(cluster.apply(&pot("b", "{size: 1}")).ok().contains("created"));
}
