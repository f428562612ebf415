use super::*;
use expect_test::expect;

fn made(types: &[&str]) -> Map<String, Value> {
    components(types.iter().copied(), &Descriptions::read())
}

/// What a component says of a field beside what it is for.
fn property(type_name: &str, field: &str) -> String {
    without_descriptions(&made(&[type_name])[&component_name(type_name)]["properties"][field])
}

fn without_descriptions(schema: &Value) -> String {
    fn strip(schema: &mut Value) {
        let Some(members) = schema.as_object_mut() else { return };
        members.remove("description").expect("every type and field says what it is for");
        members
            .get_mut("properties")
            .into_iter()
            .flat_map(Value::as_object_mut)
            .flatten()
            .for_each(|(_, property)| strip(property));
    }
    let mut schema = schema.clone();
    strip(&mut schema);
    schema.to_string()
}

#[test]
fn components_have_the_names_of_upstream() {
    let rows = [
        ("core.v1.Pod", "io.k8s.api.core.v1.Pod"),
        ("apis.meta.v1.ObjectMeta", "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"),
        ("version.Info", "io.k8s.apimachinery.pkg.version.Info"),
        ("apiregistration.v1.APIService", "io.k8s.kube-aggregator.pkg.apis.apiregistration.v1.APIService"),
        (
            "apiextensions.v1.JSONSchemaProps",
            "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
        ),
    ];
    for (name, expected) in rows {
        assert_eq!(component_name(name), expected);
        assert!(crate::schema().get(name).is_some(), "{name}");
    }
}

