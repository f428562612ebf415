//! Certificate requests: approves what nodes may ask for, signs what was approved, clears away what is old.
//! As upstream's `pkg/controller/certificates`.

mod plan;

use std::sync::Arc;

use futures::FutureExt;
use futures::future::BoxFuture;
use sampan_api::k8s::ByteString;
use sampan_api::k8s::api::authorization::v1::{ResourceAttributes, SubjectAccessReview, SubjectAccessReviewSpec};
use sampan_api::k8s::api::certificates::v1::CertificateSigningRequest;
use sampan_client::{Api, DeleteParams, Informer, PostParams, ResourceExt, error};

use crate::controller::{Context, Controller, Failure, Key, Next, Rule, Watch};
use crate::signer::Signer;
use crate::table::Entry;
use plan::Plan;

pub(crate) const ENTRY: Entry = Entry {
    name: "certificate-controller",
    identity: "certificate-controller",
    requires: &[("certificates.k8s.io", "certificatesigningrequests")],
    permissions: &[
        Rule {
            group: "certificates.k8s.io",
            resources: &["certificatesigningrequests"],
            verbs: &["get", "list", "watch", "delete"],
        },
        Rule {
            group: "certificates.k8s.io",
            resources: &["certificatesigningrequests/approval", "certificatesigningrequests/status"],
            verbs: &["update"],
        },
        Rule { group: "certificates.k8s.io", resources: &["signers"], verbs: &["approve", "sign"] },
        Rule { group: "authorization.k8s.io", resources: &["subjectaccessreviews"], verbs: &["create"] },
        Rule { group: "", resources: &["events"], verbs: &["create", "patch", "update"] },
    ],
    make: |context| Arc::new(CertificateController { requests: context.informer(), cx: context.clone() }),
};

struct CertificateController {
    cx: Context,
    requests: Informer<CertificateSigningRequest>,
}

impl CertificateController {
    async fn sync(&self, key: &Key) -> Result<Next, Failure> {
        let Some(request) = self.requests.get(key) else { return Ok(Next::Settled) };
        let signer = self.cx.settings.signer.as_deref();
        let identity = signer.map(|signer| signer.read(&request.spec.request.0));
        match plan::plan(&request, identity.as_ref(), self.cx.now()) {
            Plan::Wait(delay) => return Ok(Next::from(delay)),
            Plan::Delete => self.delete(key).await?,
            Plan::Approve { permission } => self.approve(key, &request, permission).await?,
            Plan::Sign => self.sign(key, &request, signer).await?,
            Plan::Fail(message) => self.fail(key, &request, &message).await?,
        }
        Ok(Next::After(plan::LIFE_AFTER))
    }

    fn api(&self) -> Api<CertificateSigningRequest> {
        self.cx.cluster()
    }

    async fn delete(&self, key: &Key) -> Result<(), Failure> {
        match self.api().delete(&key.name, &DeleteParams::default()).await {
            Err(failure) if !error::is_not_found(&failure) => Err(failure.into()),
            _ => Ok(()),
        }
    }

    /// What the requester may not have approved by itself waits for a person.
    async fn approve(&self, key: &Key, request: &CertificateSigningRequest, permission: &str) -> Result<(), Failure> {
        if !self.may(request, permission).await? {
            return Ok(());
        }
        let approved = plan::approved(request, permission, self.cx.now());
        self.api().replace_subresource("approval", &key.name, &PostParams::default(), &approved).await?;
        Ok(())
    }

    async fn may(&self, request: &CertificateSigningRequest, permission: &str) -> Result<bool, Failure> {
        let spec = &request.spec;
        let attributes = ResourceAttributes {
            group: Some("certificates.k8s.io".to_owned()),
            resource: Some("certificatesigningrequests".to_owned()),
            subresource: Some(permission.to_owned()),
            verb: Some("create".to_owned()),
            version: Some("*".to_owned()),
            ..ResourceAttributes::default()
        };
        let review = SubjectAccessReview {
            spec: SubjectAccessReviewSpec {
                user: spec.username.clone(),
                uid: spec.uid.clone(),
                groups: spec.groups.clone(),
                extra: spec.extra.clone(),
                resource_attributes: Some(attributes),
                ..SubjectAccessReviewSpec::default()
            },
            ..SubjectAccessReview::default()
        };
        let answer = self.cx.cluster::<SubjectAccessReview>().create(&PostParams::default(), &review).await?;
        Ok(answer.status.is_some_and(|status| status.allowed))
    }

    async fn sign(
        &self,
        key: &Key,
        request: &CertificateSigningRequest,
        signer: Option<&dyn Signer>,
    ) -> Result<(), Failure> {
        let Some(signer) = signer else { return Ok(()) };
        let spec = &request.spec;
        let usages = spec.usages.clone().unwrap_or_default();
        match signer.sign(&spec.request.0, &spec.signer_name, &usages, spec.expiration_seconds).await {
            Ok(certificate) => {
                let mut signed = request.clone();
                signed.status.get_or_insert_default().certificate = Some(ByteString(certificate));
                self.api().replace_status(&key.name, &PostParams::default(), &signed).await?;
                Ok(())
            }
            Err(problem) if problem.retryable() => {
                Err(Failure::Object(format!("failed to sign certificate request {}: {problem}", key.name)))
            }
            Err(problem) => self.fail(key, request, &problem.to_string()).await,
        }
    }

    async fn fail(&self, key: &Key, request: &CertificateSigningRequest, message: &str) -> Result<(), Failure> {
        let failed = plan::failed(request, message, self.cx.now());
        self.api().replace_status(&key.name, &PostParams::default(), &failed).await?;
        self.cx.recorder.warning(request, "SignerValidationFailure", format!("{}: {message}", request.name_any()));
        Ok(())
    }
}

impl Controller for CertificateController {
    fn watches(&self) -> Vec<Watch> {
        vec![Watch::each(&self.requests)]
    }

    fn reconcile<'a>(&'a self, key: &'a Key) -> BoxFuture<'a, Result<Next, Failure>> {
        self.sync(key).boxed()
    }
}
