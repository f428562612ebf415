//! Bootstrap tokens: `ID.SECRET`, kept as Secret `kube-system/bootstrap-token-ID` until they expire (upstream's
//! `plugin/pkg/auth/authenticator/token/bootstrap`).

use std::collections::BTreeMap;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use jiff::Timestamp;
use sampan_api::request::{Lister, User};
use sampan_meta::GroupResource;
use sampan_meta::object;
use sampan_meta::time::parse_time;
use serde_json::Value;

use super::Unauthorized;
use crate::join;

const USAGE: &str = "usage-bootstrap-authentication";

/// The user of a bootstrap token; `None` when the text has not the form of one.
pub(super) fn authenticate(lister: &dyn Lister, token: &str, now: Timestamp) -> Result<Option<User>, Unauthorized> {
    let Some((id, secret)) = join::split(token) else { return Ok(None) };
    let refuse = |why: &str| Unauthorized::because(format!("bootstrap token {id}: {why}"));
    let name = format!("{}{id}", join::SECRET_PREFIX);
    let object = lister
        .get(&GroupResource::new("", "secrets"), join::NAMESPACE, &name)
        .ok_or_else(|| refuse("there is no such token"))?;
    let field = |key: &str| field(&object, key).unwrap_or_default();
    let is_ours = object::str_at(&object, "/type") == Some(join::SECRET_TYPE) && field("token-id") == id;
    if !is_ours || object::deletion_timestamp(&object).is_some() {
        return Err(refuse("there is no such token"));
    }
    // An empty secret in the object would make every guess of length zero right.
    let held = field("token-secret");
    if held.is_empty() || !equal(held.as_bytes(), secret.as_bytes()) {
        return Err(refuse("the secret does not match"));
    }
    let expiration = object.pointer("/data/expiration").map(|_| field("expiration"));
    if !is_valid_at(expiration.as_deref(), now) {
        return Err(refuse("expired"));
    }
    if field(USAGE) != "true" {
        return Err(refuse("it may not be used to authenticate"));
    }
    Ok(Some(user(id, &field("auth-extra-groups"))))
}

/// Without an expiration a token holds until it is deleted; one that cannot be read has expired.
fn is_valid_at(expiration: Option<&str>, now: Timestamp) -> bool {
    expiration.is_none_or(|until| parse_time(until).is_ok_and(|until| now < until))
}

fn user(id: &str, extra_groups: &str) -> User {
    let mut groups = vec![join::GROUP.to_owned()];
    let extra = extra_groups.split(',').map(str::trim).filter(|group| group.starts_with("system:bootstrappers:"));
    groups.extend(extra.map(str::to_owned));
    User { name: format!("system:bootstrap:{id}"), uid: String::new(), groups, extra: BTreeMap::new() }
}

/// A member of a Secret's data, decoded.
fn field(secret: &Value, key: &str) -> Option<String> {
    let bytes = STANDARD.decode(secret.get("data")?.get(key)?.as_str()?).ok()?;
    String::from_utf8(bytes).ok()
}

/// Compares without ending at the first difference, so that the time taken says nothing about where it is.
fn equal(first: &[u8], second: &[u8]) -> bool {
    let difference = first.iter().zip(second).fold(0, |difference, (first, second)| difference | (first ^ second));
    first.len() == second.len() && std::hint::black_box(difference) == 0
}
