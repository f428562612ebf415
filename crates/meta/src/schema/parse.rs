//! Reads the table's text. The format is described at its head.

use super::{Element, Field, ListType, MAX_NESTING, Patch, Schema, Shape, Tag, Type, TypeId};

/// What the three unions of CRD schemas are made of.
const JSON_SCHEMA: &str = "apiextensions.v1.JSONSchemaProps";

pub(super) fn parse(text: &'static str) -> Result<Schema, String> {
    let lines = || text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'));
    let names: Vec<&'static str> =
        lines().filter(|line| !line.starts_with(' ')).filter_map(|line| line.split(' ').next()).collect();
    if let Some(pair) = names.windows(2).find(|pair| pair[0] >= pair[1]) {
        return Err(format!("{} is not sorted before {}", pair[0], pair[1]));
    }
    let mut types: Vec<(Type, Vec<Field>)> = Vec::with_capacity(names.len());
    for line in lines() {
        let error = |why: String| format!("{line:?}: {why}");
        match (line.strip_prefix(' '), types.last_mut()) {
            (Some(field), Some((_, fields))) => fields.push(parse_field(field, &names).map_err(error)?),
            (Some(_), None) => return Err(error("a field before the first type".to_owned())),
            (None, _) => types.push((parse_type(line).map_err(error)?, Vec::new())),
        }
    }
    let types: Box<[Type]> =
        types.into_iter().map(|(type_, fields)| with_fields(type_, fields)).collect::<Result<_, _>>()?;
    let kinds = kinds(&types);
    Ok(Schema { types, kinds })
}

fn kinds(types: &[Type]) -> Box<[(&'static str, &'static str, TypeId)]> {
    let mut kinds: Vec<_> = types
        .iter()
        .zip(0..)
        .filter_map(|(type_, index)| Some((type_.api_version?, type_.short_name(), TypeId(index))))
        .collect();
    kinds.sort_unstable_by_key(|(api_version, kind, _)| (*api_version, *kind));
    kinds.into()
}

fn parse_type(line: &'static str) -> Result<Type, String> {
    let mut words = line.split(' ');
    let name = words.next().unwrap_or_default();
    let mut type_ = Type { name, api_version: None, atomic: false, fields: Box::default(), by_tag: Box::default() };
    for word in words {
        match word.split_once(':') {
            Some(("kind", api_version)) => type_.api_version = Some(api_version),
            None if word == "atomic" => type_.atomic = true,
            _ => return Err(format!("unknown word {word}")),
        }
    }
    Ok(type_)
}

fn with_fields(mut type_: Type, fields: Vec<Field>) -> Result<Type, String> {
    if let Some(pair) = fields.windows(2).find(|pair| pair[0].name >= pair[1].name) {
        return Err(format!("{}: {} is not sorted before {}", type_.name, pair[0].name, pair[1].name));
    }
    let mut tagged: Vec<(Tag, u8)> = Vec::with_capacity(fields.len());
    for (index, field) in fields.iter().enumerate().filter(|(_, field)| field.tag[0] != 0) {
        let index = u8::try_from(index).map_err(|_| format!("{}: more than 256 fields", type_.name))?;
        tagged.push((field.tag, index));
    }
    tagged.sort_unstable();
    if let Some(pair) = tagged.windows(2).find(|pair| pair[0].0 == pair[1].0) {
        return Err(format!("{}: tag {:?} is used twice", type_.name, pair[0].0));
    }
    type_.by_tag = tagged.into_iter().map(|(_, index)| index).collect();
    type_.fields = fields.into();
    Ok(type_)
}

fn parse_field(line: &'static str, names: &[&str]) -> Result<Field, String> {
    let mut words = line.split(' ');
    let (name, tag, type_) = match (words.next(), words.next(), words.next()) {
        (Some(name), Some(tag), Some(type_)) => (name, parse_tag(tag)?, type_),
        _ => return Err("a field needs name, tag and type".to_owned()),
    };
    let (shape, element) = match type_.split_at_checked(1) {
        Some(("[", element)) => (Shape::List, element),
        Some(("{", element)) => (Shape::Map, element),
        _ => (Shape::One, type_),
    };
    let flags_start = element.find(['!', '?', '+']).unwrap_or(element.len());
    let (element, flags) = element.split_at(flags_start);
    let mut field = Field {
        name,
        tag,
        shape,
        element: parse_element(element, names)?,
        required: flags.contains('!'),
        nullable: flags.contains('?'),
        always: flags.contains('+'),
        list: ListType::Atomic,
        atomic_map: false,
        patch: None,
        default: None,
    };
    for word in words {
        parse_word(&mut field, word)?;
    }
    Ok(field)
}

fn parse_word(field: &mut Field, word: &'static str) -> Result<(), String> {
    match word.split_at_checked(1) {
        Some(("A", "")) => field.atomic_map = true,
        Some(("S", "")) => field.list = ListType::Set,
        Some(("M", keys)) => field.list = ListType::Map(keys),
        Some(("p", patch)) => {
            let (strategy, key) = patch.split_once(':').unwrap_or((patch, ""));
            field.patch = Some(Patch { strategy, key });
        }
        Some(("=", default)) => field.default = Some(default),
        _ => return Err(format!("unknown word {word}")),
    }
    Ok(())
}

fn parse_tag(text: &str) -> Result<Tag, String> {
    let mut tag = [0; MAX_NESTING];
    if text == "-" {
        return Ok(tag);
    }
    let mut numbers = text.split('.');
    for (slot, number) in tag.iter_mut().zip(&mut numbers) {
        *slot = number.parse().ok().filter(|number| *number > 0).ok_or_else(|| format!("bad tag {text}"))?;
    }
    if numbers.next().is_some() { Err(format!("tag {text} is nested too deeply")) } else { Ok(tag) }
}

fn parse_element(text: &str, names: &[&str]) -> Result<Element, String> {
    let type_id = |name: &str| {
        let index = names.binary_search(&name).map_err(|_| format!("there is no type {name}"))?;
        u16::try_from(index).map(TypeId).map_err(|_| "more than 65536 types".to_owned())
    };
    Ok(match text {
        "s" => Element::String,
        "i" => Element::Int32,
        "l" => Element::Int64,
        "b" => Element::Bool,
        "d" => Element::Double,
        "y" => Element::Bytes,
        "t" => Element::Time,
        "m" => Element::MicroTime,
        "q" => Element::Quantity,
        "x" => Element::IntOrString,
        "r" => Element::Raw,
        "f" => Element::FieldsV1,
        "j" => Element::Json,
        "E" => Element::StringList,
        "1" => Element::SchemaOrBool(type_id(JSON_SCHEMA)?),
        "2" => Element::SchemaOrArray(type_id(JSON_SCHEMA)?),
        "3" => Element::SchemaOrStrings(type_id(JSON_SCHEMA)?),
        _ => Element::Message(type_id(text.strip_prefix('@').ok_or_else(|| format!("unknown type {text}"))?)?),
    })
}
