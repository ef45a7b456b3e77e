//! Any bytes as a form: what is read comes out again the same, and no answer is our fault.
#![no_main]
use jeton_core::form::Form;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    if let Ok(form) = Form::parse(data, &["resource"]) {
        let pairs: Vec<(String, String)> = form.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        let escape = |text: &str| text.bytes().map(|byte| format!("%{byte:02X}")).collect::<String>();
        let written: Vec<String> = pairs.iter().map(|(name, value)| format!("{}={}", escape(name), escape(value))).collect();
        let written = written.join("&");
        let again = Form::parse(written.as_bytes(), &["resource"]).expect("what was read can be written");
        let again: Vec<(String, String)> = again.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        assert_eq!(pairs, again);
    }
    if let Some((choice, body)) = data.split_first() {
        let form: &[u8] = b"application/x-www-form-urlencoded";
        jeton_fuzz::house().token(*choice, &[("content-type", form)], body);
    }
});
