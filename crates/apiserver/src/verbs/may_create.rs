//! A PUT or an apply that makes an object needs the permission to create it, beside that to change it.

use futures::future::BoxFuture;
use sampan_api::request::{Admission, AdmissionRequest, Attributes, Operation};
use sampan_meta::Status;
use serde_json::Value;

use crate::pipeline::Call;

/// The server's admission, asked once it is known that the write creates. Upstream: `withAuthorization` (`endpoints/handlers/update.go`).
pub(super) struct MayCreate<'a> {
    call: &'a Call,
    create: Attributes,
}

impl<'a> MayCreate<'a> {
    pub(super) fn of(call: &'a Call) -> Self {
        Self { call, create: Attributes { verb: "create".to_owned(), ..call.attributes.clone() } }
    }
}

impl Admission for MayCreate<'_> {
    fn mutate<'a>(
        &'a self,
        request: &'a AdmissionRequest<'a>,
        object: &'a mut Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        self.call.server.admission.mutate(request, object)
    }

    fn validate<'a>(
        &'a self,
        request: &'a AdmissionRequest<'a>,
        object: &'a Value,
    ) -> BoxFuture<'a, Result<(), Status>> {
        let allowed = match request.operation {
            Operation::Create => self.call.server.authorizer.check(&self.create),
            _ => Ok(()),
        };
        match allowed {
            Ok(()) => self.call.server.admission.validate(request, object),
            refused => Box::pin(std::future::ready(refused)),
        }
    }
}
