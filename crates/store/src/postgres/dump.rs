//! A database read beside the servers that use it, and an empty one filled.

use futures::StreamExt;
use sqlx::postgres::{PgConnection, PgRow};
use sqlx::{Connection, Row};

use super::position::{Position, to_sql};
use super::reader::record;
use super::session::{self, Retry};
use super::{PostgresOptions, PostgresStore, Shared, load, parse, schema};
use crate::dump::{self, Dump, Kept};
use crate::{Error, Record};

const ALL: &str =
    "SELECT resource, namespace, name, rev, create_rev, data, expires FROM object ORDER BY resource, namespace, name";

impl PostgresStore {
    /// Reads everything in a database at one revision, whether or not servers use it.
    ///
    /// # Errors
    /// When it does not answer, or holds no tables of this program.
    pub async fn dump(url: &str, options: PostgresOptions) -> Result<Dump, Error> {
        let shared = Shared::new(parse(url)?, options);
        let (position, objects) = load::read_all(&shared, ALL, kept).await?;
        Ok(Dump { revision: position.revision, epoch: position.epoch, objects })
    }

    /// Fills an empty database with what a dump holds, all of it or nothing.
    ///
    /// # Errors
    /// When the database holds a cluster already, cannot be written, or the dump fails.
    pub async fn restore(url: &str, dump: Dump, options: PostgresOptions) -> Result<(), Error> {
        let shared = Shared::new(parse(url)?, options);
        schema::prepare(&shared).await?;
        let retry = Retry::new(shared.options.patience);
        let mut connection = session::open(&shared.connect, retry.remaining()).await?;
        let failed = |failure: sqlx::Error| session::error(&failure);
        let mut transaction = connection.begin().await.map_err(failed)?;
        if !is_empty(&mut transaction).await.map_err(failed)? {
            return Err(Error::Unusable("the database holds a cluster already; make an empty one".into()));
        }
        let Dump { revision, epoch, mut objects } = dump;
        while let Some(part) = objects.next().await {
            let part = part?;
            part.iter().try_for_each(|kept| dump::check(kept, revision))?;
            insert(&mut transaction, &part).await.map_err(failed)?;
        }
        const PLACE: &str = "UPDATE revision SET rev = $1, compacted = $1, epoch = $2 WHERE one = 1";
        let place = sqlx::query(PLACE).bind(to_sql(revision.0)).bind(to_sql(epoch));
        place.execute(&mut *transaction).await.map_err(failed)?;
        transaction.commit().await.map_err(failed)
    }
}

/// Holds the lock of whoever writes until the end of the transaction.
async fn is_empty(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    const POSITION: &str = "SELECT rev AS current, compacted, epoch FROM revision WHERE one = 1 FOR UPDATE";
    const ANY: &str = "SELECT 1 FROM object LIMIT 1";
    let position = Position::read(&sqlx::query(POSITION).fetch_one(&mut *connection).await?)?;
    let any = sqlx::query(ANY).fetch_optional(connection).await?;
    Ok(position.revision.0 == 0 && any.is_none())
}

async fn insert(connection: &mut PgConnection, part: &[Kept]) -> Result<(), sqlx::Error> {
    const SQL: &str = "INSERT INTO object (resource, namespace, name, rev, create_rev, expires, data)
        SELECT * FROM unnest($1::text[], $2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::bigint[], $7::bytea[])";
    let column = |of: fn(&Record) -> &str| part.iter().map(|kept| of(&kept.record)).collect::<Vec<_>>();
    let numbers = |of: fn(&Record) -> u64| part.iter().map(|kept| to_sql(of(&kept.record))).collect::<Vec<_>>();
    sqlx::query(SQL)
        .bind(column(|record| &record.key.resource))
        .bind(column(|record| &record.key.namespace))
        .bind(column(|record| &record.key.name))
        .bind(numbers(|record| record.revision.0))
        .bind(numbers(|record| record.create_revision.0))
        .bind(part.iter().map(|kept| kept.expires).collect::<Vec<_>>())
        .bind(part.iter().map(|kept| &kept.record.data[..]).collect::<Vec<_>>())
        .execute(connection)
        .await
        .map(drop)
}

fn kept(row: &PgRow) -> Result<Kept, sqlx::Error> {
    Ok(Kept { record: record(row)?, expires: row.try_get("expires")? })
}
