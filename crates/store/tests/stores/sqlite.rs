//! What can happen to a file.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;
use std::sync::Arc;

use futures::StreamExt;
use rusqlite::Connection;
use sampan_store::{Error, Revision, SqliteStore, Store};

use crate::kit::{self, Kind, Place, durably, key, soon};

fn place() -> Place {
    Place::new(Kind::Sqlite)
}

#[tokio::test]
async fn only_the_owner_may_read_the_files() {
    let place = place();
    let store = place.open().await;
    durably(&*store, key("a"), kit::create("secret")).await.unwrap();
    for entry in fs::read_dir(place.directory.path()).unwrap() {
        let entry = entry.unwrap();
        let mode = entry.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!(mode, 0o600, "{:?}", entry.file_name());
    }
}

#[tokio::test]
async fn a_second_process_is_refused() {
    let place = place();
    let store = place.open().await;
    let refused = SqliteStore::open(&place.file(), place.sqlite_options()).unwrap_err();
    assert!(refused.to_string().ends_with("is in use by another process, stop that one first"), "{refused}");
    assert!(refused.retryable());
    store.close().await;
    drop(store);
    place.open().await;
}

#[tokio::test]
async fn a_file_of_something_else_is_refused() {
    let place = place();
    fs::write(place.file(), "a letter to somebody, long enough to be read as the start of a database".repeat(10))
        .unwrap();
    let refused = SqliteStore::open(&place.file(), place.sqlite_options()).unwrap_err();
    assert!(matches!(&refused, Error::Corrupt(why) if why.contains("is not a SQLite database")), "{refused}");
    assert!(!refused.retryable());
    assert!(fs::read_to_string(place.file()).unwrap().starts_with("a letter"), "and left as it is");
}

#[tokio::test]
async fn a_file_of_a_newer_program_is_refused() {
    let place = place();
    place.open().await.close().await;
    Connection::open(place.file()).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let refused = SqliteStore::open(&place.file(), place.sqlite_options()).unwrap_err();
    assert!(matches!(&refused, Error::Unusable(why) if why.contains("schema version 99")), "{refused}");
}

#[tokio::test]
async fn an_orderly_close_skips_no_revision_and_a_crash_does() {
    let place = place();
    let store = place.open().await;
    let first = durably(&*store, key("a"), kit::create("1")).await.unwrap();
    store.close().await;
    let store = place.open().await;
    let second = durably(&*store, key("b"), kit::create("1")).await.unwrap();
    assert_eq!(second.0, first.0 + 1);
    store.close().await;
    drop(store);
    Connection::open(place.file()).unwrap().execute_batch("UPDATE revision SET clean = 0").unwrap();
    let store = place.open().await;
    let third = durably(&*store, key("c"), kit::create("1")).await.unwrap();
    assert_eq!(third.0, second.0 + 10_001, "clients may have seen numbers that a power cut took back");
    let log = kit::changes_to(&mut store.changes(first), third).await.unwrap();
    assert_eq!(log.iter().map(|change| change.revision).collect::<Vec<_>>(), [second, third]);
}

#[tokio::test]
async fn a_locked_file_is_waited_for_then_an_error_then_well_again() {
    let place = place();
    let store = place.open().await;
    let other = Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let refused = durably(&*store, key("a"), kit::create("1")).await.unwrap_err();
    assert!(refused.retryable() && refused.to_string().contains("locked by another program"), "{refused}");
    assert_eq!(store.get(&key("a")).await, Ok(None), "reads go on");
    other.execute_batch("ROLLBACK").unwrap();
    durably(&*store, key("a"), kit::create("1")).await.unwrap();
}

#[tokio::test]
async fn a_missing_file_is_an_error_until_it_is_back() {
    let place = place();
    let store = place.open().await;
    let first = durably(&*store, key("a"), kit::create("1")).await.unwrap();
    let aside = place.directory.path().join("aside");
    fs::rename(place.file(), &aside).unwrap();
    let refused = durably(&*store, key("b"), kit::create("1")).await.unwrap_err();
    assert!(refused.retryable() && refused.to_string().contains("is missing, put it back"), "{refused}");
    assert!(store.get(&key("a")).await.is_err());
    assert!(!place.file().exists(), "no empty one takes its place");
    fs::rename(&aside, place.file()).unwrap();
    let second = durably(&*store, key("b"), kit::create("1")).await.unwrap();
    assert_eq!(second.0, first.0 + 1);
    assert_eq!(store.get(&key("a")).await.unwrap().unwrap().revision, first);
}

