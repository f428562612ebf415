//! Another program that uses a store's file.

use std::path::Path;

use rusqlite::Connection;

/// Keeps everybody else from writing to a SQLite file until it is dropped.
pub struct ExclusiveLock {
    _connection: Connection,
}

impl ExclusiveLock {
    /// Takes the lock, waiting some seconds for whoever has it.
    ///
    /// # Errors
    /// What SQLite said.
    pub fn take(path: &Path) -> Result<Self, String> {
        let lock = || -> rusqlite::Result<Self> {
            let connection = Connection::open(path)?;
            connection.busy_timeout(std::time::Duration::from_secs(10))?;
            connection.execute_batch("BEGIN EXCLUSIVE")?;
            Ok(Self { _connection: connection })
        };
        lock().map_err(|error| format!("{}: {error}", path.display()))
    }
}
