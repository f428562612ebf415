//! Who may use the CPU, and how much of it: every poll of a guest goes through here.
//!
//! - *Metering*: each poll is charged to its container by the thread's CPU clock.
//! - *Quota*: a container with a CPU limit may use so much in each period of 100 ms and then waits for the next, as the kernel's
//!   `cpu.cfs_quota_us` does; what it used too much is taken from the next period.
//! - *Fair share*: as many guests are polled at a time as there are CPUs. When more want to run, the container goes first that had
//!   least for its weight, so a guest that spins delays another by no more than one tick.
//!
//! A poll lasts one tick at most, because the epoch interrupts it; fairness therefore needs no timers of its own.

mod queue;
mod quota;

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;

use futures::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::time::{Instant, Sleep};

use super::ticker::Ticker;
use queue::{Queue, Turn};
use quota::Quota;

/// The CPUs of the process, shared by its containers.
pub(crate) struct Cpus {
    queue: Arc<Queue>,
    ticker: Ticker,
}

impl Cpus {
    pub(crate) fn new(count: usize, ticker: Ticker) -> Arc<Self> {
        Arc::new(Cpus { queue: Queue::new(count), ticker })
    }

    /// A new container's share. Both in thousandths of a CPU; no request is the least weight, as upstream.
    pub(crate) fn share(self: &Arc<Self>, request_millis: Option<u64>, limit_millis: Option<u64>) -> Arc<Share> {
        Arc::new(Share {
            member: self.queue.join(request_millis.unwrap_or(0).max(2)),
            usage: Mutex::new(Usage { total: Duration::ZERO, quota: limit_millis.map(Quota::new) }),
            cpus: self.clone(),
        })
    }
}

/// One container's part of the CPUs.
pub(crate) struct Share {
    cpus: Arc<Cpus>,
    member: queue::Member,
    usage: Mutex<Usage>,
}

struct Usage {
    total: Duration,
    quota: Option<Quota>,
}

impl Share {
    /// CPU time used since the start.
    pub(crate) fn used(&self) -> Duration {
        self.usage.lock().total
    }

    /// Runs a guest's future under this share.
    pub(crate) fn run<F: Future>(self: &Arc<Self>, guest: F) -> Metered<F> {
        let wake = Arc::new(WakeNote::default());
        Metered {
            guest: Box::pin(guest),
            share: self.clone(),
            turn: Turn::default(),
            pause: None,
            waker: wake.clone().into(),
            wake,
        }
    }

    fn charge(&self, used: Duration) {
        let mut usage = self.usage.lock();
        usage.total += used;
        if let Some(quota) = &mut usage.quota {
            quota.charge(Instant::now(), used);
        }
    }

    /// When the quota lets it run again, if it is used up.
    fn paused_until(&self) -> Option<Instant> {
        self.usage.lock().quota.as_mut()?.exhausted_until(Instant::now())
    }
}

/// A guest's future; see [`Share::run`]. Dropping it kills the guest.
pub(crate) struct Metered<F> {
    guest: Pin<Box<F>>,
    share: Arc<Share>,
    turn: Turn,
    pause: Option<Pin<Box<Sleep>>>,
    wake: Arc<WakeNote>,
    /// Of `wake`.
    waker: Waker,
}

/// Notes that a guest wants on, so that the queue knows who has rested and who was only interrupted.
#[derive(Default)]
struct WakeNote {
    woken: AtomicBool,
    task: AtomicWaker,
}

impl Wake for WakeNote {
    fn wake(self: Arc<Self>) {
        self.wake_by_ref();
    }

    fn wake_by_ref(self: &Arc<Self>) {
        self.woken.store(true, Ordering::Release);
        self.task.wake();
    }
}

impl<F: Future> Future for Metered<F> {
    type Output = F::Output;

    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<F::Output> {
        let this = self.get_mut();
        if let Some(until) = this.share.paused_until() {
            // Not while waiting in the queue: a turn that comes to a paused guest would be lost on it.
            this.turn.give_up(&this.share.member);
            let pause = this.pause.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
            pause.as_mut().reset(until);
            if pause.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
        if !this.turn.poll(&this.share.member, context) {
            return Poll::Pending;
        }
        this.wake.task.register(context.waker());
        this.wake.woken.store(false, Ordering::Release);
        let mut running = Running::start(&this.share, &mut this.turn);
        let result = this.guest.as_mut().poll(&mut Context::from_waker(&this.waker));
        running.wants_on = result.is_pending() && this.wake.woken.load(Ordering::Acquire);
        result
    }
}

impl<F> Drop for Metered<F> {
    fn drop(&mut self) {
        self.turn.give_up(&self.share.member);
    }
}

/// One poll: measured, and ended also when it panics.
struct Running<'a> {
    share: &'a Arc<Share>,
    turn: &'a mut Turn,
    begin: Duration,
    wants_on: bool,
}

impl<'a> Running<'a> {
    fn start(share: &'a Arc<Share>, turn: &'a mut Turn) -> Self {
        share.cpus.ticker.enter();
        Running { share, turn, begin: thread_time(), wants_on: false }
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        let used = thread_time().saturating_sub(self.begin);
        self.share.cpus.ticker.leave();
        self.share.charge(used);
        self.turn.finish(&self.share.member, used, self.wants_on);
    }
}

/// CPU time of this thread.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::try_from(time).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn burn(time: Duration) {
        let begin = thread_time();
        while thread_time() - begin < time {
            std::hint::spin_loop();
        }
    }

    /// As wasmtime yields when the epoch moved: woken at once.
    async fn interrupted() {
        let mut first = true;
        std::future::poll_fn(|context| {
            if std::mem::take(&mut first) {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            Poll::Ready(())
        })
        .await;
    }

    /// Burns one tick a poll until told to stop.
    async fn spin(stop: Arc<std::sync::atomic::AtomicBool>) {
        while !stop.load(std::sync::atomic::Ordering::Relaxed) {
            burn(Duration::from_millis(1));
            interrupted().await;
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn what_a_guest_uses_is_charged_to_its_container() {
        let cpus = Cpus::new(2, Ticker::start().unwrap());
        let share = cpus.share(None, None);
        share.run(async { burn(Duration::from_millis(20)) }).await;
        share.run(async { tokio::time::sleep(Duration::from_millis(5)).await }).await;
        let used = share.used();
        assert!(used >= Duration::from_millis(20) && used < Duration::from_millis(25), "{used:?}");
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 3)]
    async fn a_limit_binds_and_weights_divide_what_is_contended() {
        let cpus = Cpus::new(1, Ticker::start().unwrap());
        let (heavy, light, limited) =
            (cpus.share(Some(300), None), cpus.share(Some(100), None), cpus.share(Some(1000), Some(100)));
        let stop = Arc::default();
        let tasks: Vec<_> =
            [&heavy, &light, &limited].map(|share| tokio::spawn(share.run(spin(Arc::clone(&stop))))).into();
        tokio::time::sleep(Duration::from_secs(2)).await;
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        futures::future::join_all(tasks).await;
        let ratio = heavy.used().as_secs_f64() / light.used().as_secs_f64();
        assert!((2.4..3.6).contains(&ratio), "three to one: {:?} {:?}", heavy.used(), light.used());
        let limited = limited.used().as_secs_f64() / 2.0;
        assert!(limited < 0.13, "a tenth of a CPU: {limited}");
    }
}
