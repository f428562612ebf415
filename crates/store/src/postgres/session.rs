//! Connections, and what their errors mean.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgConnection};
use sqlx::{ConnectOptions, Connection};
use tokio::time::{Instant, timeout};

use crate::Error;

/// So that a session whose client vanished lets go of the lock, and one whose server vanished is given up.
const SETTINGS: &str = "SET idle_in_transaction_session_timeout = '10s'; SET lock_timeout = '10s';
                        SET tcp_user_timeout = '10s'; SET tcp_keepalives_idle = '30s'";

/// Opens a connection and prepares it, within a time.
pub(super) async fn open(options: &PgConnectOptions, limit: Duration) -> Result<PgConnection, Error> {
    match timeout(limit, connect(options)).await {
        Ok(result) => result.map_err(|failure| error(&failure)),
        Err(_) => Err(Error::Unavailable(format!("{}: no connection in time", options.get_host()))),
    }
}

/// The same for as long as it takes.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, sqlx::Error> {
    let mut connection = options.connect().await?;
    prepare(&mut connection).await?;
    Ok(connection)
}

/// What the database answers within a time. Nothing else ends a wait for a peer that vanished without a word: whoever waits longer
/// than this drops the connection with it.
pub(super) async fn answer<T>(
    limit: Duration,
    question: impl Future<Output = Result<T, sqlx::Error>>,
) -> Result<T, sqlx::Error> {
    let late = || sqlx::Error::Io(std::io::Error::new(std::io::ErrorKind::TimedOut, "it did not answer in time"));
    timeout(limit, question).await.unwrap_or_else(|_| Err(late()))
}

/// Applies what the database knows of the settings.
async fn prepare(connection: &mut PgConnection) -> Result<(), sqlx::Error> {
    for settings in std::iter::once(SETTINGS).chain(SETTINGS.split(';')) {
        match sqlx::raw_sql(settings).execute(&mut *connection).await {
            // All at once; one by one only where that is refused.
            Ok(_) if settings == SETTINGS => return Ok(()),
            Ok(_) | Err(sqlx::Error::Database(_)) => {}
            Err(error) => return Err(error),
        }
    }
    // A refusal may have been the end of the session.
    connection.ping().await
}

/// What an error of the database means to those who call the store.
pub(super) fn error(failure: &sqlx::Error) -> Error {
    match failure {
        sqlx::Error::Database(database) => {
            let code = database.code().unwrap_or_default();
            of_code(&code, database.message())
        }
        sqlx::Error::RowNotFound
        | sqlx::Error::ColumnNotFound(_)
        | sqlx::Error::ColumnDecode { .. }
        | sqlx::Error::Decode(_) => {
            Error::Corrupt(format!("the database holds what was not written by this program ({failure})"))
        }
        other => Error::Unavailable(format!("the database does not answer ({other})")),
    }
}

fn of_code(code: &str, message: &str) -> Error {
    let text = format!("{message} (SQLSTATE {code})");
    match code {
        // Undefined tables and columns, data that is not what the schema says.
        "42P01" | "42703" | "42883" | "42P18" => Error::Corrupt(format!("its tables are not this program's: {text}")),
        "XX001" | "XX002" => Error::Corrupt(format!("restore it from a backup: {text}")),
        "42501" => Error::Unusable(format!("grant this user its tables: {text}")),
        _ if code.starts_with("22") || code.starts_with("23") || code.starts_with("54") => Error::Unusable(text),
        _ => Error::Unavailable(text),
    }
}

/// Whether two processes were at the same first step.
pub(super) fn is_race(failure: &sqlx::Error) -> bool {
    let code = failure.as_database_error().and_then(|database| database.code());
    code.is_some_and(|code| matches!(&*code, "23505" | "42P07" | "40001" | "40P01"))
}

/// The pauses of somebody who tries again, until patience is at its end.
pub(super) struct Retry {
    deadline: Instant,
    pause: Duration,
}

impl Retry {
    pub(super) fn new(patience: Duration) -> Self {
        Retry { deadline: Instant::now() + patience, pause: Duration::from_millis(5) }
    }

    pub(super) fn remaining(&self) -> Duration {
        self.deadline.saturating_duration_since(Instant::now())
    }

    /// Sleeps before the next attempt; gives the error back when there is to be none.
    pub(super) async fn after(&mut self, error: Error) -> Result<(), Error> {
        if !error.retryable() || self.remaining().is_zero() {
            return Err(error);
        }
        tokio::time::sleep(self.pause.min(self.remaining())).await;
        self.pause = (self.pause * 2).min(Duration::from_millis(500));
        Ok(())
    }
}
