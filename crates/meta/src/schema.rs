//! The shape of every kind, as one table of facts.
//!
//! The table drives everything that must know fields without knowing kinds: strict decoding, pruning, protobuf, patches, OpenAPI. Its text
//! is embedded in the binary; a [`Schema`] holds slices of that text and about 100 bytes a field.

mod parse;

/// Every type, found by name or by kind.
#[derive(Debug)]
pub struct Schema {
    /// Sorted by name.
    types: Box<[Type]>,
    /// Sorted by API version and kind.
    kinds: Box<[(&'static str, &'static str, TypeId)]>,
}

/// An object's shape: a kind or a part of one.
#[derive(Debug)]
pub struct Type {
    /// For example `core.v1.Pod` or `apis.meta.v1.ObjectMeta`.
    pub name: &'static str,
    /// The `apiVersion` when the type is a kind; `*` for the few that every group version knows (`DeleteOptions`).
    pub api_version: Option<&'static str>,
    /// Server-side apply owns the whole object, not its fields.
    pub atomic: bool,
    /// Sorted by name.
    fields: Box<[Field]>,
    /// Indexes of the fields that have a tag, sorted by tag.
    by_tag: Box<[u8]>,
}

/// One field of a type.
#[derive(Debug)]
pub struct Field {
    /// The name in JSON.
    pub name: &'static str,
    /// How protobuf numbers it.
    pub tag: Tag,
    /// Whether there is one, a list or a map of [`Self::element`].
    pub shape: Shape,
    /// What the value, the list's elements or the map's values are.
    pub element: Element,
    /// OpenAPI calls it required.
    pub required: bool,
    /// A zero value differs from absence: what is a pointer in Go.
    pub nullable: bool,
    /// Go writes it into JSON even when it is zero.
    pub always: bool,
    /// How server-side apply tells a list's elements apart.
    pub list: ListType,
    /// Server-side apply owns the map as a whole, not its entries.
    pub atomic_map: bool,
    /// How a strategic merge patch treats it.
    pub patch: Option<Patch>,
    /// The default OpenAPI knows, as JSON text.
    pub default: Option<&'static str>,
}

/// The protobuf numbers that lead to a field; more than one when JSON inlines a message that protobuf nests. Zeros fill the rest; a field that is not in
/// the message at all (`apiVersion`, `kind`) has zeros only.
pub type Tag = [u8; MAX_NESTING];

/// The most messages a field is nested in, counting itself.
pub const MAX_NESTING: usize = 4;

/// How many values a field holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    One,
    List,
    /// Keyed by string.
    Map,
}

/// A position in a schema's list of types.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TypeId(u16);

/// What one value is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Element {
    String,
    Int32,
    Int64,
    Bool,
    Double,
    /// Base64 in JSON.
    Bytes,
    /// RFC 3339, whole seconds.
    Time,
    /// RFC 3339, microseconds.
    MicroTime,
    Quantity,
    IntOrString,
    /// Any object (`RawExtension`).
    Raw,
    /// The set of fields a manager owns; any object.
    FieldsV1,
    /// Any JSON value.
    Json,
    /// A list of strings that protobuf wraps in a message.
    StringList,
    /// `JSONSchemaProps` or a truth value.
    SchemaOrBool(TypeId),
    /// `JSONSchemaProps` or a list of them.
    SchemaOrArray(TypeId),
    /// `JSONSchemaProps` or a list of strings.
    SchemaOrStrings(TypeId),
    Message(TypeId),
}

/// How server-side apply tells the elements of a list apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ListType {
    /// It does not: the list is owned as a whole.
    Atomic,
    /// By value.
    Set,
    /// By the values of these fields, comma-separated.
    Map(&'static str),
}

/// How a strategic merge patch treats a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Patch {
    /// `merge`, `replace`, `retainKeys`, or several with commas.
    pub strategy: &'static str,
    /// The field that tells the elements of a merged list of objects apart; empty for lists of plain values.
    pub key: &'static str,
}

