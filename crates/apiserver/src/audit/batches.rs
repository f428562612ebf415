//! Events on their way to somebody else: gathered into lists, sent a few at a time, tried again for a while, and then lost and counted.
//!
//! Upstream: `apiserver/plugin/pkg/audit/buffered` around `plugin/pkg/audit/webhook`, whose names and figures these are. Nobody waits for
//! the receiver: a full buffer loses events, as upstream's `batch` mode does.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};
use tokio::time::{Instant, sleep, sleep_until, timeout_at};

/// Lists that may be on their way at once; while all of them wait for a receiver that does not answer, the buffer fills.
const AT_ONCE: usize = 16;
/// How often a list is sent before it is lost, and by how much each pause is longer than the one before.
const ATTEMPTS: u32 = 5;
const LONGER: f64 = 1.5;

/// How lists are made and sent. The defaults are upstream's.
#[derive(Clone, Debug, PartialEq)]
pub struct BatchOptions {
    /// Events that may wait.
    pub buffer: usize,
    /// Events in a list at most.
    pub size: usize,
    /// How long the first event of a list waits for others.
    pub wait: Duration,
    /// The pause before a list is sent again; later ones are longer.
    pub backoff: Duration,
    /// Lists a second at most, but for a burst; `None`: as they come.
    pub throttle: Option<Throttle>,
}

/// So many lists a second, and so many more at once after a pause.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Throttle {
    /// Lists a second.
    pub rate: f64,
    /// Lists that may go at once.
    pub burst: u32,
}

impl Default for BatchOptions {
    fn default() -> Self {
        Self {
            buffer: 10_000,
            size: 400,
            wait: Duration::from_secs(30),
            backoff: Duration::from_secs(10),
            throttle: Some(Throttle { rate: 10.0, burst: 15 }),
        }
    }
}

/// Who takes lists.
pub trait Receiver: Send + Sync + 'static {
    /// Hands over an `EventList` of `audit.k8s.io/v1`. The error says why it may not have arrived; it is sent again.
    fn post(&self, list: Bytes) -> BoxFuture<'_, Result<(), String>>;
}

enum Order {
    Event(Vec<u8>),
    Flush(oneshot::Sender<()>),
}

/// The buffer and its task, which ends after what waits when this is gone.
pub struct Batches {
    orders: mpsc::Sender<Order>,
    /// Events in the buffer; orders to flush do not count.
    room: Arc<Semaphore>,
    counts: Arc<Counts>,
}

#[derive(Default)]
struct Counts {
    made: AtomicU64,
    lost: AtomicU64,
}

impl Batches {
    /// Starts to send to `receiver`, on the runtime it is called on.
    pub fn start(receiver: Arc<dyn Receiver>, options: BatchOptions) -> Arc<Self> {
        let (orders, taken) = mpsc::channel(options.buffer.max(1) + AT_ONCE);
        let room = Arc::new(Semaphore::new(options.buffer.max(1)));
        let counts = Arc::<Counts>::default();
        let sender = Arc::new(Sender { receiver, backoff: options.backoff, counts: counts.clone() });
        tokio::spawn(Gatherer { taken, room: room.clone(), options, sender }.run());
        Arc::new(Self { orders, room, counts })
    }

    /// Takes a line as the log has it.
    pub(super) fn add(&self, line: &[u8]) {
        self.counts.made.fetch_add(1, Ordering::Relaxed);
        let taken = self.room.try_acquire().is_ok_and(|place| {
            // Given back by whoever takes the event out.
            place.forget();
            self.orders.try_send(Order::Event(line.trim_ascii_end().to_vec())).is_ok()
        });
        if !taken {
            self.counts.lose(1);
        }
    }

    /// Waits until what was taken so far has arrived or is lost.
    pub async fn flush(&self) {
        let (done, flushed) = oneshot::channel();
        if self.orders.send(Order::Flush(done)).await.is_ok() {
            // An error means that the task is gone, and nothing is left to wait for.
            let _ = flushed.await;
        }
    }

