//! The one thread that writes.

use std::sync::{Arc, atomic::Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::database::{self, SKIP};
use super::queue::{Next, Queue};
use super::transaction::{self, Outcome};
use super::{Database, Shared, convert, reader, upkeep};
use crate::pending::{Pending, Request, fits};
use crate::{Durability, Error, Revision, expiry};

/// Relaxed writes between two fsyncs at most: fewer than the numbers skipped after a crash.
const RELAXED_LIMIT: u64 = SKIP / 2;

pub(super) enum Command {
    Write(Pending),
    Compact(Revision, oneshot::Sender<Result<Revision, Error>>),
    Close(oneshot::Sender<Result<(), Error>>),
}

pub(super) struct Writer {
    shared: Arc<Shared>,
    commands: Queue<Command>,
    /// `None` after a failure, until it can be opened again.
    database: Option<Database>,
    /// The file that was open last.
    identity: (u64, u64),
    synchronous: Option<Durability>,
    relaxed: u64,
    next_expiry: Option<i64>,
    cutting: bool,
}

impl Writer {
    pub(super) fn spawn(database: Database, shared: Arc<Shared>) -> Result<Queue<Command>, Error> {
        let commands = Queue::new();
        let next_expiry =
            upkeep::next_expiry(&database.connection).map_err(|error| convert::error(&shared.path, &error))?;
        let mut writer = Writer {
            identity: database.identity(),
            database: Some(database),
            shared,
            commands: commands.clone(),
            synchronous: None,
            relaxed: 0,
            next_expiry,
            // A cut may have been left unfinished.
            cutting: true,
        };
        thread::Builder::new()
            .name("sqlite-writer".into())
            .spawn(move || writer.run())
            .map_err(|error| Error::Unavailable(format!("no thread to write with: {error}")))?;
        Ok(commands)
    }

    fn run(&mut self) {
        loop {
            match self.commands.next(self.next_upkeep()) {
                Next::Item(Command::Write(first)) => self.write(first),
                Next::Item(Command::Compact(to, reply)) => {
                    let _ = reply.send(self.with(|connection| upkeep::compact(connection, to)));
                    self.cutting = true;
                }
                Next::Item(Command::Close(reply)) => {
                    self.end();
                    let _ = reply.send(Ok(()));
                    return;
                }
                Next::Timeout => self.upkeep(),
                Next::Closed => return self.end(),
            }
        }
    }

    /// When there is something to do though nobody asks for it.
    fn next_upkeep(&self) -> Option<Instant> {
        let pause = match (self.cutting, self.next_expiry) {
            (true, _) => Duration::ZERO,
            (false, Some(at)) => expiry::pause(Some(at.saturating_sub(self.now()))),
            (false, None) => return None,
        };
        Some(Instant::now() + pause)
    }

    fn now(&self) -> i64 {
        self.shared.options.clock.now().as_second()
    }

    /// Commits a write together with all others that wait.
    fn write(&mut self, first: Pending) {
        let batch = self.gather(first);
        for expires in batch.iter().filter_map(|pending| pending.request.write.expires()) {
            self.next_expiry = Some(self.next_expiry.map_or(expires, |next| next.min(expires)));
        }
        let durable = batch.iter().any(|pending| pending.durability == Durability::Durable);
        let requests: Vec<_> = batch.iter().map(|pending| &pending.request).collect();
        match self.commit(&requests, if durable { Durability::Durable } else { Durability::Relaxed }) {
            Ok(answers) => batch.into_iter().zip(answers).for_each(|(pending, answer)| pending.answer(answer)),
            Err(error) => {
                tracing::warn!(%error, writes = batch.len(), "writes failed");
                batch.into_iter().for_each(|pending| pending.answer(Err(error.clone())));
            }
        }
    }

    /// All writes that wait; where none of them is in a hurry, those of the next moments too.
    fn gather(&mut self, first: Pending) -> Vec<Pending> {
        let gather = self.shared.options.gather;
        let is_write = |command: &Command| matches!(command, Command::Write(_));
        let deadline = Instant::now() + gather;
        let mut bytes = first.request.write.size();
        let mut relaxed = first.durability == Durability::Relaxed;
        let mut batch = vec![first];
        while fits(&batch, bytes) {
            match self.commands.next_if(is_write) {
                Some(Command::Write(pending)) => {
                    bytes += pending.request.write.size();
                    relaxed &= pending.durability == Durability::Relaxed;
                    batch.push(pending);
                }
                // A moment of silence means that all who write at present are waiting already.
                _ if relaxed && self.commands.wait_until(deadline.min(Instant::now() + gather / 5), is_write) => {}
                _ => break,
            }
        }
        batch
    }

    fn commit(&mut self, requests: &[&Request], durability: Durability) -> Result<Vec<Result<Revision, Error>>, Error> {
        let count = requests.len() as u64;
        let durability = if self.relaxed + count > RELAXED_LIMIT { Durability::Durable } else { durability };
        self.set_synchronous(durability)?;
        let Outcome { previous, batch, answers } =
            self.with(|connection| transaction::commit(connection, requests.iter().copied()))?;
        self.relaxed = if durability == Durability::Durable { 0 } else { self.relaxed + count };
        if !batch.changes.is_empty() {
            self.shared.set_revision(batch.revision);
            self.shared.feed.committed(previous, batch);
        }
        Ok(answers)
    }

    /// Full: the commit is on the disk before it returns. Normal: the kernel has it.
    fn set_synchronous(&mut self, durability: Durability) -> Result<(), Error> {
        self.database()?;
        if self.synchronous == Some(durability) {
            return Ok(());
        }
        let sql = match durability {
            Durability::Durable => "PRAGMA synchronous = FULL",
            Durability::Relaxed => "PRAGMA synchronous = NORMAL",
        };
        self.with(|connection| connection.execute_batch(sql))?;
        self.synchronous = Some(durability);
        Ok(())
    }

    fn upkeep(&mut self) {
        if self.cutting {
            // After a failure the next compaction tries again.
            self.cutting = self.with(|connection| upkeep::cut(connection)).unwrap_or(false);
            return;
        }
        if let Err(error) = self.sweep() {
            tracing::warn!(%error, "expired objects not deleted; tried again soon");
        }
    }

    fn sweep(&mut self) -> Result<(), Error> {
        let now = self.now();
        if self.next_expiry.is_none_or(|at| at > now) {
            return Ok(());
        }
        let expired = self.with(|connection| upkeep::expired(connection, now))?;
        let requests: Vec<_> = expired.iter().collect();
        self.commit(&requests, Durability::Relaxed)?;
        self.next_expiry = self.with(|connection| upkeep::next_expiry(connection))?;
        Ok(())
    }

    fn end(&mut self) {
        self.commands.close();
        self.shared.feed.close();
        if let Err(error) = self.with(|connection| upkeep::end_session(connection)) {
            tracing::warn!(%error, "the store was not closed in good order; the next start recovers it");
        }
        self.database = None;
    }

    /// Runs a query. A connection that failed is not trusted with another one.
    fn with<T>(&mut self, query: impl FnOnce(&mut Connection) -> rusqlite::Result<T>) -> Result<T, Error> {
        let database = self.database()?;
        let result = query(&mut database.connection);
        result.map_err(|error| {
            self.database = None;
            convert::error(&self.shared.path, &error)
        })
    }

    fn database(&mut self) -> Result<&mut Database, Error> {
        if let Some(database) = &self.database
            && let Err(error) = database.check_in_place()
        {
            self.database = None;
            return Err(error);
        }
        if self.database.is_none() {
            let database = self.reopen()?;
            self.database = Some(database);
        }
        Ok(self.database.as_mut().expect("it was just opened"))
    }

    /// Opens the file again and finds out whether it is the one that was lost.
    fn reopen(&mut self) -> Result<Database, Error> {
        let Shared { path, options, revision, feed, .. } = &*self.shared;
        let database = Database::open(path, options.busy)?;
        let known = self.shared.revision();
        let same_file = database.is_same_file(self.identity);
        let failed = |error| convert::error(path, &error);
        let found = reader::position(&database.connection).map_err(failed)?.revision;
        if same_file && found >= known {
            revision.store(found.0, Ordering::SeqCst);
            feed.hint(found);
        } else {
            let start = database::new_epoch(&database.connection, known).map_err(failed)?;
            revision.store(start.0, Ordering::SeqCst);
            feed.reset(start);
            tracing::warn!(path = %path.display(), revision = %start, "the database was replaced: a new history begins");
        }
        self.identity = database.identity();
        self.synchronous = None;
        self.next_expiry = upkeep::next_expiry(&database.connection).map_err(failed)?;
        Ok(database)
    }
}

/// However the thread ends, nobody waits for it any longer.
impl Drop for Writer {
    fn drop(&mut self) {
        self.commands.abandon();
        self.shared.feed.close();
    }
}
