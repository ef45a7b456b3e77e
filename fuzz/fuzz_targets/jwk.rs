//! Any bytes as a key set: what is read is printed in one form, which reads the same.
#![no_main]
use jeton_jose::KeySet;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(set) = KeySet::parse(data) {
        let printed = set.to_json().to_string();
        assert!(!printed.contains("\"d\""), "a private member");
        let again = KeySet::parse(printed.as_bytes()).expect("reads its own set");
        assert_eq!(again.to_json().to_string(), printed);
    }
});