    /// Events taken, and those of them that were lost.
    pub(super) fn counts(&self) -> (u64, u64) {
        (self.counts.made.load(Ordering::Relaxed), self.counts.lost.load(Ordering::Relaxed))
    }
}

impl Counts {
    fn lose(&self, events: u64) {
        self.lost.fetch_add(events, Ordering::Relaxed);
    }
}

/// The task that makes lists.
struct Gatherer {
    taken: mpsc::Receiver<Order>,
    room: Arc<Semaphore>,
    options: BatchOptions,
    sender: Arc<Sender>,
}

impl Gatherer {
    async fn run(mut self) {
        let mut bucket = Bucket::new(self.options.throttle);
        let ways = Arc::new(Semaphore::new(AT_ONCE));
        while let Some(order) = self.taken.recv().await {
            let (events, flush) = match order {
                Order::Event(first) => self.gather(first).await,
                Order::Flush(done) => (Vec::new(), Some(done)),
            };
            if !events.is_empty() {
                bucket.take().await;
                let way = ways.clone().acquire_owned().await.expect("nobody closes it");
                tokio::spawn(self.sender.clone().send(events, way));
            }
            if let Some(done) = flush {
                let all = u32::try_from(AT_ONCE).expect("it is small");
                // When all ways are free again, everything has arrived or is lost.
                drop(ways.acquire_many(all).await);
                let _ = done.send(());
            }
        }
    }

    async fn gather(&mut self, first: Vec<u8>) -> (Vec<Vec<u8>>, Option<oneshot::Sender<()>>) {
        let until = Instant::now() + self.options.wait;
        let mut events = vec![first];
        self.room.add_permits(1);
        while events.len() < self.options.size {
            match timeout_at(until, self.taken.recv()).await {
                Ok(Some(Order::Event(event))) => {
                    self.room.add_permits(1);
                    events.push(event);
                }
                Ok(Some(Order::Flush(done))) => return (events, Some(done)),
                Ok(None) | Err(_) => break,
            }
        }
        (events, None)
    }
}

struct Sender {
    receiver: Arc<dyn Receiver>,
    backoff: Duration,
    counts: Arc<Counts>,
}

impl Sender {
    async fn send(self: Arc<Self>, events: Vec<Vec<u8>>, _way: OwnedSemaphorePermit) {
        let list = list(&events);
        let mut pause = self.backoff;
        for attempt in 1..=ATTEMPTS {
            let Err(error) = self.receiver.post(list.clone()).await else { return };
            if attempt == ATTEMPTS {
                tracing::error!(error, events = events.len(), "audit events did not arrive and are lost");
                break;
            }
            sleep(pause).await;
            pause = pause.mul_f64(LONGER);
        }
        self.counts.lose(events.len() as u64);
    }
}

/// The members that an item of a list does not repeat stay: whoever reads one reads the other.
fn list(events: &[Vec<u8>]) -> Bytes {
    let mut list = br#"{"kind":"EventList","apiVersion":"audit.k8s.io/v1","metadata":{},"items":["#.to_vec();
    list.extend_from_slice(&events.join(&b','));
    list.extend_from_slice(b"]}");
    list.into()
}

/// A token for each list.
struct Bucket {
    throttle: Option<Throttle>,
    /// When the bucket would have been full if nothing more was taken.
    full: Instant,
}

impl Bucket {
    fn new(throttle: Option<Throttle>) -> Self {
        Self { throttle, full: Instant::now() }
    }

