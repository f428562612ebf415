//! Continue tokens: where the next page begins and which state it shows.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sampan_meta::Status;
use serde::{Deserialize, Serialize};

/// Upstream's form (`apiserver/pkg/storage/continue.go`), so that what people find when they decode one is familiar.
#[derive(Debug, Deserialize, Serialize)]
struct Wire {
    #[serde(rename = "v")]
    version: String,
    #[serde(rename = "rv")]
    revision: i64,
    start: String,
}

/// The next page follows this object in this state.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// -1: the latest state, consistent with no earlier page.
    pub(crate) revision: i64,
    pub(crate) namespace: String,
    pub(crate) name: String,
}

const VERSION: &str = "meta.k8s.io/v1";

impl Token {
    pub(crate) fn encode(revision: i64, namespace: &str, name: &str) -> String {
        let start = format!("{namespace}/{name}\0");
        let wire = Wire { version: VERSION.to_owned(), revision, start };
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).expect("strings and numbers always encode"))
    }

    /// # Errors
    /// 400 when this server cannot have made the token.
    pub(crate) fn parse(token: &str) -> Result<Self, Status> {
        let bytes = URL_SAFE_NO_PAD.decode(token.trim_end_matches('=')).map_err(|error| invalid(&error.to_string()))?;
        let wire: Wire = serde_json::from_slice(&bytes).map_err(|_| invalid("it holds no position"))?;
        if wire.version != VERSION {
            return Err(invalid(&format!("server does not recognize this encoded version {:?}", wire.version)));
        }
        if wire.revision == 0 || wire.revision < -1 {
            return Err(invalid("incorrect encoded start resourceVersion (version meta.k8s.io/v1)"));
        }
        let start = wire.start.strip_suffix('\0').unwrap_or(&wire.start);
        let (namespace, name) = start.split_once('/').ok_or_else(|| invalid("it names no object"))?;
        Ok(Self { revision: wire.revision, namespace: namespace.to_owned(), name: name.to_owned() })
    }

    /// 410 with a token that goes on from the same place in the latest state.
    pub(crate) fn expired(namespace: &str, name: &str) -> Status {
        let mut status = Status::expired(
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the \
             continue parameter, or use the continue token in this response to retrieve the remainder of the results. Continuing with \
             the provided token results in an inconsistent list - objects that were created, modified, or deleted between the time the \
             first chunk was returned and now may show up in the list.",
        );
        status.metadata.insert("continue".to_owned(), Self::encode(-1, namespace, name).into());
        status
    }
}

fn invalid(why: &str) -> Status {
    Status::bad_request(format!("continue key is not valid: {why}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_comes_back_as_it_was_made() {
        let token = Token::parse(&Token::encode(381, "default", "p1")).unwrap();
        assert_eq!(token, Token { revision: 381, namespace: "default".into(), name: "p1".into() });
        assert_eq!(Token::parse(&Token::encode(-1, "", "n")).unwrap().revision, -1);
    }

    #[test]
    fn tokens_of_others_are_refused() {
        for token in ["?", "e30", "", "eyJ2IjoieCIsInJ2IjoxLCJzdGFydCI6Ii9hXHUwMDAwIn0"] {
            assert_eq!(Token::parse(token).unwrap_err().code, 400, "{token}");
        }
        assert_eq!(Token::parse(&Token::encode(0, "a", "b")).unwrap_err().code, 400);
    }
}
