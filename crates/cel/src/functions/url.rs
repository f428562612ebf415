//! URLs. Upstream: `apiserver/pkg/cel/library/urls.go`, which goes by Go's `url.ParseRequestURI`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::{Overload, T, function, method};
use crate::error::Error;
use crate::value::{Key, Value};

const URL: T = T::Opaque("kubernetes.URL");

/// The parts of a URL.
#[derive(Debug, PartialEq, Eq)]
pub struct Url {
    scheme: String,
    host: String,
    path: String,
    query: String,
}

pub(super) const OVERLOADS: &[Overload] = &[
    function("url", &[T::String], URL, |budget, a| {
        budget.traverse(a[0].size())?;
        Url::parse(a[0].as_text()?).map(|url| Value::Url(Arc::new(url)))
    }),
    function("url", &[URL], URL, |_, a| Ok(a[0].clone())),
    function("isURL", &[T::String], T::Bool, |budget, a| {
        budget.traverse(a[0].size())?;
        Ok(Value::Bool(Url::parse(a[0].as_text()?).is_ok()))
    }),
    method("getScheme", &[URL], T::String, |_, a| part(a, |url| url.scheme.clone())),
    method("getHost", &[URL], T::String, |_, a| part(a, |url| url.host.clone())),
    method("getHostname", &[URL], T::String, |_, a| part(a, |url| url.name_and_port().0.to_owned())),
    method("getPort", &[URL], T::String, |_, a| part(a, |url| url.name_and_port().1.to_owned())),
    method("getEscapedPath", &[URL], T::String, |_, a| part(a, |url| url.path.clone())),
    method("getQuery", &[URL], T::Map(&T::String, &T::List(&T::String)), query),
];

fn of<'v>(value: &'v Value<'_>) -> Result<&'v Url, Error> {
    match value {
        Value::Url(url) => Ok(url),
        _ => Err(Error::no_such_overload()),
    }
}

fn part<'a>(args: &[Value<'a>], of_url: fn(&Url) -> String) -> Result<Value<'a>, Error> {
    Ok(Value::string(of_url(of(&args[0])?)))
}

fn query<'a>(budget: &mut crate::budget::Budget, args: &[Value<'a>]) -> Result<Value<'a>, Error> {
    let url = of(&args[0])?;
    budget.traverse(url.query.len())?;
    let mut values: BTreeMap<Key, Vec<Value<'a>>> = BTreeMap::new();
    for pair in url.query.split('&').filter(|pair| !pair.is_empty() && !pair.contains(';')) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let (Some(name), Some(value)) = (unescape(name), unescape(value)) else { continue };
        values.entry(Key::String(name.into())).or_default().push(Value::string(value));
    }
    let lists = values.into_iter().map(|(name, values)| Ok((name, Value::list(values)?)));
    Value::map(lists.collect::<Result<_, Error>>()?)
}

/// `%20` and `+` as what they mean; `None` where they mean nothing.
fn unescape(text: &str) -> Option<String> {
    let mut bytes = Vec::new();
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        match byte {
            b'+' => bytes.push(b' '),
            b'%' => {
                let digits = [rest.next()?, rest.next()?];
                let digits = std::str::from_utf8(&digits)
                    .ok()
                    .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_hexdigit()))?;
                bytes.push(u8::from_str_radix(digits, 16).ok()?);
            }
            other => bytes.push(other),
        }
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}

impl Url {
    /// An absolute URL, or an absolute path.
    fn parse(text: &str) -> Result<Self, Error> {
        let wrong =
            |why: &str| Error::failed(format!("URL parse error during conversion from string: parse {text:?}: {why}"));
        if text.is_empty() {
            return Err(wrong("empty url"));
        }
        if text.bytes().any(|byte| byte < 0x20 || byte == 0x7f) {
            return Err(wrong("net/url: invalid control character in URL"));
        }
        let (rest, query) = text.split_once('?').unwrap_or((text, ""));
        let (scheme, rest) = match rest.split_once(':') {
            Some((scheme, rest)) if is_scheme(scheme) => (scheme.to_ascii_lowercase(), rest),
            _ => (String::new(), rest),
        };
        if !rest.starts_with('/') {
            return Err(wrong("invalid URI for request"));
        }
        let (authority, path) = match rest.strip_prefix("//").filter(|_| !scheme.is_empty() || !rest.starts_with("///"))
        {
            Some(rest) => rest.find('/').map_or((rest, ""), |at| rest.split_at(at)),
            None => ("", rest),
        };
        let host = authority.rsplit_once('@').map_or(authority, |(_, host)| host);
        if host.contains([' ', '<', '>', '"']) {
            return Err(wrong("invalid character in host name"));
        }
        if unescape(path).is_none() {
            return Err(wrong("invalid URL escape"));
        }
        let url = Self { scheme, host: host.to_owned(), path: escape(path), query: query.to_owned() };
        let (_, port) = url.name_and_port();
        if !port.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(wrong(&format!("invalid port {:?} after host", format!(":{port}"))));
        }
        Ok(url)
    }

    /// `[::1]:80` is `::1` and `80`.
    fn name_and_port(&self) -> (&str, &str) {
        if let Some((name, rest)) = self.host.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            return (name, rest.strip_prefix(':').unwrap_or(rest));
        }
        self.host.rsplit_once(':').unwrap_or((&self.host, ""))
    }
}

fn is_scheme(text: &str) -> bool {
    let mut letters = text.chars();
    letters.next().is_some_and(|first| first.is_ascii_alphabetic())
        && letters.all(|letter| letter.is_ascii_alphanumeric() || "+-.".contains(letter))
}

/// What may not stand in a path as it is.
fn escape(path: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~$&+,/:;=@%!'()*[]".contains(&byte);
    let mut escaped = String::new();
    for byte in path.bytes() {
        match plain(byte) {
            true => escaped.push(char::from(byte)),
            false => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Whether a text is one.
pub(super) fn is_url(text: &str) -> bool {
    Url::parse(text).is_ok()
}
