//! The contract of stores holds for the embedded store and for PostgreSQL; what only one of them can get wrong stands beside it.

mod backup;
mod disk;
mod postgres;
mod proxy;
mod schema;
mod sqlite;