#[tokio::test]
async fn an_older_copy_put_in_place_begins_a_new_history() {
    let place = place();
    let store = place.open().await;
    durably(&*store, key("kept"), kit::create("1")).await.unwrap();
    store.close().await;
    drop(store);
    let copy = place.directory.path().join("copy");
    fs::copy(place.file(), &copy).unwrap();
    let store = place.open().await;
    let epoch = store.epoch().await.unwrap();
    let lost = durably(&*store, key("lost"), kit::create("1")).await.unwrap();
    let mut changes = store.changes(lost);
    soon("the start", changes.next()).await.unwrap().unwrap();
    for leftover in ["store.db-wal", "store.db-shm"] {
        let _ = fs::remove_file(place.directory.path().join(leftover));
    }
    fs::rename(&copy, place.file()).unwrap();
    // The first write may meet the loss.
    let _ = durably(&*store, key("new"), kit::create("1")).await;
    let _ = durably(&*store, key("new"), kit::create("1")).await;
    assert_eq!(store.get(&key("lost")).await, Ok(None));
    let new = store.get(&key("new")).await.unwrap().unwrap();
    assert!(new.revision > lost, "numbers are not used again");
    assert_eq!(store.epoch().await, Ok(epoch + 1));
    let told = soon("the reset", changes.next()).await.unwrap();
    assert!(matches!(told, Err(Error::Compacted { .. })), "{told:?}");
}

#[tokio::test]
async fn a_damaged_file_is_an_error_and_no_panic() {
    let place = place();
    let store = place.open().await;
    for n in 0..200 {
        durably(&*store, key(&format!("n{n}")), kit::create(&"x".repeat(500))).await.unwrap();
    }
    store.close().await;
    drop(store);
    let mut bytes = fs::read(place.file()).unwrap();
    for page in bytes.chunks_mut(4096).skip(4) {
        page[..64].fill(0xA5);
    }
    fs::write(place.file(), bytes).unwrap();
    let Ok(store) = SqliteStore::open(&place.file(), place.sqlite_options()) else { return };
    let read = store.list("/configmaps", None, None, 1000).await;
    assert!(matches!(&read, Err(Error::Corrupt(why)) if why.contains("restore it from a backup")), "{read:?}");
}

/// The child: fills the store until the limit on file sizes that its parent set stops it, then has the limit lifted.
#[tokio::test]
#[ignore = "started by the test below"]
async fn full_disk_child() {
    let path = kit::told("SAMPAN_STORE_PLACE");
    let options = Place::new(Kind::Memory).sqlite_options();
    let store: Arc<dyn Store> = Arc::new(SqliteStore::open(path.as_ref(), options).unwrap());
    let data = "x".repeat(100_000);
    let mut written = Vec::new();
    let error = loop {
        let name = format!("n{}", written.len());
        match durably(&*store, key(&name), kit::create(&data)).await {
            Ok(_) => written.push(name),
            Err(error) => break error,
        }
    };
    assert!(error.retryable(), "{error}");
    assert!(written.len() > 2, "{}", written.len());
    for name in &written {
        assert!(store.get(&key(name)).await.unwrap().is_some(), "what is there is served");
    }
    let mut limit = rustix::process::getrlimit(rustix::process::Resource::Fsize);
    limit.current = limit.maximum;
    rustix::process::setrlimit(rustix::process::Resource::Fsize, limit).unwrap();
    let revision = durably(&*store, key("after"), kit::create(&data)).await.unwrap();
    assert!(revision > Revision(0));
    for name in &written {
        assert!(store.get(&key(name)).await.unwrap().is_some());
    }
    store.close().await;
}

#[test]
fn a_full_disk_is_an_error_until_there_is_room() {
    let place = place();
    // The signal that comes with the limit is ignored, so that writes fail as on a full disk.
    let script = r#"trap '' XFSZ; ulimit -S -f 2000; exec "$0" sqlite::full_disk_child --exact --ignored --nocapture"#;
    let output = Command::new("sh")
        .args(["-c", script])
        .arg(std::env::current_exe().unwrap())
        .env("SAMPAN_STORE_PLACE", place.file())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    let integrity: String =
        Connection::open(place.file()).unwrap().query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(integrity, "ok");
}
