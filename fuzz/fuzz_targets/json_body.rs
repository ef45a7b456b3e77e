//! Any bytes as a JSON object, alone and as the body of a token request.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(members) = jeton_jose::json::parse_object(data, 1 << 16) {
        // What our strict reader takes, others read the same way.
        let theirs: serde_json::Value = serde_json::from_slice(data).expect("JSON for others, too");
        assert_eq!(serde_json::Value::Object(members), theirs);
    }
    if let Some((choice, body)) = data.split_first() {
        jeton_fuzz::house().token(*choice, &[("content-type", b"application/json")], body);
    }
});
