//! One question to the store for many who ask at once.

use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::oneshot;

use crate::{Error, Revision, Store};

type Answer = Result<Revision, Error>;

/// Joins concurrent questions for the store's current revision.
///
/// An answer may only serve those who asked before the question was put: one who comes while it is on its way waits for
/// the next, or a write acknowledged in between could be missed.
#[derive(Clone, Default)]
pub(super) struct Coalesce {
    state: Arc<Mutex<State>>,
}

#[derive(Default)]
struct State {
    asking: bool,
    waiting: Vec<oneshot::Sender<Answer>>,
}

impl Coalesce {
    pub(super) async fn current(&self, store: &Arc<dyn Store>) -> Answer {
        let (sender, receiver) = oneshot::channel();
        let first = {
            let mut state = self.state.lock();
            state.waiting.push(sender);
            !std::mem::replace(&mut state.asking, true)
        };
        if first {
            // On a task of its own, so that the others do not depend on the first one's patience.
            tokio::spawn(self.clone().ask(store.clone()));
        }
        receiver.await.unwrap_or_else(|_| Err(Error::Unavailable("the server is stopping".into())))
    }

    async fn ask(self, store: Arc<dyn Store>) {
        while let Some(waiting) = self.next() {
            let answer = store.current().await;
            for sender in waiting {
                let _ = sender.send(answer.clone());
            }
        }
    }

    fn next(&self) -> Option<Vec<oneshot::Sender<Answer>>> {
        let mut state = self.state.lock();
        let waiting = std::mem::take(&mut state.waiting);
        state.asking = !waiting.is_empty();
        state.asking.then_some(waiting)
    }
}
