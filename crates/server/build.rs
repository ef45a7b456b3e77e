//! Lists the transcripts of the dialects with the deployments that they need, so that adding a dialect is adding files.

use std::{env, fs, path::Path};

fn main() {
    let root = Path::new(&env::var("CARGO_MANIFEST_DIR").expect("cargo sets it")).join("../../dialects");
    println!("cargo::rerun-if-changed={}", root.display());
    let mut files: Vec<_> =
        fs::read_dir(&root).expect("the folder of dialects").map(|entry| entry.expect("an entry").path()).collect();
    files.retain(|path| path.extension().is_some_and(|end| end == "http"));
    files.sort();
    let list: Vec<_> = files
        .iter()
        .map(|path| {
            let path = path.canonicalize().expect("an existing file");
            let deployment = path.with_extension("demo.toml");
            let name = path.file_stem().expect("a file has a name").to_string_lossy().into_owned();
            format!("Files {{ name: {name:?}, transcript: include_str!({path:?}), deployment: include_str!({deployment:?}) }}")
        })
        .collect();
    let out = Path::new(&env::var("OUT_DIR").expect("cargo sets it")).join("demo.rs");
    fs::write(out, format!("&[{}]", list.join(", "))).expect("a writable target folder");
}
