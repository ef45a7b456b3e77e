//! Any bytes as a sealed value: an opaque token, a refresh token, an installation's sealed key.
#![no_main]
use jeton_jose::{SealKey, b64};

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    assert!(SealKey::from_bytes([1; 32]).open(b"realm", data).is_err());
    let house = jeton_fuzz::house();
    for prefix in ["jat_", "jrt_", "jrf_", ""] {
        house.checks(&format!("{prefix}{}", b64::encode(data)));
        if let Ok(text) = std::str::from_utf8(data) {
            house.checks(&format!("{prefix}{text}"));
        }
    }
});
