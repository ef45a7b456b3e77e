//! Any text as the file of settings: it holds, or one sentence names the place.
#![no_main]
#[path = "../../crates/server/src/peer.rs"]
#[expect(dead_code, reason = "settings name networks of proxies")]
mod peer;
#[path = "../../crates/server/src/tls"]
mod tls {
    mod files;
    pub use files::TlsFiles;
}
#[path = "../../crates/server/src/settings.rs"]
#[expect(dead_code, reason = "the target reads one function of the binary's file")]
mod settings;

libfuzzer_sys::fuzz_target!(|data: &[u8]| {
    let Ok(text) = std::str::from_utf8(data) else { return };
    if let Err(error) = settings::from_file("jeton.toml", text) {
        let sentence = error.to_string();
        assert!(sentence.starts_with("jeton.toml:") && !sentence.contains('\n'), "{sentence}");
    }
});
