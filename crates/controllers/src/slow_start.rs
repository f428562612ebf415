//! Many requests at once, but one first: what cannot work (a quota, a bad template) fails once and not a thousand times.

use futures::{StreamExt, TryStreamExt, stream};
use sampan_client::Error;

/// The requests under way at once; more only wait in line at the store.
const AT_ONCE: usize = 256;

/// Runs `request` for all items in batches of 1, 2, 4, …; a batch with a failure is the last one. Returns the first failure.
/// As upstream's `slowStartBatch`, without its limit on how many replicas one reconcile may create.
pub(crate) async fn all<T, F>(items: Vec<T>, request: impl Fn(T) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>>,
{
    let mut items = items.into_iter();
    let mut batch = 1;
    loop {
        let requests: Vec<_> = items.by_ref().take(batch).map(&request).collect();
        if requests.is_empty() {
            return Ok(());
        }
        // All of a batch are seen through: a failure among them must not leave others half done.
        let answers: Vec<_> = stream::iter(requests).buffer_unordered(AT_ONCE).collect().await;
        stream::iter(answers).try_for_each(|()| async { Ok(()) }).await?;
        batch *= 2;
    }
}
