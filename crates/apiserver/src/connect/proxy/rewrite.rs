//! What a proxy changes on the way: who was asked, and where a redirect leads (upstream's `proxyutil.Transport`,
//! apimachinery/pkg/util/proxy/transport.go; links in HTML are left as they are).

use http::header::{self, HeaderName, HeaderValue};
use http::{HeaderMap, Uri};

/// The proxy as its client sees it.
pub(super) struct Place {
    /// Up to and with `/proxy`.
    pub(super) prefix: String,
    /// As the client named this server.
    pub(super) host: String,
}

impl Place {
    /// Tells the peer where its client believes it is.
    pub(super) fn announce(&self, headers: &mut HeaderMap, path: &str) {
        let said = [
            ("x-forwarded-uri", format!("{}{path}", self.prefix)),
            ("x-forwarded-host", self.host.clone()),
            ("x-forwarded-proto", "https".to_owned()),
        ];
        for (name, value) in said {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.insert(HeaderName::from_static(name), value);
            }
        }
    }

    /// A redirect to the peer itself is one to this proxy.
    pub(super) fn redirect(&self, headers: &mut HeaderMap, authority: &str) {
        let location = headers.get(header::LOCATION).and_then(|value| value.to_str().ok()?.parse::<Uri>().ok());
        let Some(location) = location else { return };
        let own = location.authority().is_none_or(|named| named.as_str() == authority);
        let path = location.path_and_query().map_or("/", http::uri::PathAndQuery::as_str);
        if !own || !path.starts_with('/') {
            return;
        }
        if let Ok(value) = HeaderValue::from_str(&format!("{}{path}", self.prefix)) {
            headers.insert(header::LOCATION, value);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(location: &str, expected: &str) {
        let place = Place { prefix: "/api/v1/namespaces/d/pods/p/proxy".to_owned(), host: "api".to_owned() };
        let mut headers = HeaderMap::new();
        headers.insert(header::LOCATION, location.parse().unwrap());
        place.redirect(&mut headers, "10.0.0.1:80");
        assert_eq!(headers[header::LOCATION], expected, "{location}");
    }

    #[test]
    fn a_redirect_stays_within_the_proxy_unless_it_leads_elsewhere() {
        check("/login?next=1", "/api/v1/namespaces/d/pods/p/proxy/login?next=1");
        check("http://10.0.0.1:80/login", "/api/v1/namespaces/d/pods/p/proxy/login");
        check("http://example.com/login", "http://example.com/login");
    }
}