#[test]
fn a_kind_says_its_group_version_and_kind() {
    let made = made(&["apps.v1.Deployment", "core.v1.Secret", "apis.meta.v1.DeleteOptions"]);
    expect![[r##"{"properties":{"apiVersion":{"type":"string"},"kind":{"type":"string"},"metadata":{"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"}],"default":{}},"spec":{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.apps.v1.DeploymentSpec"}],"default":{}},"status":{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.apps.v1.DeploymentStatus"}],"default":{}}},"type":"object","x-kubernetes-group-version-kind":[{"group":"apps","kind":"Deployment","version":"v1"}]}"##]].assert_eq(&without_descriptions(&made["io.k8s.api.apps.v1.Deployment"]));
    expect![[r#"[{"group":"","kind":"Secret","version":"v1"}]"#]]
        .assert_eq(&made["io.k8s.api.core.v1.Secret"]["x-kubernetes-group-version-kind"].to_string());
    expect![[r#"[{"group":"","kind":"DeleteOptions","version":"v1"}]"#]].assert_eq(
        &made["io.k8s.apimachinery.pkg.apis.meta.v1.DeleteOptions"]["x-kubernetes-group-version-kind"].to_string(),
    );
}

#[test]
fn fields_say_their_types_keys_and_strategies() {
    let rows = [
        ("core.v1.PodSpec", "containers"),
        ("core.v1.PodSpec", "volumes"),
        ("core.v1.PodSpec", "nodeSelector"),
        ("core.v1.PodSpec", "terminationGracePeriodSeconds"),
        ("core.v1.Container", "ports"),
        ("core.v1.Container", "name"),
        ("core.v1.Container", "args"),
        ("core.v1.ContainerPort", "protocol"),
        ("core.v1.ResourceRequirements", "limits"),
        ("core.v1.HTTPGetAction", "port"),
        ("core.v1.Secret", "data"),
        ("apps.v1.DeploymentSpec", "strategy"),
        ("apps.v1.ControllerRevision", "data"),
        ("coordination.v1.LeaseSpec", "renewTime"),
        ("certificates.v1.CertificateSigningRequestSpec", "extra"),
    ];
    let shown: Vec<String> = rows.iter().map(|(type_, field)| format!("{field}: {}", property(type_, field))).collect();
    expect![[r##"
        containers: {"items":{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.core.v1.Container"}],"default":{}},"type":"array","x-kubernetes-list-map-keys":["name"],"x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge"}
        volumes: {"items":{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.core.v1.Volume"}],"default":{}},"type":"array","x-kubernetes-list-map-keys":["name"],"x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"name","x-kubernetes-patch-strategy":"merge,retainKeys"}
        nodeSelector: {"additionalProperties":{"default":"","type":"string"},"type":"object","x-kubernetes-map-type":"atomic"}
        terminationGracePeriodSeconds: {"format":"int64","type":"integer"}
        ports: {"items":{"allOf":[{"$ref":"#/components/schemas/io.k8s.api.core.v1.ContainerPort"}],"default":{}},"type":"array","x-kubernetes-list-map-keys":["containerPort","protocol"],"x-kubernetes-list-type":"map","x-kubernetes-patch-merge-key":"containerPort","x-kubernetes-patch-strategy":"merge"}
        name: {"default":"","type":"string"}
        args: {"items":{"default":"","type":"string"},"type":"array","x-kubernetes-list-type":"atomic"}
        protocol: {"default":"TCP","type":"string"}
        limits: {"additionalProperties":{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.api.resource.Quantity"},"type":"object"}
        port: {"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.util.intstr.IntOrString"}]}
        data: {"additionalProperties":{"format":"byte","type":"string"},"type":"object"}
        strategy: {"allOf":[{"$ref":"#/components/schemas/io.k8s.api.apps.v1.DeploymentStrategy"}],"default":{},"x-kubernetes-patch-strategy":"retainKeys"}
        data: {"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.runtime.RawExtension"}]}
        renewTime: {"allOf":[{"$ref":"#/components/schemas/io.k8s.apimachinery.pkg.apis.meta.v1.MicroTime"}]}
        extra: {"additionalProperties":{"items":{"default":"","type":"string"},"type":"array"},"type":"object"}"##]].assert_eq(&shown.join("\n"));
}

#[test]
fn everything_that_is_referred_to_is_there() {
    let every_type: Vec<&str> = crate::schema().types().iter().map(|type_| type_.name).collect();
    let made = made(&every_type);
    let text = Value::Object(made.clone()).to_string();
    let mut references = 0;
    for reference in text.split("\"#/components/schemas/").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(made.get(reference).is_some_and(Value::is_object), "{reference}");
        references += 1;
    }
    assert!(references > 1000, "{references}");
    assert_eq!(self::made(&["core.v1.Nothing"]).len(), 0);
}

/// What upstream's documents do not describe either; a name alone stands for all fields that are not described.
const UNDESCRIBED: [&str; 5] = [
    "io.k8s.api.certificates.v1.CertificateSigningRequest metadata",
    "io.k8s.api.networking.v1.IngressRule http",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.ExternalDocumentation",
    "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions.v1.JSONSchemaProps",
    "io.k8s.apimachinery.pkg.apis.meta.v1.GroupResource",
];

/// Kinds that are in no document of upstream's: parameters of URLs, and what no resource is.
fn is_documented(type_: &Type) -> bool {
    let internal = ["PodStatusResult", "RangeAllocation", "SerializedReference"].contains(&type_.short_name());
    let version = type_.api_version.unwrap_or_default();
    let served = !matches!(version, "" | "*" | "meta.k8s.io/v1" | "admission.k8s.io/v1" | "apidiscovery.k8s.io/v2");
    served && !internal && !type_.name.ends_with("Options")
}

#[test]
fn every_type_and_field_of_what_is_served_is_described() {
    let kinds = crate::schema().types().iter().filter(|type_| is_documented(type_)).map(|type_| type_.name);
    let kinds: Vec<&str> = kinds.chain(["apis.meta.v1.DeleteOptions", "apis.meta.v1.Status"]).collect();
    assert!(kinds.len() > 150, "{}", kinds.len());
    let mut undescribed = std::collections::BTreeSet::new();
    let mut described = 0;
    for (name, component) in made(&kinds) {
        let own = std::iter::once((name.clone(), &component));
        let fields = component["properties"].as_object().into_iter().flatten();
        for (what, schema) in own.chain(fields.map(|(field, schema)| (format!("{name} {field}"), schema))) {
            if schema["description"].as_str().is_some_and(|text| !text.is_empty()) {
                described += 1;
            } else {
                let known = UNDESCRIBED.iter().find(|known| what.starts_with(**known));
                undescribed.insert(known.map_or(what, |known| (*known).to_owned()));
            }
        }
    }
    assert_eq!(undescribed.iter().map(String::as_str).collect::<Vec<_>>(), UNDESCRIBED);
    assert!(described > 2800, "{described}");
}
