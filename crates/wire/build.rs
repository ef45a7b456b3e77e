//! Lists the dialect files, so that adding a dialect is adding a file.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_macros,
    reason = "a build script runs before there is a program: it reads files and the environment, and speaks to cargo"
)]

use std::{env, fs, path::Path};

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../dialects");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files: Vec<_> =
        fs::read_dir(&root).expect("the folder of dialects").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "toml") && !path.to_string_lossy().ends_with(".demo.toml"));
    files.sort();
    let list: Vec<_> =
        files.iter().map(|path| format!("include_str!({:?})", path.canonicalize().expect("an existing file"))).collect();
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("dialects.rs");
    fs::write(out, format!("&[{}]", list.join(", "))).expect("a writable target folder");
}
