//! The agents that are connected: usually one, for a moment two while one replaces another.

use parking_lot::Mutex;
use tokio::sync::mpsc;

use crate::protocol::{self, Message};

/// Frames that may wait for an agent. One that reads slower is cut off; it connects again and asks for everything.
const BACKLOG: usize = 8192;

/// Where frames for agents go.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<mpsc::Sender<Vec<u8>>>>);

impl Listeners {
    /// A new agent's frames.
    pub(crate) fn add(&self) -> (mpsc::Sender<Vec<u8>>, mpsc::Receiver<Vec<u8>>) {
        let (sender, receiver) = mpsc::channel(BACKLOG);
        self.0.lock().push(sender.clone());
        (sender, receiver)
    }

    /// Tells all; forgets those that are gone or too slow.
    pub(crate) fn tell(&self, message: &Message) {
        let mut listeners = self.0.lock();
        if listeners.is_empty() {
            return;
        }
        let frame = protocol::encode(message);
        listeners.retain(|listener| listener.try_send(frame.clone()).is_ok());
    }
}
