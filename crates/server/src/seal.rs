//! The seal key opens every other key of an installation; it lives beside the data, or in the environment, never in the store.

use crate::settings::Settings;
use base64::Engine as _;
use jeton_jose::SealKey;
use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

/// Name of the file in the data directory.
const FILE: &str = "seal.key";

/// Whether the store is already sealed with a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Store {
    /// Nothing is in it yet: a seal key may be made.
    New,
    /// Only the right seal key opens it.
    Sealed,
}

/// The seal key of these settings. A missing one is made only for a new store.
pub fn open(settings: &Settings, store: Store) -> Result<SealKey, String> {
    if let Some(given) = &settings.seal_key {
        let bytes = decode(given.expose()).ok_or("JETON_SEAL_KEY must be 64 hex digits, or 32 bytes as base64")?;
        return Ok(SealKey::from_bytes(bytes));
    }
    let path = path(settings);
    match std::fs::read_to_string(&path) {
        Ok(text) => {
            let bytes = decode(text.trim()).ok_or_else(|| format!("{} does not hold 64 hex digits", path.display()))?;
            Ok(SealKey::from_bytes(bytes))
        }
        Err(error) if error.kind() == ErrorKind::NotFound && store == Store::New => make(&path),
        Err(error) if error.kind() == ErrorKind::NotFound => Err(format!(
            "the store was made with a seal key, but {} is missing; put the key back, a new one could open nothing",
            path.display()
        )),
        Err(error) => Err(format!("the seal key {}: {error}", path.display())),
    }
}

fn path(settings: &Settings) -> PathBuf {
    settings.seal_key_file.clone().unwrap_or_else(|| settings.data.join(FILE))
}

/// Makes a key that survives the loss of power before anything is sealed with it.
fn make(path: &Path) -> Result<SealKey, String> {
    let mut bytes = [0; 32];
    getrandom::fill(&mut bytes).map_err(|error| format!("the operating system gives no random bytes: {error}"))?;
    let write = || {
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(path)?;
        let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
        writeln!(file, "{hex}")?;
        file.sync_all()?;
        let directory = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
        std::fs::File::open(directory)?.sync_all()
    };
    write().map_err(|error: std::io::Error| format!("the seal key {} cannot be written: {error}", path.display()))?;
    Ok(SealKey::from_bytes(bytes))
}

fn decode(text: &str) -> Option<[u8; 32]> {
    use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD};
    if text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        let mut bytes = [0; 32];
        for (index, byte) in bytes.iter_mut().enumerate() {
            *byte = u8::from_str_radix(&text[2 * index..2 * index + 2], 16).ok()?;
        }
        return Some(bytes);
    }
    [STANDARD, STANDARD_NO_PAD, URL_SAFE_NO_PAD].iter().find_map(|form| form.decode(text).ok()?.try_into().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_read_as_hex_or_base64_and_nothing_else() {
        let hex = "0f".repeat(32);
        assert_eq!(decode(&hex), Some([15; 32]));
        assert_eq!(decode("Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8="), Some([15; 32]));
        assert_eq!(decode("Dw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8PDw8"), Some([15; 32]));
        for wrong in ["", "0f", &"0g".repeat(32), &"é".repeat(32), "Dw8P"] {
            assert_eq!(decode(wrong), None, "{wrong}");
        }
    }
}
