//! How the tables come to be.

use std::time::Duration;

use sqlx::postgres::PgConnection;
use sqlx::{AssertSqlSafe, Connection, Row};

use super::session::{self, Retry};
use super::{Shared, position::to_sql};
use crate::Error;

const MIGRATIONS: &[&str] = &[include_str!("../../../../migrations/postgres/0001_initial.sql")];

const TUNING: &str = include_str!("../../../../migrations/postgres/tuning.sql");

const VERSION_TABLE: &str =
    "CREATE TABLE IF NOT EXISTS schema_version (one smallint PRIMARY KEY CHECK (one = 1), version bigint NOT NULL);
                             INSERT INTO schema_version (one, version) VALUES (1, 0) ON CONFLICT DO NOTHING";

/// How long a step to a newer schema may take.
const MIGRATION: Duration = Duration::from_secs(600);

/// Brings the schema to the newest version. Several processes may do so at once.
pub(super) async fn prepare(shared: &Shared) -> Result<(), Error> {
    let mut retry = Retry::new(shared.options.patience);
    loop {
        let failure = match session::open(&shared.connect, retry.remaining()).await {
            Ok(mut connection) => match session::answer(MIGRATION, migrate(&mut connection)).await {
                Ok(answer) => return answer,
                Err(failure) if session::is_race(&failure) => Error::Unavailable(failure.to_string()),
                Err(failure) => session::error(&failure),
            },
            Err(failure) => failure,
        };
        retry.after(failure).await?;
    }
}

async fn migrate(connection: &mut PgConnection) -> Result<Result<(), Error>, sqlx::Error> {
    sqlx::raw_sql(VERSION_TABLE).execute(&mut *connection).await?;
    let mut transaction = connection.begin().await?;
    let row =
        sqlx::query("SELECT version FROM schema_version WHERE one = 1 FOR UPDATE").fetch_one(&mut *transaction).await?;
    let version: i64 = row.try_get(0)?;
    let Some(missing) = usize::try_from(version).ok().and_then(|version| MIGRATIONS.get(version..)) else {
        let known = MIGRATIONS.len();
        let what = format!("the database has schema version {version}, this program knows {known}: use a newer one");
        return Ok(Err(Error::Unusable(what)));
    };
    if missing.is_empty() {
        return Ok(Ok(()));
    }
    // The text is this program's own.
    sqlx::raw_sql(AssertSqlSafe(missing.join("\n"))).execute(&mut *transaction).await?;
    let newest = to_sql(MIGRATIONS.len() as u64);
    sqlx::query("UPDATE schema_version SET version = $1 WHERE one = 1").bind(newest).execute(&mut *transaction).await?;
    transaction.commit().await?;
    if let Err(error) = sqlx::raw_sql(TUNING).execute(connection).await {
        tracing::info!(%error, "the database does not know some tuning settings; it works without");
    }
    Ok(Ok(()))
}
