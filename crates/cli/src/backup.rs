//! `sampan backup` and `sampan restore`: a cluster's state in one file, taken while it runs, for either store.
//!
//! What a node keeps (its pods' volumes and logs, compiled modules) is not in it: pods are made anew from their objects.

mod format;
mod images;
mod read;
mod write;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use sampan_store::{Dump, PostgresOptions, PostgresStore, SqliteOptions, SqliteStore};

use crate::arguments;
use crate::layout::Layout;
use crate::outside::Outside;
use crate::parts::Hint;

pub(crate) use read::restore;

/// `sampan backup`
#[expect(clippy::print_stdout, reason = "this is what the user asked for")]
pub(crate) async fn run(options: arguments::Backup) -> Result<()> {
    let outside = Outside::real();
    let layout = Layout::open(&options.data.data_dir)?;
    let dump = Place::of(&options.store, &layout)?.dump(&outside).await?;
    let keys = options.encryption_provider_config.unwrap_or_else(|| layout.encryption());
    let source = write::Source { layout: &layout, keys: &keys, with_images: !options.without_images };
    let written = write::write(&options.output, dump, &source, &outside).await?;
    println!("{} objects at revision {} are in {}", written.objects, written.revision, options.output.display());
    println!(
        "Whoever has that file can act as anybody in the cluster and read its Secrets: keep it as you keep a key."
    );
    Ok(())
}

/// A store that outlives its server.
enum Place<'a> {
    File(PathBuf),
    Database(&'a str),
}

impl<'a> Place<'a> {
    fn of(store: &'a str, layout: &Layout) -> Result<Self> {
        match store {
            "sqlite" => Ok(Self::File(layout.database())),
            "memory" => bail!("what is stored in memory has no place outside its server: nothing to copy from or to"),
            url if url.starts_with("postgres://") || url.starts_with("postgresql://") => Ok(Self::Database(url)),
            other => bail!("--store {other:?} is none of: sqlite, postgres://USER@HOST/DATABASE"),
        }
    }

    async fn dump(&self, outside: &Outside) -> Result<Dump> {
        match self {
            Self::File(path) => {
                let dump = SqliteStore::dump(path, &SqliteOptions::new(outside.clock.clone())).await;
                dump.with_context(|| format!("failed to read the store {}", path.display()))
            }
            Self::Database(url) => {
                let dump = PostgresStore::dump(url, PostgresOptions::new(outside.clock.clone())).await;
                dump.context("failed to read the store on Postgres")
            }
        }
    }

    async fn fill(&self, dump: Dump, outside: &Outside) -> Result<()> {
        match self {
            Self::File(path) => {
                let filled = SqliteStore::restore(path, dump, &SqliteOptions::new(outside.clock.clone())).await;
                filled.with_context(|| format!("failed to fill the store {}", path.display()))
            }
            Self::Database(url) => {
                let filled = PostgresStore::restore(url, dump, PostgresOptions::new(outside.clock.clone())).await;
                filled.context("failed to fill the store on Postgres")
            }
        }
    }
}

/// Refuses a directory in which something lies that a restore might destroy.
fn check_empty(directory: &Path) -> Result<()> {
    let mut entries = match std::fs::read_dir(directory) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(()),
        entries => entries.with_context(|| format!("failed to look into {}", directory.display()))?,
    };
    match entries.next() {
        None => Ok(()),
        Some(_) => Err(anyhow::anyhow!("{} is not empty", directory.display()))
            .context(Hint("give --data-dir a directory that is empty or not there".into())),
    }
}
