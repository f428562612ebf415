//! One batch of writes, all or none of it.

use bytes::Bytes;
use rusqlite::{Connection, OptionalExtension, Transaction, TransactionBehavior, params};

use super::convert::{op_number, revision, to_sql};
use super::reader;
use crate::pending::Request;
use crate::{Batch, Change, Error, Key, Op, Revision, Write};

/// What became of a batch.
pub(super) struct Outcome {
    /// The store's revision before.
    pub(super) previous: Revision,
    /// What was committed.
    pub(super) batch: Batch,
    /// An answer for each request, in their order.
    pub(super) answers: Vec<Result<Revision, Error>>,
}

/// Does the requests in their order in one transaction.
pub(super) fn commit<'a>(
    connection: &mut Connection,
    requests: impl Iterator<Item = &'a Request>,
) -> rusqlite::Result<Outcome> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let previous = reader::position(&transaction)?.revision;
    let mut batch = Batch { revision: previous, changes: Vec::new() };
    let mut answers = Vec::new();
    for request in requests {
        let answer = match change(&transaction, request, Revision(batch.revision.0 + 1))? {
            Ok(change) => {
                log(&transaction, &change)?;
                batch.revision = change.revision;
                batch.changes.push(change);
                Ok(batch.revision)
            }
            Err(refused) => Err(refused),
        };
        answers.push(answer);
    }
    if !batch.changes.is_empty() {
        let sql = "UPDATE revision SET rev = ?1 WHERE one = 1";
        transaction.prepare_cached(sql)?.execute([to_sql(batch.revision)])?;
        transaction.commit()?;
    }
    Ok(Outcome { previous, batch, answers })
}

fn change(
    transaction: &Transaction<'_>,
    request: &Request,
    revision: Revision,
) -> rusqlite::Result<Result<Change, Error>> {
    let Request { key, write } = request;
    let made = match write {
        Write::Create { data, expires } => create(transaction, key, revision, data, *expires)?,
        Write::Update { expect, data, expires } => update(transaction, key, *expect, revision, data, *expires)?,
        Write::Delete { expect } => delete(transaction, key, *expect, revision)?,
    };
    match made {
        Some(change) => Ok(Ok(change)),
        None => refuse(transaction, request).map(Err),
    }
}

fn create(
    transaction: &Transaction<'_>,
    key: &Key,
    revision: Revision,
    data: &Bytes,
    expires: Option<i64>,
) -> rusqlite::Result<Option<Change>> {
    const CREATE: &str = "INSERT INTO object (resource, namespace, name, rev, create_rev, expires, data)
                          VALUES (?1, ?2, ?3, ?4, ?4, ?5, ?6) ON CONFLICT DO NOTHING";
    let Key { resource, namespace, name } = key;
    let row = params![&**resource, &**namespace, &**name, to_sql(revision), expires, &**data];
    let created = transaction.prepare_cached(CREATE)?.execute(row)? == 1;
    let change =
        || Change { revision, create_revision: revision, key: key.clone(), op: Op::Create, data: data.clone() };
    Ok(created.then(change))
}

fn update(
    transaction: &Transaction<'_>,
    key: &Key,
    expect: Revision,
    revision: Revision,
    data: &Bytes,
    expires: Option<i64>,
) -> rusqlite::Result<Option<Change>> {
    const UPDATE: &str = "UPDATE object SET rev = ?4, expires = ?5, data = ?6
                          WHERE resource = ?1 AND namespace = ?2 AND name = ?3 AND rev = ?7 RETURNING create_rev";
    let Key { resource, namespace, name } = key;
    let row = params![&**resource, &**namespace, &**name, to_sql(revision), expires, &**data, to_sql(expect)];
    let mut statement = transaction.prepare_cached(UPDATE)?;
    let create_revision = statement.query_row(row, |row| self::revision(row, 0)).optional()?;
    let change =
        |create_revision| Change { revision, create_revision, key: key.clone(), op: Op::Update, data: data.clone() };
    Ok(create_revision.map(change))
}

fn delete(
    transaction: &Transaction<'_>,
    key: &Key,
    expect: Revision,
    revision: Revision,
) -> rusqlite::Result<Option<Change>> {
    const DELETE: &str = "DELETE FROM object WHERE resource = ?1 AND namespace = ?2 AND name = ?3 AND rev = ?4
                          RETURNING create_rev, data";
    let Key { resource, namespace, name } = key;
    let row = params![&**resource, &**namespace, &**name, to_sql(expect)];
    let mut statement = transaction.prepare_cached(DELETE)?;
    let last = |row: &rusqlite::Row<'_>| Ok((self::revision(row, 0)?, row.get::<_, Vec<u8>>(1)?.into()));
    let change = |(create_revision, data)| Change { revision, create_revision, key: key.clone(), op: Op::Delete, data };
    Ok(statement.query_row(row, last).optional()?.map(change))
}

fn log(transaction: &Transaction<'_>, change: &Change) -> rusqlite::Result<()> {
    const LOG: &str = "INSERT INTO event (rev, resource, namespace, name, op, create_rev, data)
                       VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)";
    let Change { revision, create_revision, key: Key { resource, namespace, name }, op, data } = change;
    let (revision, created, op) = (to_sql(*revision), to_sql(*create_revision), op_number(*op));
    let row = params![revision, &**resource, &**namespace, &**name, op, created, &**data];
    transaction.prepare_cached(LOG)?.execute(row)?;
    Ok(())
}

/// Why a write that changed nothing did not.
fn refuse(transaction: &Transaction<'_>, request: &Request) -> rusqlite::Result<Error> {
    const AT: &str = "SELECT rev FROM object WHERE resource = ?1 AND namespace = ?2 AND name = ?3";
    let key = request.key.clone();
    let Key { resource, namespace, name } = &key;
    let mut statement = transaction.prepare_cached(AT)?;
    let current = statement.query_row([&**resource, &**namespace, &**name], |row| revision(row, 0)).optional()?;
    Ok(match (&request.write, current) {
        (Write::Create { .. }, _) => Error::Exists(key),
        (_, None) => Error::NotFound(key),
        (_, Some(_)) => Error::Conflict { key, current },
    })
}
