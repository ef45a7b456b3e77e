//! A directory for one demo, which nobody else can enter and which goes with it.

use std::fs::DirBuilder;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// A directory that is removed when it is dropped.
pub struct Directory(PathBuf);

impl Directory {
    /// A fresh one below the system's place for such things.
    pub fn make() -> io::Result<Self> {
        let mut chance = [0; 4];
        getrandom::fill(&mut chance).map_err(|_| io::Error::other("the operating system gives no random bytes"))?;
        let path = std::env::temp_dir().join(format!("jeton-demo-{:08x}", u32::from_be_bytes(chance)));
        // Not recursive: a directory that somebody else made there is refused.
        DirBuilder::new().mode(0o700).create(&path)?;
        Ok(Self(path))
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
