//! The agents that are connected: usually one, for a moment two while one replaces another.

use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::protocol::{self, Message};

/// Frames that may wait for an agent. One that reads slower is cut off; it connects again and asks for everything.
const BACKLOG: usize = 8192;

/// Where frames for agents go.
#[derive(Default)]
pub(crate) struct Listeners(Mutex<Vec<Listener>>);

/// Where frames for one agent go.
#[derive(Clone)]
pub(crate) struct Listener {
    pub(crate) frames: mpsc::Sender<Vec<u8>>,
    /// It has missed a frame: its connection is to end.
    pub(crate) cut: CancellationToken,
}

impl Listeners {
    /// A new agent's frames.
    pub(crate) fn add(&self) -> (Listener, mpsc::Receiver<Vec<u8>>) {
        let (frames, receiver) = mpsc::channel(BACKLOG);
        let listener = Listener { frames, cut: CancellationToken::new() };
        self.0.lock().push(listener.clone());
        (listener, receiver)
    }

    /// Tells all; cuts off those that are gone or too slow.
    pub(crate) fn tell(&self, message: &Message) {
        let mut listeners = self.0.lock();
        if listeners.is_empty() {
            return;
        }
        let frame = protocol::encode(message);
        listeners.retain(|listener| {
            let told = listener.frames.try_send(frame.clone()).is_ok();
            if !told {
                listener.cut.cancel();
            }
            told
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_missed_a_frame_is_cut_off_and_no_other() {
        let listeners = Listeners::default();
        let ((slow, _never_read), (quick, mut read)) = (listeners.add(), listeners.add());
        let message = Message::Removed { sandbox: "pod".into(), container: "pod_main_0".into() };
        for _ in 0..=BACKLOG {
            listeners.tell(&message);
            read.try_recv().expect("told");
        }
        assert!(slow.cut.is_cancelled() && !quick.cut.is_cancelled());
    }
}
