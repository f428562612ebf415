use super::*;

/// A small table with one field of every sort, for the tests of everything the table drives.
pub(crate) const TABLE: &str = "\
apiextensions.v1.JSONSchemaProps
 items 3 2
 properties 2 {@apiextensions.v1.JSONSchemaProps
 required 4 [s
 type 1 s
apis.meta.v1.ObjectMeta
 annotations 12 {s
 creationTimestamp 8 t+
 deletionTimestamp 9 t?
 finalizers 14 [s S pmerge
 labels 11 {s
 name 1 s
 namespace 3 s
apis.meta.v1.Options kind:*
 apiVersion - s
 dryRun 5 [s
 kind - s
core.v1.Container
 args 4 [s
 env 7 [@core.v1.EnvVar Mname pmerge:name
 image 2 s
 limits 8 {q
 name 1 s!+
 ports 6 [@core.v1.ContainerPort McontainerPort,protocol pmerge:containerPort
 tty 18 b
core.v1.ContainerPort
 containerPort 3 i!+
 name 1 s
 protocol 4 s =\"TCP\"
core.v1.EnvVar
 name 1 s!+
 value 2 s
core.v1.Selector atomic
 matchLabels 1 {s A
core.v1.Strategy
 rollingUpdate 2 @core.v1.Selector?
 type 1 s
core.v1.Volume
 emptyDir 2.2 @core.v1.Selector?
 hostPath 2.1 @core.v1.Selector?
 name 1 s!+
core.v1.Widget kind:test/v1
 apiVersion - s
 kind - s
 metadata 1 @apis.meta.v1.ObjectMeta+
 spec 2 @core.v1.WidgetSpec+
core.v1.WidgetSpec
 containers 1 [@core.v1.Container+ Mname pmerge:name
 data 2 {y
 extra 3 {E
 grace 4 l?
 maximum 5 x?
 ratio 6 d
 raw 7 r
 renewTime 8 m?
 replicas 9 i?
 schema 10 @apiextensions.v1.JSONSchemaProps?
 schemaOrBool 11 1?
 schemaOrStrings 12 {3
 selector 13 @core.v1.Selector? preplace
 size 14 q?
 strategy 15 @core.v1.Strategy+ pretainKeys
 suspend 16 b
 toleration 20 [@core.v1.EnvVar
 values 17 [l
 volumes 18 [@core.v1.Volume Mname pmerge,retainKeys:name
";

pub(crate) fn schema() -> Schema {
    Schema::parse(TABLE)
}

#[test]
fn types_are_found_by_name_and_by_kind() {
    let schema = schema();
    let widget = schema.get("core.v1.Widget").unwrap();
    assert_eq!(schema.by_kind("test/v1", "Widget").unwrap().name, widget.name);
    assert_eq!(schema.by_kind("any/v9", "Options").unwrap().name, "apis.meta.v1.Options");
    assert!(schema.by_kind("test/v2", "Widget").is_none());
    assert!(schema.get("core.v1.Wid").is_none());
    assert_eq!((widget.short_name(), widget.go_name()), ("Widget", "v1.Widget"));
}

#[test]
fn fields_carry_what_the_table_says() {
    let schema = schema();
    let container = schema.get("core.v1.Container").unwrap();
    let ports = container.field("ports").unwrap();
    assert_eq!(ports.shape, Shape::List);
    assert_eq!(schema.message(ports).unwrap().name, "core.v1.ContainerPort");
    assert_eq!(ports.list_map_keys().collect::<Vec<_>>(), ["containerPort", "protocol"]);
    assert_eq!(ports.patch, Some(Patch { strategy: "merge", key: "containerPort" }));
    assert!(schema.get("core.v1.Selector").unwrap().field("matchLabels").unwrap().atomic_map);
    let name = container.field("name").unwrap();
    assert!(name.required && name.always && !name.nullable);
    assert_eq!(schema.get("core.v1.ContainerPort").unwrap().field("protocol").unwrap().default, Some("\"TCP\""));
    let volumes = schema.get("core.v1.WidgetSpec").unwrap().field("volumes").unwrap();
    assert!(volumes.patches_by("merge") && volumes.patches_by("retainKeys") && !volumes.patches_by("replace"));
}

#[test]
fn nested_fields_follow_each_other_in_the_order_of_tags() {
    let schema = schema();
    let tags: Vec<_> =
        schema.get("core.v1.Volume").unwrap().tagged_fields().map(|field| (field.name, field.tag)).collect();
    assert_eq!(tags, [("name", [1, 0, 0, 0]), ("hostPath", [2, 1, 0, 0]), ("emptyDir", [2, 2, 0, 0])]);
}

#[test]
fn a_malformed_table_is_refused_with_the_line() {
    let rows = [
        (" a 1 s", "a field before the first type"),
        ("a\n b 1", "needs name, tag and type"),
        ("a\n b 0 s", "bad tag 0"),
        ("a\n b 1.1.1.1.1 s", "nested too deeply"),
        ("a\n b 1 @c", "there is no type c"),
        ("a\n b 1 s wrong", "unknown word wrong"),
        ("a\n b 1 s\n c 1 s", "used twice"),
        ("b\na", "not sorted"),
    ];
    for (table, expected) in rows {
        let error = parse::parse(table).unwrap_err();
        assert!(error.contains(expected), "{table:?}: {error}");
    }
}
