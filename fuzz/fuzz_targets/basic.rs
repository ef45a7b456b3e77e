//! Any bytes as an Authorization header of a token request.
#![no_main]

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Some((choice, header)) = data.split_first() else { return };
    let form: &[u8] = b"application/x-www-form-urlencoded";
    let response = jeton_fuzz::house().token(
        *choice,
        &[("content-type", form), ("authorization", header)],
        b"grant_type=client_credentials&scope=read",
    );
    // Only the one right pair of id and secret may get a token, in whatever spelling.
    if response.status().is_success() && !response.body().is_empty() {
        let text = String::from_utf8_lossy(response.body());
        assert!(text.contains("token"), "{text}");
    }
});
