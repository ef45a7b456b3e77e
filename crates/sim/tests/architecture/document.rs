//! The document is ARCHITECTURE.md: its tables are the input of the tests.

use super::tree::Tree;
use std::collections::{BTreeMap, BTreeSet};

/// What the document says.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Document {
    /// Per crate: the crates of ours that it imports, and what it may use beside them; `None` is anything.
    pub crates: BTreeMap<String, (BTreeSet<String>, Option<BTreeSet<String>>)>,
    /// Per module of the core: its layer.
    pub layers: BTreeMap<String, u32>,
}

impl Document {
    /// Reads it.
    pub fn read() -> Self {
        let document = Self::parse(&Tree::read().text("ARCHITECTURE.md"));
        assert_eq!(document.crates.len(), 6, "the table of crates has a row for each");
        assert!(document.layers.len() >= 14, "the table of layers has every module");
        document
    }

    /// Finds both tables in a text.
    pub fn parse(text: &str) -> Self {
        let mut document = Self::default();
        for row in rows(text, "| crate |") {
            let [name, ours, others] = &row[..] else { panic!("a row of crates has three cells: {row:?}") };
            let name = ticked(name).into_iter().next().expect("a crate's name");
            let others = ticked(others);
            let any = others.iter().any(|other| other.ends_with(".toml"));
            document.crates.insert(name, (ticked(ours), (!any).then_some(others)));
        }
        for row in rows(text, "| layer |") {
            let [number, modules] = &row[..] else { panic!("a row of layers has two cells: {row:?}") };
            let number = number.parse().expect("a layer is a number");
            document.layers.extend(ticked(modules).into_iter().map(|module| (module, number)));
        }
        document
    }
}

fn rows(text: &str, head: &str) -> Vec<Vec<String>> {
    let body = text.lines().skip_while(|line| !line.starts_with(head)).skip(2).take_while(|line| line.starts_with('|'));
    body.map(|line| line.trim_matches('|').split('|').map(|cell| cell.trim().to_owned()).collect()).collect()
}

/// The words between backticks.
fn ticked(cell: &str) -> BTreeSet<String> {
    cell.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

#[test]
fn tables_are_read() {
    let text = "# A\n| crate | imports | may |\n|---|---|---|\n| `a` | `b` `c` | `d` |\n| `e` | none | any in `Cargo.toml` |\n\n\
                | layer | modules |\n|---|---|\n| 3 | `x` `y` |\n";
    let document = Document::parse(text);
    assert_eq!(document.crates["a"].0.len(), 2);
    assert_eq!(document.crates["e"], (BTreeSet::new(), None));
    assert_eq!(document.layers["y"], 3);
}
