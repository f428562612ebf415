//! Which store, from the words of `--store`.

use std::sync::Arc;

use anyhow::{Context, Result, bail};
use sampan_store::{MemoryStore, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore, Store};

use crate::layout::Layout;
use crate::outside::Outside;

pub(super) async fn open(words: &str, layout: &Layout, outside: &Outside) -> Result<Arc<dyn Store>> {
    let clock = outside.clock.clone();
    match words {
        "memory" => Ok(Arc::new(MemoryStore::new(clock))),
        "sqlite" => {
            let path = layout.database();
            let store = SqliteStore::open(&path, SqliteOptions::new(clock));
            Ok(Arc::new(store.with_context(|| format!("failed to open the store {}", path.display()))?))
        }
        url if url.starts_with("postgres://") || url.starts_with("postgresql://") => {
            let store = PostgresStore::connect(url, PostgresOptions::new(clock)).await;
            Ok(Arc::new(store.context("failed to open the store on Postgres")?))
        }
        other => bail!("--store {other:?} is none of: sqlite, memory, postgres://USER@HOST/DATABASE"),
    }
}
