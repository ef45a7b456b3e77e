//! The stores that last: one SQLite file for one machine, PostgreSQL for many. The only SQL of the project stands here.
//!
//! Both keep one table per kind of record, with the same columns and indexes, derived from [`jeton_core::record::KINDS`].

mod backup;
mod pool;
mod postgres;
mod schema;
mod sqlite;
mod statement;
#[cfg(feature = "testing")]
pub mod testing;

pub use backup::{Counts, each_page, schema_version, write_backup};
pub use postgres::{PostgresStore, Present};
pub use schema::{Dialect, golden_schema};
pub use sqlite::{Replacement, SqliteReader, SqliteStore};
