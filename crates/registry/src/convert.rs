//! Objects between the store and the version a request speaks. What built-in kinds and most custom ones need is done on the spot; kinds
//! with a conversion webhook ask it.

use std::borrow::Cow;
use std::sync::Arc;

use sampan_api::webhook::WebhookClient;
use sampan_meta::Status;
use serde_json::Value;

use crate::apiextensions::Converter;
use crate::object::Object;
use crate::registry::Registry;
use crate::resource::Resource;

impl Registry {
    /// Sets whom conversion webhooks are asked through, once: it may have to look Services up here first.
    pub fn convert_through(&self, client: Arc<dyn WebhookClient>) {
        // A second client would find the same webhooks.
        let _ = self.webhooks.set(client);
    }

    pub(crate) fn converter(&self, resource: &Resource) -> Option<Converter> {
        Converter::new(resource, self.webhooks.get(), &self.entropy)
    }

    /// A stored object as this resource's clients know it.
    ///
    /// # Errors
    /// 500 when it cannot be converted.
    pub(crate) async fn present(&self, resource: &Resource, object: Arc<Object>) -> Result<Arc<Object>, Status> {
        match self.converter(resource) {
            Some(converter) => converter.present(&object).await,
            None => resource.present(object),
        }
    }

    /// The object as the verbs begin with it.
    ///
    /// # Errors
    /// As [`Registry::present`]; 500 when what lies in the store is not of the kind.
    pub(crate) async fn state(&self, resource: &Resource, object: &Object) -> Result<Value, Status> {
        match self.converter(resource) {
            Some(converter) => converter.state(object.value()).await,
            None => resource.state(object),
        }
    }

    /// The object as it is to be stored, from what the verbs made of it.
    ///
    /// # Errors
    /// As [`Registry::present`].
    pub(crate) async fn to_store<'v>(&self, resource: &Resource, object: &'v Value) -> Result<Cow<'v, Value>, Status> {
        match self.converter(resource) {
            Some(converter) => converter.stored(object.clone()).await.map(Cow::Owned),
            None => Ok(Cow::Borrowed(object)),
        }
    }
}
