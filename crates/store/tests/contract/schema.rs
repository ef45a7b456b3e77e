//! The schema is kept as two golden files, so that every change of it is seen in review. `UPDATE=1` rewrites them.

use jeton_store::{Dialect, golden_schema};
use std::path::Path;

#[test]
fn the_golden_schemas_are_up_to_date() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/generated");
    for (name, dialect) in [("schema-sqlite.sql", Dialect::Sqlite), ("schema-postgresql.sql", Dialect::Postgresql)] {
        let path = root.join(name);
        let head = "-- Generated from the kinds of records by crates/store/src/schema.rs; rewritten by UPDATE=1 cargo test -p jeton-store.\n\n";
        let schema = format!("{head}{}", golden_schema(dialect));
        if std::env::var_os("UPDATE").is_some() {
            std::fs::create_dir_all(&root).expect("the directory can be made");
            std::fs::write(&path, &schema).expect("the file can be written");
        }
        let golden = std::fs::read_to_string(&path).unwrap_or_default();
        assert!(
            golden == schema,
            "{name} is not what the kinds say; look at the difference after UPDATE=1 cargo test -p jeton-store"
        );
    }
}
