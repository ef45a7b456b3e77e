//! Any text as a dialect's file.
#![no_main]
use jeton_core::refusal::TABLE;
use jeton_wire::dialect::Dialect;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    match Dialect::parse(text) {
        // Every cell of an accepted dialect is filled.
        Ok(dialect) => TABLE.iter().for_each(|row| {
            let _ = dialect.refusal(row.why);
        }),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
});
