//! The agents that are connected: usually one, for a moment two while one replaces another.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::protocol::{self, Message};

/// Where changes for agents go.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Weak<News>>>);

/// What one agent has still to hear: of each container the last, however slowly it reads. A state in between may be passed over, as
/// whoever hears of a change asks for what is true.
#[derive(Default)]
pub(crate) struct News {
    waiting: Mutex<BTreeMap<String, Arc<Message>>>,
    some: Notify,
}

impl Listeners {
    /// A new agent; it is told for as long as somebody holds what is returned.
    pub(crate) fn add(&self) -> Arc<News> {
        let news = Arc::new(News::default());
        self.0.lock().push(Arc::downgrade(&news));
        news
    }

    /// Tells all that a container has changed or is gone. What is told is made here, one after the other, so that the last is the latest.
    pub(crate) fn tell(&self, container: &str, message: impl FnOnce() -> Message) {
        let mut listeners = self.0.lock();
        if listeners.is_empty() {
            return;
        }
        let message = Arc::new(message());
        listeners.retain(|listener| {
            let Some(news) = listener.upgrade() else { return false };
            news.waiting.lock().insert(container.to_owned(), message.clone());
            news.some.notify_one();
            true
        });
    }
}

impl News {
    /// Waits until there may be something to hear.
    pub(crate) async fn some(&self) {
        self.some.notified().await;
    }

    /// All there is to hear, as frames one after the other.
    pub(crate) fn take(&self) -> Vec<u8> {
        let waiting = std::mem::take(&mut *self.waiting.lock());
        waiting.values().flat_map(|message| protocol::encode(&**message)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slow_agent_hears_the_last_of_each_container_and_one_that_is_gone_nothing() {
        let listeners = Listeners::default();
        let (slow, gone) = (listeners.add(), listeners.add());
        drop(gone);
        let removed = |container: &str, sandbox: &str| Message::Removed {
            sandbox: sandbox.to_owned(),
            container: container.to_owned(),
        };
        for _ in 0..10_000 {
            listeners.tell("a", || removed("a", "first"));
            listeners.tell("b", || removed("b", "first"));
        }
        listeners.tell("a", || removed("a", "last"));
        let frames = [protocol::encode(&removed("a", "last")), protocol::encode(&removed("b", "first"))];
        assert_eq!(slow.take(), frames.concat());
        assert_eq!(slow.take(), b"");
        assert_eq!(listeners.0.lock().len(), 1);
    }
}
