//! Which form an answer takes: media type and, for objects, `as=Table` or `as=PartialObjectMetadata`.
//!
//! Matches apiserver/pkg/endpoints/handlers/negotiation.

use http::{HeaderMap, header};

/// The media types answers are offered in, as error messages list them.
pub(crate) const OFFERED: &str = "application/json, application/yaml, application/vnd.kubernetes.protobuf";

/// A media type that objects travel in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Media {
    Json,
    Yaml,
    Protobuf,
}

impl Media {
    pub(crate) fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml",
            Self::Protobuf => "application/vnd.kubernetes.protobuf",
        }
    }

    /// Content type of a watch. JSON keeps its plain name, as upstream's watch handler does.
    pub(crate) fn stream_type(self) -> &'static str {
        match self {
            Self::Json => "application/json",
            Self::Yaml => "application/yaml;stream=watch",
            Self::Protobuf => "application/vnd.kubernetes.protobuf;stream=watch",
        }
    }
}

/// What an object is shown as.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Shape {
    /// The object itself.
    Whole,
    /// `meta.k8s.io/v1` Table, as kubectl get prints it; `v1beta1` where the client asked for that.
    Table { beta: bool },
    /// `meta.k8s.io/v1` PartialObjectMetadata.
    Metadata,
    /// `meta.k8s.io/v1` PartialObjectMetadataList.
    MetadataList,
    /// `apidiscovery.k8s.io/v2` APIGroupDiscoveryList.
    Discovery { beta: bool },
}

/// Media type and shape of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Form {
    pub(crate) media: Media,
    pub(crate) shape: Shape,
}

impl Form {
    pub(crate) const JSON: Self = Self { media: Media::Json, shape: Shape::Whole };
}

/// Picks the first form the client accepts and `allowed` permits. `None`: nothing fits, the answer is 406.
pub(crate) fn accept(headers: &HeaderMap, allowed: impl Fn(Form) -> bool) -> Option<Form> {
    let mut named = false;
    let mut best: Option<(u16, Form)> = None;
    for value in headers.get_all(header::ACCEPT) {
        for clause in value.to_str().unwrap_or_default().split(',').filter(|clause| !clause.trim().is_empty()) {
            named = true;
            let Some((quality, form)) = parse_clause(clause) else { continue };
            if allowed(form) && best.is_none_or(|(known, _)| quality > known) {
                best = Some((quality, form));
            }
        }
    }
    if named { best.map(|(_, form)| form) } else { Some(Form::JSON).filter(|form| allowed(*form)) }
}

/// Reads one media range: quality in thousandths and form. `None` for a type nobody here speaks.
fn parse_clause(clause: &str) -> Option<(u16, Form)> {
    let mut parts = clause.split(';').map(str::trim);
    let media = match parts.next()? {
        "application/json" | "*/*" | "application/*" => Media::Json,
        "application/yaml" => Media::Yaml,
        "application/vnd.kubernetes.protobuf" => Media::Protobuf,
        _ => return None,
    };
    let (mut convert, mut group, mut version, mut quality) = ("", "", "", 1000);
    for (name, value) in parts.filter_map(|part| part.split_once('=')) {
        match name.trim() {
            "as" => convert = value,
            "g" => group = value,
            "v" => version = value,
            "q" => quality = parse_quality(value)?,
            _ => {}
        }
    }
    Some((quality, Form { media, shape: parse_shape(convert, group, version)? }))
}

fn parse_shape(convert: &str, group: &str, version: &str) -> Option<Shape> {
    match (convert, group, version) {
        ("", ..) => Some(Shape::Whole),
        ("Table", "meta.k8s.io", "v1") => Some(Shape::Table { beta: false }),
        ("Table", "meta.k8s.io", "v1beta1") => Some(Shape::Table { beta: true }),
        ("PartialObjectMetadata", "meta.k8s.io", "v1") => Some(Shape::Metadata),
        ("PartialObjectMetadataList", "meta.k8s.io", "v1") => Some(Shape::MetadataList),
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2") => Some(Shape::Discovery { beta: false }),
        ("APIGroupDiscoveryList", "apidiscovery.k8s.io", "v2beta1") => Some(Shape::Discovery { beta: true }),
        _ => None,
    }
}

fn parse_quality(text: &str) -> Option<u16> {
    let text = text.trim();
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let thousandths: u16 = format!("{fraction:0<3}").get(..3)?.parse().ok()?;
    let quality = whole.parse::<u16>().ok()?.checked_mul(1000)?.checked_add(thousandths)?;
    (1..=1000).contains(&quality).then_some(quality)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(accept_header: &str, expected: &str) {
        let mut headers = HeaderMap::new();
        if !accept_header.is_empty() {
            headers.insert(header::ACCEPT, accept_header.parse().unwrap());
        }
        let found = accept(&headers, |form| !matches!(form.shape, Shape::Discovery { .. }));
        let found = found.map_or_else(|| "406".to_owned(), |form| format!("{:?} {:?}", form.media, form.shape));
        assert_eq!(found, expected, "{accept_header}");
    }

    #[test]
    fn the_first_form_that_both_sides_know_wins() {
        check("", "Json Whole");
        check("*/*", "Json Whole");
        check("application/vnd.kubernetes.protobuf,application/json", "Protobuf Whole");
        check("application/json;as=Table;v=v1;g=meta.k8s.io,application/json", "Json Table { beta: false }");
        check("application/json;as=Table;v=v9;g=meta.k8s.io,application/json", "Json Whole");
        check(
            "application/vnd.kubernetes.protobuf;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json",
            "Protobuf MetadataList",
        );
        check("application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList,application/yaml", "Yaml Whole");
        check("application/json;q=0.5,application/yaml", "Yaml Whole");
        check("application/yaml;q=0.5,application/json;q=0.9", "Json Whole");
        check("application/json;stream=watch", "Json Whole");
        check("text/html", "406");
        check("application/cbor", "406");
        check("application/json;q=0", "406");
    }
}
