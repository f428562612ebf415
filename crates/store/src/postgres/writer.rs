//! The one task that writes.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, timeout};

use super::batch::{Outcome, Session};
use super::queue::{Gathered, Queue};
use super::reader::Reader;
use super::session::{self, Retry};
use super::{Shared, pool, upkeep};
use crate::pending::{Pending, Request};
use crate::{Durability, Error, Revision, expiry};

/// What the revision skips when a process starts or finds commits lost. Relaxed writes that a crash of the database took
/// back may have been seen by clients: their numbers must not be used again.
const SKIP: u64 = 10_000;

/// Relaxed writes between two durable transactions at most, so that ten processes cannot lose more than is skipped.
const RELAXED_LIMIT: u64 = SKIP / 10;

/// A lock that took longer to get is fought over: then larger batches help everybody.
const CONTENDED: Duration = Duration::from_millis(2);

pub(super) enum Control {
    /// The database was found behind what had been seen of it.
    Repair,
    /// Another process wrote: it may have written what expires.
    Others,
    Close(oneshot::Sender<()>),
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    reader: Arc<Reader>,
    queue: Queue,
    controls: mpsc::UnboundedReceiver<Control>,
    session: Option<Session>,
    contended: bool,
    relaxed: u64,
    next_expiry: Option<i64>,
    expiry_asked: Instant,
}

/// A commit whose answer was lost.
struct Doubt {
    session: i64,
    outcome: Outcome,
}

impl Writer {
    pub(super) async fn new(
        shared: Arc<Shared>,
        reader: Arc<Reader>,
        writes: mpsc::UnboundedReceiver<Pending>,
        controls: mpsc::UnboundedReceiver<Control>,
    ) -> Result<Self, Error> {
        let connection = session::open(&shared.connect, shared.options.patience).await?;
        let begun = session::answer(shared.options.patience, Session::begin(connection, SKIP)).await;
        let session = begun.map_err(|failure| session::error(&failure))?;
        reader.position().await?;
        let next_expiry = upkeep::next_expiry(&reader).await?;
        Ok(Writer {
            shared,
            reader,
            queue: Queue::new(writes),
            controls,
            session: Some(session),
            contended: false,
            relaxed: 0,
            next_expiry,
            expiry_asked: Instant::now(),
        })
    }

    pub(super) async fn run(mut self) {
        loop {
            let mut gathered = Gathered::default();
            self.queue.fill(&mut gathered);
            if gathered.pending.is_empty() {
                let pause = expiry::pause(self.next_expiry.map(|at| at.saturating_sub(self.now())));
                tokio::select! {
                    biased;
                    Some(control) = self.controls.recv() => {
                        if let Control::Close(reply) = control {
                            self.close().await;
                            let _ = reply.send(());
                            return;
                        }
                        self.obey(control).await;
                    }
                    Some(()) = self.queue.first(&mut gathered) => {}
                    () = tokio::time::sleep(pause), if self.next_expiry.is_some() => self.sweep().await,
                    else => return,
                }
            }
            if !gathered.pending.is_empty() {
                self.queue.wait_for_more(&mut gathered, self.shared.options.gather, self.contended).await;
                self.write(gathered).await;
            }
        }
    }

    fn now(&self) -> i64 {
        self.shared.options.clock.now().as_second()
    }

    async fn write(&mut self, mut gathered: Gathered) {
        let result = self.attempts(&mut gathered, true).await;
        for expires in gathered.pending.iter().filter_map(|pending| pending.request.write.expires()) {
            self.next_expiry = Some(self.next_expiry.map_or(expires, |next| next.min(expires)));
        }
        match result {
            Ok(answers) => {
                gathered.pending.into_iter().zip(answers).for_each(|(pending, answer)| pending.answer(answer))
            }
            // One write that the database cannot take must not cost the others theirs.
            Err(error) if !error.retryable() && gathered.pending.len() > 1 => self.write_singly(gathered.pending).await,
            Err(error) => {
                tracing::warn!(%error, writes = gathered.pending.len(), "writes failed");
                gathered.pending.into_iter().for_each(|pending| pending.answer(Err(error.clone())));
            }
        }
    }

    async fn write_singly(&mut self, pending: Vec<Pending>) {
        for pending in pending {
            let mut single = Gathered::of(vec![pending]);
            let answer = self.attempts(&mut single, false).await.and_then(|mut answers| answers.remove(0));
            single.pending.into_iter().for_each(|pending| pending.answer(answer.clone()));
        }
    }

    /// Tries until the batch is committed or refused, or patience is at its end.
    async fn attempts(&mut self, gathered: &mut Gathered, grow: bool) -> Result<Vec<Result<Revision, Error>>, Error> {
        let result = self.attempts_within(self.shared.patience(), gathered, grow).await;
        self.shared.outage.observe(&result);
        result
    }

    async fn attempts_within(
        &mut self,
        patience: Duration,
        gathered: &mut Gathered,
        mut grow: bool,
    ) -> Result<Vec<Result<Revision, Error>>, Error> {
        let mut retry = Retry::new(patience);
        let mut doubt = None;
        loop {
            let attempt = self.attempt(gathered, grow, &mut doubt);
            let failure = match timeout(retry.remaining(), attempt).await {
                Ok(Ok(outcome)) => return Ok(self.publish(outcome)),
                Ok(Err(failure)) => failure,
                Err(_) => Error::Unavailable("the database did not answer in time".into()),
            };
            // Requests that came later would have no place in an outcome in doubt.
            grow = false;
            self.session = None;
            retry.after(failure).await?;
        }
    }

