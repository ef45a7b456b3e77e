//! The files of certificate and key, as a setting names them.

use std::path::PathBuf;

/// Where certificate and key are; both may be in one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificates, the server's own first.
    pub chain: PathBuf,
    /// The private key.
    pub key: PathBuf,
}

impl TlsFiles {
    /// One path, or two with a comma between them: chain and key.
    pub fn parse(text: &str) -> Option<Self> {
        let mut paths = text.split(',').map(str::trim).filter(|path| !path.is_empty()).map(PathBuf::from);
        let chain = paths.next()?;
        let key = paths.next().unwrap_or_else(|| chain.clone());
        let is_all = paths.next().is_none() && text.matches(',').count() == usize::from(key != chain);
        is_all.then_some(Self { chain, key })
    }
}
