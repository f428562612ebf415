//! Making tokens: what a TokenRequest gets (upstream's `pkg/registry/core/serviceaccount/storage/token.go`).

use jiff::Timestamp;
use jsonwebtoken::{Algorithm, Header};
use sampan_meta::field::{self, Path};
use sampan_meta::time::format_time;
use sampan_meta::{GroupResource, Status, new_uid, object};
use serde_json::{Value, json};

use super::claims::{Binding, Named};
use super::{BoundObject, Claims, Issuer};

const DEFAULT_SECONDS: i64 = 3600;
const SHORTEST_SECONDS: i64 = 600;
const LONGEST_REQUEST: i64 = 1 << 32;
/// Longer is asked for in vain: a token never outlives a year.
const LONGEST_SECONDS: i64 = 365 * 24 * 3600;

/// `spec` of a TokenRequest.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Request {
    /// Empty: the API's own.
    pub audiences: Vec<String>,
    /// 600 up to a year, which is also what a longer wish gets; 3600 when absent.
    pub expiration_seconds: Option<i64>,
    /// Kind and name of what it is bound to, with its uid when the caller knows which one it means.
    pub bound: Option<(BoundObject, String, Option<String>)>,
}

/// A token and the time it ends.
#[derive(Clone, PartialEq, Eq)]
pub struct Minted {
    /// The signed token.
    pub token: String,
    /// `exp`
    pub expires: Timestamp,
}

impl std::fmt::Debug for Minted {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Minted").field("expires", &self.expires).finish_non_exhaustive()
    }
}

impl Issuer {
    /// Answers `create serviceaccounts/token`: the TokenRequest with its status filled in.
    ///
    /// Whether the caller may have such a token is decided before, by authorization and admission.
    pub fn token_request(&self, namespace: &str, name: &str, request: &Value) -> Result<Value, Status> {
        let parsed = parse(name, request)?;
        let seconds = parsed.expiration_seconds.unwrap_or(DEFAULT_SECONDS).min(LONGEST_SECONDS);
        let Minted { token, expires } = self.mint(namespace, name, &parsed)?;
        let mut answer = request.clone();
        answer["apiVersion"] = json!("authentication.k8s.io/v1");
        answer["kind"] = json!("TokenRequest");
        object::set_name(&mut answer, name);
        object::set_namespace(&mut answer, namespace);
        answer["metadata"]["creationTimestamp"] = json!(format_time(self.clock.now()));
        object::set(&mut answer, &["spec", "expirationSeconds"], json!(seconds));
        if parsed.audiences.is_empty() {
            answer["spec"]["audiences"] = json!(self.options.audiences);
        }
        answer["status"] = json!({ "token": token, "expirationTimestamp": format_time(expires) });
        Ok(answer)
    }

    /// Makes a token for a service account that exists, bound to an object that exists.
    pub fn mint(&self, namespace: &str, name: &str, request: &Request) -> Result<Minted, Status> {
        let accounts = GroupResource::new("", "serviceaccounts");
        let account = self.lister.get(&accounts, namespace, name);
        let account = account.ok_or_else(|| Status::not_found(&accounts, name))?;
        let seconds = request.expiration_seconds.unwrap_or(DEFAULT_SECONDS).clamp(SHORTEST_SECONDS, LONGEST_SECONDS);
        let now = self.clock.now().as_second();
        let claims = Claims {
            aud: if request.audiences.is_empty() { self.options.audiences.clone() } else { request.audiences.clone() },
            exp: now.saturating_add(seconds),
            iat: now,
            iss: self.options.issuer.clone(),
            jti: new_uid(self.entropy.as_ref()),
            nbf: now,
            sub: format!("system:serviceaccount:{namespace}:{name}"),
            kubernetes: self.binding(namespace, named(&account), request)?,
        };
        let header = Header { kid: Some(self.key.id().to_owned()), typ: None, ..Header::new(Algorithm::ES256) };
        let token = jsonwebtoken::encode(&header, &claims, &self.encoding).map_err(Status::internal)?;
        let expires = Timestamp::from_second(claims.exp).map_err(Status::internal)?;
        Ok(Minted { token, expires })
    }

