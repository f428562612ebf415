//! How others outside the server are asked: admission and the conversion of custom resources share the way to them.

use std::time::Duration;

use futures::future::BoxFuture;
use serde_json::Value;

/// Carries a question to a webhook.
///
/// # Contract
/// Posts the review to where `client_config` (a `WebhookClientConfig`) says, with TLS that the `caBundle` vouches for, and answers the
/// body of a 200 as JSON. Never takes longer than the timeout, never reads more than a bound. The error says what went wrong, as it is
/// told to whoever made the request. Dropping the future ends the call.
pub trait WebhookClient: Send + Sync {
    /// Asks once.
    fn ask<'a>(
        &'a self,
        client_config: &'a Value,
        review: &'a Value,
        timeout: Duration,
    ) -> BoxFuture<'a, Result<Value, String>>;
}
