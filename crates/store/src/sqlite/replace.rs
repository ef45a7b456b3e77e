//! A store is replaced whole: the new one is made ready beside the old one, and one rename decides.
//!
//! A crash before the rename leaves the old store; after it, the next start finishes what is left to do.

use super::SqliteStore;
use super::directory::DataDirectory;
use jeton_core::store::Fault;
use std::fs::File;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// Where the new store is made ready.
const STAGING: &str = "restore.new";
/// The new store once it is decided: whoever opens the directory puts it in its place.
const DECIDED: &str = "jeton.db.restored";
/// What was there before, kept beside it.
const FORMER: &str = "jeton.db.before-restore";

/// A locked directory whose store is about to be replaced.
pub struct Replacement {
    directory: DataDirectory,
}

impl Replacement {
    /// Locks the directory, and makes it if need be. Refused while a server holds it.
    pub fn begin(directory: &Path) -> Result<Self, Fault> {
        let directory = DataDirectory::lock(directory)?;
        let staging = directory.path().join(STAGING);
        // What a restore left that did not come to its end.
        match std::fs::remove_dir_all(&staging) {
            Err(error) if error.kind() != ErrorKind::NotFound => return Err(cannot(&staging, &error)),
            _ => {}
        }
        Ok(Self { directory })
    }

    /// Whether a store is there already.
    #[must_use]
    pub fn has_store(&self) -> bool {
        self.directory.path().join("jeton.db").exists()
    }

    /// The directory of the staged store.
    #[must_use]
    pub fn staging(&self) -> PathBuf {
        self.directory.path().join(STAGING)
    }

    /// Takes the bytes of a store, written by `write`, and opens it apart from the old one.
    pub fn stage(&self, write: impl FnOnce(&mut File) -> std::io::Result<()>) -> Result<SqliteStore, Fault> {
        let staging = self.staging();
        let mut builder = std::fs::DirBuilder::new();
        #[cfg(unix)]
        std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
        builder.create(&staging).map_err(|error| cannot(&staging, &error))?;
        let path = staging.join("jeton.db");
        let made = File::create_new(&path).and_then(|mut file| {
            write(&mut file)?;
            file.sync_all()
        });
        made.map_err(|error| cannot(&path, &error))?;
        SqliteStore::open(&staging)
    }

    /// Puts the staged store, which must be closed, in the place of the old one. The old one stays beside it.
    pub fn commit(self) -> Result<(), Fault> {
        let root = self.directory.path();
        let (staging, old) = (root.join(STAGING), root.join("jeton.db"));
        let new = staging.join("jeton.db");
        if std::fs::metadata(staging.join("jeton.db-wal")).is_ok_and(|log| log.len() > 0) {
            return Err(Fault::Broken("a staged store was not closed"));
        }
        let synced = || {
            File::open(&new)?.sync_all()?;
            for end in ["", "-wal"] {
                let (from, to) = (with(&old, end), with(&root.join(FORMER), end));
                remove(&to)?;
                if from.exists() {
                    // The rename below takes the name, not what it names.
                    if std::fs::hard_link(&from, &to).is_err() {
                        std::fs::copy(&from, &to)?;
                    }
                }
            }
            std::fs::rename(&new, root.join(DECIDED))?;
            File::open(root)?.sync_all()
        };
        synced().map_err(|error| cannot(root, &error))?;
        finish(root)?;
        // A crash here leaves an empty directory, which the next restore removes.
        drop(std::fs::remove_dir_all(staging));
        Ok(())
    }
}

/// Finishes a replacement that was decided. Done by whoever holds the lock, before anything is opened.
pub(super) fn finish(root: &Path) -> Result<(), Fault> {
    let (decided, place) = (root.join(DECIDED), root.join("jeton.db"));
    if !decided.exists() {
        return Ok(());
    }
    let finished = || {
        // The log of the old store would be taken for that of the new one.
        remove(&with(&place, "-wal"))?;
        remove(&with(&place, "-shm"))?;
        File::open(root)?.sync_all()?;
        std::fs::rename(&decided, &place)?;
        File::open(root)?.sync_all()
    };
    finished().map_err(|error| cannot(root, &error))
}

fn with(path: &Path, end: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(end);
    name.into()
}

fn remove(path: &Path) -> std::io::Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

fn cannot(path: &Path, error: &std::io::Error) -> Fault {
    Fault::Unavailable(format!("{}: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use jeton_core::name::{Key, Time};
    use jeton_core::record::{LastUse, Record};
    use jeton_core::store::{Batch, Row, Store, Write};

    fn store_with(path: &Path, number: u8) -> SqliteStore {
        let store = SqliteStore::open(path).expect("opens");
        let key = Key::from_bytes([number; 16]);
        let row = Row { key, version: 1, body_version: 1, columns: Vec::new(), expires_at: None, body: b"1".to_vec() };
        let writes = vec![Write::Insert(LastUse::KIND, row)];
        store.commit(Batch { id: key, now: Time::from_millis(0), guards: Vec::new(), writes }).expect("commits");
        store
    }

    fn has(path: &Path, number: u8) -> bool {
        let mut found = None;
        let store = SqliteStore::open(path).expect("opens");
        let read = &mut |view: &mut dyn jeton_core::store::View| {
            found = view.get(LastUse::KIND, Key::from_bytes([number; 16]))?;
            Ok(())
        };
        store.view(Time::from_millis(0), read).expect("reads");
        found.is_some()
    }

    #[test]
    fn a_crash_leaves_the_old_store_or_the_new_one() {
        let room = tempfile::tempdir().expect("works");
        let (place, source) = (room.path().join("place"), room.path().join("source"));
        drop(store_with(&source, 2));
        let bytes = std::fs::read(source.join("jeton.db")).expect("reads");
        let stage = |replacement: &Replacement| {
            let write = |file: &mut File| std::io::Write::write_all(file, &bytes);
            drop(replacement.stage(write).expect("stages"));
        };
        // The old store as a crash left it, with its log.
        let live = store_with(&room.path().join("live"), 1);
        std::fs::create_dir(&place).expect("is made");
        for name in ["jeton.db", "jeton.db-wal"] {
            std::fs::copy(room.path().join("live").join(name), place.join(name)).expect("copies");
        }
        drop(live);
        let replacement = Replacement::begin(&place).expect("locks");
        assert!(replacement.has_store() && SqliteStore::open(&place).is_err());
        stage(&replacement);
        // Crash before it was decided.
        drop(replacement);
        assert!(has(&place, 1) && !has(&place, 2));
        let replacement = Replacement::begin(&place).expect("locks");
        stage(&replacement);
        // Crash right after it was decided, with a log of the old store in the way.
        std::fs::rename(place.join(STAGING).join("jeton.db"), place.join(DECIDED)).expect("renames");
        std::fs::write(place.join("jeton.db-wal"), "the log of the old store").expect("writes");
        drop(replacement);
        assert!(has(&place, 2) && !has(&place, 1));
        assert!(!place.join(DECIDED).exists());
        // Without a crash.
        drop(store_with(&place, 3));
        let replacement = Replacement::begin(&place).expect("locks");
        stage(&replacement);
        replacement.commit().expect("replaces");
        assert!(has(&place, 2) && !has(&place, 3));
        assert!(place.join(FORMER).exists() && !place.join(STAGING).exists());
    }
}
