//! `patch`: a change described by what differs, applied to whatever is there.

use sampan_meta::decode;
use sampan_meta::field::{self, Path};
use sampan_meta::schema::Type;
use sampan_meta::{Status, object, patch};
use serde_json::Value;

use super::update::{Updated, check_precondition};
use crate::context::{FieldValidation, RequestContext};
use crate::managed_fields::{Tracking, keep_reset};
use crate::options::PatchKind;
use crate::registry::Registry;
use crate::resource::Resource;

/// Operations a JSON patch may have. Upstream: `maxJSONPatchOperations`.
const MAX_OPERATIONS: usize = 10_000;

/// What a patch is applied to.
#[derive(Clone, Copy)]
pub(crate) enum PatchTarget<'a> {
    /// An object of this resource.
    Resource(&'a Resource),
    /// A type of the schema table.
    Type(&'static str),
}

impl PatchTarget<'_> {
    /// # Errors
    /// 415 for a custom kind, of whose lists nobody has said how a strategic merge patch goes.
    fn type_(self) -> Result<&'static Type, Status> {
        let name = match self {
            Self::Resource(resource) if resource.is_custom() => {
                return Err(Status::unsupported_media_type(&CUSTOM_PATCHES));
            }
            Self::Resource(resource) => resource.type_name,
            Self::Type(name) => name,
        };
        sampan_api::schema().get(name).ok_or_else(|| Status::internal(format!("no schema for {name}")))
    }
}

impl PatchTarget<'_> {
    /// Go writes a status of which nothing is known as `{}`, and JSON patches add to what is there.
    fn show_status(self, object: &mut Value) -> Result<(), Status> {
        let custom = matches!(self, Self::Resource(resource) if resource.is_custom());
        if !custom && self.type_()?.field("status").is_some() {
            object::child(object, "status");
        }
        Ok(())
    }
}

/// Objects are stored without a status that says nothing.
fn hide_status(object: &mut Value) {
    if object.get("status").and_then(Value::as_object).is_some_and(serde_json::Map::is_empty) {
        object::remove(object, &["status"]);
    }
}

/// The media types of patches that custom objects take.
const CUSTOM_PATCHES: [&str; 3] =
    ["application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml"];

/// A patch, parsed.
pub(crate) struct Patch {
    kind: PatchKind,
    value: Value,
}

impl Registry {
    /// Patches the object named in `cx.attributes`, through its subresource if one is named.
    ///
    /// Tried again when others change the object meanwhile, unless the patch says which resourceVersion it is for.
    ///
    /// # Errors
    /// As [`Registry::update`]; 400 for a patch that cannot be parsed, 422 for one that does not fit the object.
    pub async fn patch(
        &self,
        cx: &RequestContext<'_>,
        resource: &Resource,
        kind: PatchKind,
        body: &[u8],
    ) -> Result<Updated, Status> {
        if kind == PatchKind::Strategic && resource.is_custom() {
            return Err(Status::unsupported_media_type(&CUSTOM_PATCHES));
        }
        let patch = Patch::parse(cx, kind, body)?;
        if cx.attributes.subresource == "scale" {
            return Box::pin(self.patch_scale(cx, resource, &patch)).await;
        }
        let patched = self.modify(cx, resource, true, Tracking::ByUpdate, |old| {
            let shown = resource.served_form(old.clone())?;
            let wanted = patch.apply(cx, PatchTarget::Resource(resource), shown)?;
            check_identity(resource, &wanted)?;
            check_precondition(resource, &wanted, old)?;
            resource.stored_form(wanted)
        });
        Ok(Updated { object: patched.await?, created: false })
    }
}

impl Patch {
    fn parse(cx: &RequestContext<'_>, kind: PatchKind, body: &[u8]) -> Result<Self, Status> {
        let (value, duplicates) =
            decode::parse_json(body).map_err(|error| Status::bad_request(format!("error decoding patch: {error}")))?;
        let fits = match kind {
            PatchKind::Json => value.is_array(),
            PatchKind::Merge | PatchKind::Strategic => value.is_object(),
        };
        if !fits {
            return Err(Status::bad_request("error decoding patch: a JSON patch is a list, any other patch an object"));
        }
        if value.as_array().is_some_and(|operations| operations.len() > MAX_OPERATIONS) {
            let why = format!("The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}");
            return Err(Status::request_entity_too_large(why));
        }
        let patch = Self { kind, value };
        patch.report(cx, duplicates.into_iter().map(|path| format!("duplicate field {path:?}")).collect())?;
        Ok(patch)
    }

    /// The object with the patch applied, in the shape the schema says.
    pub(crate) fn apply(
        &self,
        cx: &RequestContext<'_>,
        target: PatchTarget<'_>,
        mut object: Value,
    ) -> Result<Value, Status> {
        let applied = match self.kind {
            PatchKind::Json => {
                target.show_status(&mut object)?;
                let applied = patch::json(&mut object, &self.value);
                hide_status(&mut object);
                applied
            }
            PatchKind::Strategic => {
                let type_ = target.type_()?;
                patch::strategic(sampan_api::schema(), type_, &mut object, &self.value)
            }
            PatchKind::Merge => {
                patch::merge(&mut object, &self.value);
                Ok(())
            }
        };
        applied.map_err(|error| self.unfit(&error.to_string()))?;
        keep_reset(&mut object);
        let conformed = match target {
            PatchTarget::Resource(resource) => resource.conform(&mut object),
            PatchTarget::Type(_) => decode::conform(sampan_api::schema(), target.type_()?, &mut object),
        };
        let unknown = conformed.map_err(|error| self.refused(&error.to_string()))?;
        self.report(cx, unknown.into_iter().map(|path| format!("unknown field {path:?}")).collect())?;
        Ok(object)
    }

    /// What a client's field validation makes of odd fields.
    fn report(&self, cx: &RequestContext<'_>, findings: Vec<String>) -> Result<(), Status> {
        match cx.field_validation {
            _ if findings.is_empty() => Ok(()),
            FieldValidation::Ignore => Ok(()),
            FieldValidation::Warn => {
                findings.into_iter().for_each(|finding| cx.warn(finding));
                Ok(())
            }
            FieldValidation::Strict => Err(self.refused(&format!("strict decoding error: {}", findings.join(", ")))),
        }
    }

    /// Upstream: a 422 about the field `patch` of no kind (`endpoints/handlers/patch.go`).
    fn refused(&self, why: &str) -> Status {
        let shown = self.value.to_string();
        Status::invalid("", "", "", vec![field::invalid(&Path::new("patch"), shown, why)])
    }

    fn unfit(&self, why: &str) -> Status {
        let mut status = Status::bad_request(why);
        if self.kind == PatchKind::Json {
            // Upstream: a JSON patch whose test fails or whose path is missing is understood and cannot be done.
            status.code = 422;
            status.reason = "Invalid".to_owned();
            status.message = format!("the server rejected our request due to an error in our request: {why}");
        }
        status
    }
}

/// A patch may not make another kind of object out of it.
fn check_identity(resource: &Resource, wanted: &Value) -> Result<(), Status> {
    if !wanted.is_object() || object::get(wanted, &["metadata"]).is_some_and(|metadata| !metadata.is_object()) {
        return Err(Status::bad_request("a patch must leave an object with metadata"));
    }
    resource.check_kind(wanted)
}
