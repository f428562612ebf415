//! Objects by key with one history of revisions: the `Store` seam, its three stores, and the watch cache over any of them.
//!
//! It knows keys and bytes only: no kinds, no JSON, no HTTP. What bytes mean is said by whoever implements [`Decode`].
//!
//! Invariants, shown for every store by `tests/stores.rs`:
//! - an acknowledged write is not lost, and no number of history is given to two writes;
//! - commit order is revision order, in one process and in many that share a database;
//! - a watch has no gap, no repeat and no reordering, and says so when it cannot keep that;
//! - what is sealed ([`SealedStore`]) is nowhere plain below the store, and opens for the object it was sealed for alone;
//! - an idle store and an idle cache do nothing.

pub mod cache;
mod compaction;
mod dump;
mod error;
mod expiry;
mod feed;
mod key;
mod memory;
mod pending;
mod postgres;
mod record;
mod seal;
mod sqlite;
mod store;
pub mod testing;

pub use cache::{At, Decode, Expired, Scope, Snapshot, TooLarge, WatchCache, WatchError, Watcher};
pub use dump::{Dump, Kept};
pub use error::Error;
pub use key::{Key, Revision};
pub use memory::MemoryStore;
pub use postgres::{PostgresOptions, PostgresStore};
pub use record::{Batch, Change, Durability, Load, MAX_OBJECT_SIZE, Op, Page, Record, Write};
pub use seal::{Cipher, KeyError, KeyService, Provider, Resources, Rule, SealKey, SealedStore, Sealing, is_sealed};
pub use sqlite::{SqliteOptions, SqliteStore};
pub use store::Store;
