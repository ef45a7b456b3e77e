//! Any bytes as a signed token: nothing passes that was not signed.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let _ = jeton_jose::parse_compact(data, 8192).map(drop);
    let _ = jeton_jose::jwt::unproven(data, "iss");
    if let Ok(text) = std::str::from_utf8(data) {
        jeton_fuzz::house().checks(text);
    }
});