    async fn take(&mut self) {
        let Some(Throttle { rate, burst }) = self.throttle else { return };
        let token = Duration::from_secs_f64(1.0 / rate.max(0.001));
        self.full = self.full.max(Instant::now()) + token;
        // There is a token as long as no more than the burst is missing.
        if let Some(at) = self.full.checked_sub(token * burst.max(1)) {
            sleep_until(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use parking_lot::Mutex;
    use serde_json::Value;

    use super::*;

    /// Keeps what it is given; the first attempts fail.
    #[derive(Default)]
    struct Kept {
        failures: AtomicU64,
        lists: Mutex<Vec<(Duration, usize)>>,
        start: Option<Instant>,
    }

    impl Receiver for Kept {
        fn post(&self, list: Bytes) -> BoxFuture<'_, Result<(), String>> {
            async move {
                let value: Value = serde_json::from_slice(&list).unwrap();
                let form = (value["kind"].as_str(), value["apiVersion"].as_str());
                assert_eq!(form, (Some("EventList"), Some("audit.k8s.io/v1")));
                let failing =
                    self.failures.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
                if failing.is_ok() {
                    return Err("no".to_owned());
                }
                let items = value["items"].as_array().unwrap().len();
                self.lists.lock().push((self.start.unwrap().elapsed(), items));
                Ok(())
            }
            .boxed()
        }
    }

    fn kept(failures: u64) -> Arc<Kept> {
        Arc::new(Kept { failures: failures.into(), lists: Mutex::default(), start: Some(Instant::now()) })
    }

    fn seconds(kept: &Kept) -> Vec<(u64, usize)> {
        kept.lists.lock().iter().map(|(at, items)| (at.as_secs(), *items)).collect()
    }

    fn add(batches: &Batches, count: usize) {
        (0..count).for_each(|n| batches.add(format!("{{\"n\":{n}}}\n").as_bytes()));
    }

    #[tokio::test(start_paused = true)]
    async fn events_go_when_a_list_is_full_or_the_first_has_waited() {
        let kept = kept(0);
        let batches = Batches::start(kept.clone(), BatchOptions { size: 4, ..BatchOptions::default() });
        add(&batches, 6);
        sleep(Duration::from_secs(31)).await;
        assert_eq!(seconds(&kept), [(0, 4), (30, 2)]);
        add(&batches, 1);
        batches.flush().await;
        assert_eq!(seconds(&kept), [(0, 4), (30, 2), (31, 1)], "a flush waits for nobody");
        assert_eq!(batches.counts(), (7, 0));
    }

    #[tokio::test(start_paused = true)]
    async fn a_list_is_sent_again_after_longer_and_longer_pauses_and_then_lost() {
        for (failures, arrives, lost) in [(4, vec![(81, 2)], 0), (5, vec![], 2)] {
            let kept = kept(failures);
            let batches = Batches::start(kept.clone(), BatchOptions::default());
            add(&batches, 2);
            batches.flush().await;
            // 10 + 15 + 22.5 + 33.75 seconds.
            assert_eq!((seconds(&kept), batches.counts()), (arrives, (2, lost)));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn what_finds_the_buffer_full_is_lost_and_counted() {
        let kept = kept(0);
        let batches = Batches::start(kept.clone(), BatchOptions { buffer: 5, size: 100, ..BatchOptions::default() });
        // Nothing is taken out before somebody waits.
        add(&batches, 8);
        batches.flush().await;
        assert_eq!((seconds(&kept), batches.counts()), (vec![(0, 5)], (8, 3)));
        add(&batches, 2);
        batches.flush().await;
        assert_eq!(batches.counts(), (10, 3), "there is room again");
    }

    #[tokio::test(start_paused = true)]
    async fn lists_go_no_faster_than_they_may() {
        let kept = kept(0);
        let throttle = Some(Throttle { rate: 1.0, burst: 3 });
        let batches = Batches::start(kept.clone(), BatchOptions { size: 1, throttle, ..BatchOptions::default() });
        add(&batches, 5);
        batches.flush().await;
        assert_eq!(seconds(&kept), [(0, 1), (0, 1), (0, 1), (1, 1), (2, 1)]);
    }
}