    fn binding(&self, namespace: &str, serviceaccount: Named, request: &Request) -> Result<Binding, Status> {
        let account = serviceaccount.name.clone();
        let mut binding =
            Binding { namespace: namespace.to_owned(), serviceaccount, pod: None, secret: None, node: None };
        let Some((kind, name, uid)) = &request.bound else { return Ok(binding) };
        let resource = kind.resource();
        let found = self.lister.get(&resource, kind.namespace(namespace), name);
        let found = found.ok_or_else(|| Status::not_found(&resource, name))?;
        let bound = named(&found);
        if let Some(wanted) = uid
            && *wanted != bound.uid
        {
            let why = "the UID in the bound object reference does not match the UID in record. The object might have been deleted and then recreated";
            return Err(Status::conflict(
                &resource,
                name,
                why.replacen("reference", &format!("reference ({wanted})"), 1),
            ));
        }
        match kind {
            BoundObject::Secret => binding.secret = Some(bound),
            BoundObject::Node => binding.node = Some(bound),
            BoundObject::Pod => {
                let own = object::str_at(&found, "/spec/serviceAccountName").unwrap_or_default();
                if own != account {
                    let why = format!(
                        "cannot bind token for serviceaccount {account:?} to pod running with different serviceaccount name."
                    );
                    return Err(Status::bad_request(why));
                }
                binding.node = object::str_at(&found, "/spec/nodeName").map(|node| self.node(node));
                binding.pod = Some(bound);
            }
        }
        Ok(binding)
    }

    /// The node a pod is on; one that is not registered (yet) is named without a uid, as upstream does.
    fn node(&self, name: &str) -> Named {
        let node = self.lister.get(&BoundObject::Node.resource(), "", name);
        let uid = node.map(|node| object::uid(&node).to_owned()).unwrap_or_default();
        Named { name: name.to_owned(), uid }
    }
}

fn named(value: &Value) -> Named {
    Named { name: object::name(value).to_owned(), uid: object::uid(value).to_owned() }
}

/// Reads and checks `spec` (upstream's `pkg/apis/authentication/validation`).
fn parse(name: &str, request: &Value) -> Result<Request, Status> {
    let path = Path::new("spec").child("expirationSeconds");
    let expiration_seconds = object::i64_at(request, "/spec/expirationSeconds");
    let error = match expiration_seconds {
        Some(seconds) if seconds < SHORTEST_SECONDS => {
            Some(field::invalid(&path, seconds, "may not specify a duration less than 10 minutes"))
        }
        Some(seconds) if seconds > LONGEST_REQUEST => {
            Some(field::invalid(&path, seconds, "may not specify a duration larger than 2^32 seconds"))
        }
        _ => None,
    };
    if let Some(error) = error {
        return Err(Status::invalid("authentication.k8s.io", "TokenRequest", name, vec![error]));
    }
    let audiences = object::list_at(request, "/spec/audiences").iter().filter_map(Value::as_str).map(str::to_owned);
    Ok(Request { audiences: audiences.collect(), expiration_seconds, bound: bound(request)? })
}

fn bound(request: &Value) -> Result<Option<(BoundObject, String, Option<String>)>, Status> {
    let Some(reference) = request.pointer("/spec/boundObjectRef").filter(|reference| !reference.is_null()) else {
        return Ok(None);
    };
    let text = |member: &str| reference.get(member).and_then(Value::as_str).unwrap_or_default();
    let (api_version, kind) = (text("apiVersion"), text("kind"));
    let Some(bound) = BoundObject::parse(api_version, kind) else {
        return Err(Status::bad_request(format!(
            "cannot bind token for serviceaccount to a type object {api_version}, Kind={kind}"
        )));
    };
    let uid = Some(text("uid")).filter(|uid| !uid.is_empty()).map(str::to_owned);
    Ok(Some((bound, text("name").to_owned(), uid)))
}
