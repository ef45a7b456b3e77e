//! A backup file is a SQLite file with our schema, and one line behind it that says what it is and proves it.
//!
//! The line is `jeton-backup`, the manifest as JSON, its SHA-256, and a keyed hash of it under the seal key: whoever can change a
//! backup cannot make it be restored. No key is in the file in clear, and the seal key is not in it at all.

use super::Progress;
use aws_lc_rs::digest::{Context, SHA256};
use jeton_core::name::{Key, Time};
use jeton_jose::{SealKey, b64, constant_time_eq, sha256};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

/// How the last line begins.
const MARK: &str = "jeton-backup";
/// Longest last line, in bytes.
const LONGEST: u64 = 64 << 10;
/// So many bytes are read at once.
const PIECE: usize = 1 << 20;

/// What a backup says about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Manifest {
    /// Version of this form.
    pub format: u32,
    /// The installation it was made from.
    pub installation: Key,
    /// Fingerprint of the seal key that opens it.
    pub seal_fingerprint: String,
    /// Version of the schema.
    pub schema: i64,
    /// Version of the jeton that made it.
    pub jeton: String,
    /// The kind of store it was made from.
    pub store: String,
    /// When it was begun, in milliseconds since 1970: everything acknowledged before is in it.
    pub moment: Time,
    /// Position in the change log of that store when it was begun.
    pub position: (u64, u64),
    /// Rows of each kind.
    pub rows: BTreeMap<String, u64>,
    /// Length of the SQLite file, in bytes.
    pub bytes: u64,
    /// SHA-256 of the SQLite file, base64url.
    pub digest: String,
}

impl Manifest {
    /// The present form.
    pub const FORMAT: u32 = 1;

    fn mac(seal: &SealKey, json: &str) -> String {
        b64::encode(&seal.derive_mac("backups", b"").mac(&[json.as_bytes()]))
    }

    /// The last line of a backup.
    pub fn line(&self, seal: &SealKey) -> Result<String, String> {
        let json = serde_json::to_string(self).map_err(|error| format!("the manifest is not JSON: {error}"))?;
        Ok(format!("\n{MARK} {json} {} {}\n", b64::encode(&sha256(json.as_bytes())), Self::mac(seal, &json)))
    }
}

/// A backup that was opened for reading.
pub struct BackupFile {
    path: PathBuf,
    /// What it says about itself.
    pub manifest: Manifest,
    json: String,
    mac: String,
}

impl BackupFile {
    /// Reads the last line of a file. A file that is no backup, or has lost its end, is refused.
    pub fn open(path: &Path) -> Result<Self, String> {
        let name = path.display();
        let cannot = |error: std::io::Error| format!("{name}: {error}");
        let no_backup = || format!("{name} is not a whole backup: its last line is not that of one");
        let mut file = File::open(path).map_err(cannot)?;
        let length = file.metadata().map_err(cannot)?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LONGEST))).map_err(cannot)?;
        let mut end = Vec::new();
        file.take(LONGEST).read_to_end(&mut end).map_err(cannot)?;
        let end = end.strip_suffix(b"\n").ok_or_else(no_backup)?;
        let at = end.iter().rposition(|byte| *byte == b'\n').ok_or_else(no_backup)?;
        let line = std::str::from_utf8(&end[at + 1..]).map_err(|_| no_backup())?;
        let (rest, mac) = line.rsplit_once(' ').ok_or_else(no_backup)?;
        let (rest, digest) = rest.rsplit_once(' ').ok_or_else(no_backup)?;
        let json = rest.strip_prefix(MARK).and_then(|json| json.strip_prefix(' ')).ok_or_else(no_backup)?;
        if b64::encode(&sha256(json.as_bytes())) != digest {
            return Err(format!("{name} is damaged: its last line is not as it was written"));
        }
        let manifest: Manifest =
            serde_json::from_str(json).map_err(|_| format!("{name} has a form that this version does not know"))?;
        // One line end before and one behind it.
        if manifest.bytes + line.len() as u64 + 2 != length {
            return Err(format!("{name} is damaged: it does not have the length that its last line says"));
        }
        Ok(Self { path: path.to_owned(), manifest, json: json.to_owned(), mac: mac.to_owned() })
    }

    /// Refuses a seal key that is not the one this backup was made with, and a manifest that was not made with it.
    pub fn prove(&self, seal: &SealKey) -> Result<(), String> {
        let (name, given, needed) = (self.path.display(), seal.fingerprint(), &self.manifest.seal_fingerprint);
        if given != *needed {
            return Err(format!(
                "{name} needs the seal key with the fingerprint {needed}, and the one given has {given}: it is of another \
                 installation or date"
            ));
        }
        if constant_time_eq(Manifest::mac(seal, &self.json).as_bytes(), self.mac.as_bytes()) {
            return Ok(());
        }
        Err(format!("{name} was not made with this seal key: somebody changed its last line"))
    }

    /// Reads the whole file and refuses it if it is not as it was written; what is read is handed to `each`.
    pub fn read(&self, progress: &mut Progress, mut each: impl FnMut(&[u8]) -> std::io::Result<()>) -> Result<(), String> {
        let cannot = |error: std::io::Error| format!("{}: {error}", self.path.display());
        let mut file = File::open(&self.path).map_err(cannot)?.take(self.manifest.bytes);
        let digest = digest(&mut file, progress, &mut each).map_err(cannot)?;
        if digest == self.manifest.digest {
            return Ok(());
        }
        Err(format!("{} is damaged: its contents are not what was written (SHA-256)", self.path.display()))
    }
}

/// SHA-256 of what can be read, base64url.
pub fn digest(
    from: &mut impl Read,
    progress: &mut Progress,
    each: &mut dyn FnMut(&[u8]) -> std::io::Result<()>,
) -> std::io::Result<String> {
    let (mut context, mut piece, mut all) = (Context::new(&SHA256), vec![0; PIECE], 0);
    loop {
        let read = from.read(&mut piece)?;
        if read == 0 {
            return Ok(b64::encode(context.finish().as_ref()));
        }
        context.update(&piece[..read]);
        each(&piece[..read])?;
        all += read as u64;
        progress.bytes(all);
    }
}

/// Appends bytes to a file and syncs it.
pub fn seal_end(path: &Path, line: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().append(true).open(path)?;
    file.write_all(line.as_bytes())?;
    file.sync_all()
}