impl Schema {
    /// Reads the table.
    ///
    /// # Panics
    /// When the table is malformed, naming the line: it is part of the program, so this is a bug that every test shows.
    pub fn parse(text: &'static str) -> Self {
        parse::parse(text).unwrap_or_else(|error| panic!("malformed schema table: {error}"))
    }

    /// The type of this name, for example `core.v1.Pod`.
    pub fn get(&self, name: &str) -> Option<&Type> {
        let index = self.types.binary_search_by(|type_| type_.name.cmp(name)).ok()?;
        Some(&self.types[index])
    }

    /// The type of a kind, for example of `apps/v1` and `Deployment`.
    pub fn by_kind(&self, api_version: &str, kind: &str) -> Option<&Type> {
        self.exact_kind(api_version, kind).or_else(|| self.exact_kind("*", kind))
    }

    fn exact_kind(&self, api_version: &str, kind: &str) -> Option<&Type> {
        let index =
            self.kinds.binary_search_by(|(version, name, _)| (*version, *name).cmp(&(api_version, kind))).ok()?;
        Some(self.type_at(self.kinds[index].2))
    }

    /// Every type, sorted by name.
    pub fn types(&self) -> &[Type] {
        &self.types
    }

    /// The type an [`Element`] refers to.
    pub fn type_at(&self, id: TypeId) -> &Type {
        &self.types[usize::from(id.0)]
    }

    /// The type of a field's value, of its list's elements or of its map's values, when that is a message.
    pub fn message(&self, field: &Field) -> Option<&Type> {
        match field.element {
            Element::Message(id) => Some(self.type_at(id)),
            _ => None,
        }
    }
}

impl Type {
    /// The field of this JSON name.
    pub fn field(&self, name: &str) -> Option<&Field> {
        let index = self.fields.binary_search_by(|field| field.name.cmp(name)).ok()?;
        Some(&self.fields[index])
    }

    /// Every field, sorted by name.
    pub fn fields(&self) -> &[Field] {
        &self.fields
    }

    /// The fields that protobuf carries, sorted by tag; those nested in one message follow each other.
    pub fn tagged_fields(&self) -> impl DoubleEndedIterator<Item = &Field> + ExactSizeIterator + Clone {
        self.by_tag.iter().map(|index| &self.fields[usize::from(*index)])
    }

    /// The first field whose tag begins with these numbers.
    pub fn tagged_field(&self, prefix: &[u8]) -> Option<&Field> {
        let field = |index: &u8| &self.fields[usize::from(*index)];
        let start = self.by_tag.partition_point(|index| field(index).tag[..prefix.len()] < *prefix);
        self.by_tag.get(start).map(field).filter(|field| field.tag.starts_with(prefix))
    }

    /// The last part of the name: the kind, for types that are kinds.
    pub fn short_name(&self) -> &'static str {
        self.name.rsplit('.').next().unwrap_or(self.name)
    }

    /// The name as Go prints it in decoding errors: `v1.Pod`.
    pub fn go_name(&self) -> &'static str {
        let package_end = self.name.rfind('.').unwrap_or(0);
        let start = self.name[..package_end].rfind('.').map_or(0, |dot| dot + 1);
        &self.name[start..]
    }
}

impl Field {
    /// The fields that tell the elements of a list apart in server-side apply.
    pub fn list_map_keys(&self) -> impl Iterator<Item = &'static str> + Clone + use<> {
        let keys = match self.list {
            ListType::Map(keys) => keys,
            ListType::Atomic | ListType::Set => "",
        };
        keys.split(',').filter(|key| !key.is_empty())
    }

    /// Whether a strategic merge patch has this strategy for the field: `merge`, `replace` or `retainKeys`.
    pub fn patches_by(&self, strategy: &str) -> bool {
        self.patch.is_some_and(|patch| patch.strategy.split(',').any(|own| own == strategy))
    }
}

#[cfg(test)]
pub(crate) mod tests;
