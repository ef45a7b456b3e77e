//! The tree is every file that a rule looks at, read once.

use super::code::Code;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// One Rust file.
#[derive(Clone, Debug)]
pub struct Source {
    /// Path below the root, with slashes.
    pub path: String,
    /// Its text, with comments and strings told from code.
    pub code: Code,
}

impl Source {
    /// A file of this text.
    pub fn new(path: &str, text: &str) -> Self {
        Self { path: path.to_owned(), code: Code::new(text) }
    }

    /// Whether all of it is test code.
    pub fn is_test(&self) -> bool {
        self.path.contains("/tests/") || self.path.contains("/contract/") || self.path.ends_with("/tests.rs")
    }

    /// The code that is not test code.
    pub fn shipped(&self) -> &str {
        if self.is_test() { "" } else { &self.code.text[..self.code.tests_from] }
    }

    /// The line of a byte.
    pub fn line(&self, at: usize) -> usize {
        self.code.line(at)
    }
}

/// The repository.
pub struct Tree {
    /// Where it is.
    pub root: PathBuf,
    /// Every Rust file of the workspace.
    pub sources: Vec<Source>,
    /// The crates' manifests: name of the folder, text.
    pub manifests: Vec<(String, String)>,
    /// The dialects: stem of the file, text.
    pub dialects: Vec<(String, String)>,
}

impl Tree {
    /// Reads it, once.
    pub fn read() -> &'static Self {
        static TREE: OnceLock<Tree> = OnceLock::new();
        TREE.get_or_init(Self::from_disk)
    }

    fn from_disk() -> Self {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().expect("the repository");
        let mut paths = Vec::new();
        walk(&root.join("crates"), &mut paths);
        let below = |path: &Path| path.strip_prefix(&root).expect("below the root").to_string_lossy().replace('\\', "/");
        let text = |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let ends = |path: &Path, end: &str| path.extension().is_some_and(|found| found == end);
        let sources = paths.iter().filter(|path| ends(path, "rs")).map(|path| Source::new(&below(path), &text(path))).collect();
        let manifests = paths
            .iter()
            .filter(|path| path.file_name().is_some_and(|name| name == "Cargo.toml"))
            .map(|path| (below(path.parent().expect("a folder")).replace("crates/", ""), text(path)))
            .collect();
        let mut files = Vec::new();
        walk(&root.join("dialects"), &mut files);
        let dialects = files
            .iter()
            .filter(|path| ends(path, "toml") && !path.to_string_lossy().ends_with(".demo.toml"))
            .map(|path| (path.file_stem().expect("a name").to_string_lossy().into_owned(), text(path)))
            .collect();
        Self { root, sources, manifests, dialects }
    }

    /// The files of one crate's library.
    pub fn of(&self, name: &str) -> Vec<Source> {
        let start = format!("crates/{name}/src/");
        self.sources.iter().filter(|file| file.path.starts_with(&start)).cloned().collect()
    }

    /// The text of a file at the root.
    pub fn text(&self, path: &str) -> String {
        fs::read_to_string(self.root.join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

fn walk(folder: &Path, found: &mut Vec<PathBuf>) {
    let mut entries: Vec<PathBuf> =
        fs::read_dir(folder).expect("a folder").map(|entry| entry.expect("an entry").path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() && path.file_name().is_none_or(|name| name != "target" && name != "node_modules") {
            walk(&path, found);
        } else if path.is_file() {
            found.push(path);
        }
    }
}
