//! Hearing of other processes' writes.

use std::sync::Arc;
use std::time::Duration;

use futures::stream::{self, BoxStream, StreamExt};
use sqlx::postgres::{PgListener, PgPoolOptions};
use tokio::time::{sleep, timeout};

use super::Shared;
use super::reader::Reader;
use super::session;
use super::writer::Control;
use crate::{Error, Revision};

/// A connection that has been silent for so long is asked whether it still hears: networks drop connections silently.
const SILENCE: Duration = Duration::from_secs(30);

/// Between two questions where there is no NOTIFY: from, to. The longer nothing happens, the rarer.
const POLL: (Duration, Duration) = (Duration::from_millis(50), Duration::from_secs(1));

type Notifications = BoxStream<'static, Option<Revision>>;

/// Listens until the task is aborted.
pub(super) async fn run(shared: Arc<Shared>, reader: Arc<Reader>) {
    let mut pause = POLL.0;
    loop {
        if let Ok(notifications) = listen(&shared).await {
            pause = POLL.0;
            hear(&shared, &reader, notifications).await;
        }
        // Without an ear: ask, and try to get one when asking has become rare.
        while pause < POLL.1 {
            let before = shared.known.revision();
            check(&shared, &reader).await;
            let news = shared.known.revision() > before;
            pause = if news { POLL.0 } else { (pause * 2).min(POLL.1) };
            sleep(pause).await;
        }
        pause = POLL.1 / 2;
    }
}

async fn listen(shared: &Shared) -> Result<Notifications, sqlx::Error> {
    let patience = shared.options.patience;
    let pool = PgPoolOptions::new().max_connections(1).idle_timeout(None).max_lifetime(None).acquire_timeout(patience);
    let mut listener = PgListener::connect_with(&pool.connect_lazy_with(shared.connect.clone())).await?;
    listener.ignore_pool_close_event(true);
    session::answer(patience, listener.listen("sampan_revision")).await?;
    let next = |mut listener: PgListener| async {
        // `None`: the connection was lost, and with it perhaps notifications.
        let heard = listener.try_recv().await.ok().flatten();
        let revision = heard.map(|heard| Revision(heard.payload().parse().unwrap_or(0)));
        Some((revision, listener))
    };
    Ok(stream::unfold(listener, next).boxed())
}

/// Passes on what is heard until the connection is lost.
async fn hear(shared: &Shared, reader: &Reader, mut notifications: Notifications) {
    // What happened before the ear was open.
    check(shared, reader).await;
    loop {
        match timeout(SILENCE, notifications.next()).await {
            Ok(Some(Some(revision))) => heard(shared, revision),
            Ok(Some(None) | None) => return,
            Err(_) => {
                let before = shared.known.revision();
                check(shared, reader).await;
                if shared.known.revision() > before {
                    // Something happened and was not heard.
                    return;
                }
            }
        }
    }
}

fn heard(shared: &Shared, revision: Revision) {
    if revision > shared.known.revision() {
        shared.feed.hint(revision);
        // Fails only when the writer has ended with the store.
        let _ = shared.control.send(Control::Others);
    }
}

/// Asks where the database is, which tells followers what they missed.
async fn check(shared: &Shared, reader: &Reader) {
    match reader.probe().await {
        Ok(_) => {}
        Err(error @ Error::Compacted { .. }) => tracing::debug!(%error, "followers load anew"),
        Err(error) => shared.feed.failed(&error),
    }
}
