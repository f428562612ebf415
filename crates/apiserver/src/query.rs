//! Query parameters, decoded once.

use std::borrow::Cow;

use percent_encoding::{NON_ALPHANUMERIC, percent_decode_str, utf8_percent_encode};

/// The decoded query parameters of a request, in order; a name may occur several times.
#[derive(Debug, Default, Clone)]
pub(crate) struct Query(Vec<(String, String)>);

impl Query {
    /// Reads the part of a URL behind `?`. Undecodable UTF-8 is replaced, as Go does not look at it either.
    pub(crate) fn parse(text: &str) -> Self {
        let pairs = text.split('&').filter(|pair| !pair.is_empty()).map(|pair| {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            (decode(name), decode(value))
        });
        Self(pairs.collect())
    }

    /// First value of a parameter; an empty one counts as absent.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        self.0.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str()).filter(|value| !value.is_empty())
    }

    /// Every value of a parameter.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0.iter().filter(move |(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// True if the parameter is given and is neither `false` nor `0` (upstream's `Convert_Slice_string_To_bool`).
    pub(crate) fn flag(&self, name: &str) -> bool {
        self.0.iter().find(|(key, _)| key == name).is_some_and(|(_, value)| !matches!(&**value, "false" | "0"))
    }

    /// True if the parameter is there at all, with whatever value.
    pub(crate) fn has(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// Every parameter in order, encoded again.
    pub(crate) fn encoded(&self) -> String {
        let encode = |text| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
        let pairs = self.0.iter().map(|(name, value)| format!("{}={}", encode(name), encode(value)));
        pairs.collect::<Vec<_>>().join("&")
    }
}

fn decode(text: &str) -> String {
    let spaced: Cow<'_, str> = if text.contains('+') { text.replace('+', " ").into() } else { text.into() };
    percent_decode_str(&spaced).decode_utf8_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_decoded_and_flags_follow_upstream() {
        let query = Query::parse(
            "labelSelector=app%3Dweb%2Cx+in+%28a%29&watch&pretty=false&command=a&command=b&follow=0&limit=",
        );
        assert_eq!(query.get("labelSelector"), Some("app=web,x in (a)"));
        assert_eq!(query.all("command").collect::<Vec<_>>(), ["a", "b"]);
        assert!(query.flag("watch") && !query.flag("pretty") && !query.flag("follow") && !query.flag("absent"));
        assert_eq!(Query::parse(&query.encoded()).0, query.0);
        assert!(query.has("limit") && query.get("limit").is_none());
    }
}