    async fn attempt(
        &mut self,
        gathered: &mut Gathered,
        grow: bool,
        doubt: &mut Option<Doubt>,
    ) -> Result<Outcome, Error> {
        let mut session = self.take_session().await?;
        let count = gathered.pending.len() as u64;
        let durability = if self.relaxed + count > RELAXED_LIMIT { Durability::Durable } else { gathered.durability() };
        let (asked, before) = (Instant::now(), self.shared.known.revision());
        let position = session.lock(durability).await.map_err(|failure| session::error(&failure))?;
        self.contended = asked.elapsed() > CONTENDED;
        if let Some(Doubt { session: lost, outcome }) = doubt.take()
            && session.has_committed(lost, outcome.batch.revision).await.map_err(|failure| session::error(&failure))?
        {
            session.roll_back().await.map_err(|failure| session::error(&failure))?;
            self.session = Some(session);
            return Ok(outcome);
        }
        if position.revision < self.shared.known.revision() {
            self.begin_history(session).await?;
            return Err(Error::Unavailable("the database had lost commits; a new history begins".into()));
        }
        if grow && durability == Durability::Durable {
            // Whoever came while the lock was waited for may come along.
            self.queue.fill(gathered);
        }
        let requests: Vec<&Request> = gathered.pending.iter().map(|pending| &pending.request).collect();
        let failed = |failure| session::error(&failure);
        let outcome = session.write(&requests, position.revision).await.map_err(failed)?;
        if outcome.batch.changes.is_empty() {
            session.roll_back().await.map_err(failed)?;
        } else {
            *doubt = Some(Doubt { session: session.number, outcome: outcome.clone() });
            session.commit(outcome.batch.revision).await.map_err(failed)?;
            *doubt = None;
            self.relaxed = if durability == Durability::Durable { 0 } else { self.relaxed + count };
        }
        // What others wrote shows in the gap before a batch of our own. Where all was refused nothing shows it but this: their NOTIFY
        // comes to somebody who knows the number already.
        let told = if outcome.batch.changes.is_empty() { before } else { outcome.previous };
        let _ = self.shared.notice(told, position);
        self.session = Some(session);
        Ok(outcome)
    }

    async fn take_session(&mut self) -> Result<Session, Error> {
        if let Some(mut session) = self.session.take()
            && pool::answers(&mut session.connection, session.heard).await
        {
            return Ok(session);
        }
        let connection = session::open(&self.shared.connect, self.shared.options.patience).await?;
        Session::begin(connection, 0).await.map_err(|failure| session::error(&failure))
    }

    /// Hands a committed batch to the followers before anybody is answered.
    fn publish(&self, outcome: Outcome) -> Vec<Result<Revision, Error>> {
        let Outcome { previous, batch, answers } = outcome;
        if !batch.changes.is_empty() {
            self.shared.known.advance(batch.revision);
            self.shared.feed.committed(previous, batch);
        }
        answers
    }

    async fn begin_history(&mut self, mut session: Session) -> Result<(), Error> {
        let at = Revision(self.shared.known.revision().0 + SKIP);
        session.new_epoch(at).await.map_err(|failure| session::error(&failure))?;
        tracing::warn!(revision = %at, "the database had lost commits: a new history begins");
        self.session = Some(session);
        // The change of epoch resets every follower, here and in other processes.
        self.reader.position().await.map(drop)
    }

    async fn obey(&mut self, control: Control) {
        let patience = self.shared.options.patience;
        let late = || Err(Error::Unavailable("the database did not answer in time".into()));
        let result = match control {
            Control::Repair => timeout(patience, self.repair()).await.unwrap_or_else(|_| late()),
            Control::Others if self.expiry_asked.elapsed() > Duration::from_secs(60) => self.ask_expiry().await,
            Control::Others | Control::Close(_) => Ok(()),
        };
        if let Err(error) = result {
            tracing::warn!(%error, "upkeep of the database failed; tried again later");
        }
    }

    async fn repair(&mut self) -> Result<(), Error> {
        let mut session = self.take_session().await?;
        let failed = |failure| session::error(&failure);
        let position = session.lock(Durability::Durable).await.map_err(failed)?;
        if position.revision < self.shared.known.revision() {
            return self.begin_history(session).await;
        }
        session.roll_back().await.map_err(failed)?;
        self.session = Some(session);
        Ok(())
    }

    async fn ask_expiry(&mut self) -> Result<(), Error> {
        self.expiry_asked = Instant::now();
        self.next_expiry = upkeep::next_expiry(&self.reader).await?;
        Ok(())
    }

    async fn sweep(&mut self) {
        if let Err(error) = self.delete_expired().await {
            tracing::warn!(%error, "expired objects not deleted; tried again soon");
        }
    }

    async fn delete_expired(&mut self) -> Result<(), Error> {
        let now = self.now();
        if self.next_expiry.is_none_or(|at| at > now) {
            return Ok(());
        }
        let expired = upkeep::expired(&self.reader, now).await?;
        if !expired.is_empty() {
            let pending = expired.into_iter().map(Pending::unattended).collect();
            self.attempts(&mut Gathered::of(pending), false).await?;
        }
        self.ask_expiry().await
    }

    /// Finishes what was accepted.
    async fn close(mut self) {
        self.queue.close();
        loop {
            let mut gathered = Gathered::default();
            self.queue.fill(&mut gathered);
            if gathered.pending.is_empty() {
                break;
            }
            self.write(gathered).await;
        }
        self.shared.feed.close();
        if let Some(session) = self.session.take() {
            // The server notices a lost connection as well.
            let _ = timeout(self.shared.options.patience, session.close()).await;
        }
    }
}
