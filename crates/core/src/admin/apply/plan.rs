//! A plan is the list of what is, or would be, changed, in the order in which it is done.

use crate::admin::act::Mode;
use serde_json::{Value, json};

/// What is, or would be, changed.
#[derive(Debug, Default)]
pub(super) struct Plan {
    changes: Vec<Value>,
    warnings: Vec<String>,
    unchanged: u64,
}

impl Plan {
    /// Something new.
    pub(super) fn create(&mut self, target: String, about: Value) {
        self.changes.push(json!({ "change": "create", "target": target, "about": about }));
    }

    /// Something whose fields change; none counts as unchanged.
    pub(super) fn change(&mut self, target: String, fields: Vec<Value>) {
        if fields.is_empty() {
            self.unchanged += 1;
        } else {
            self.changes.push(json!({ "change": "change", "target": target, "fields": fields }));
        }
    }

    /// Something that goes.
    pub(super) fn delete(&mut self, target: String) {
        self.changes.push(json!({ "change": "delete", "target": target }));
    }

    /// Something an administrator should know.
    pub(super) fn warn(&mut self, warning: Option<String>) {
        self.warnings.extend(warning);
    }

    /// The answer.
    pub(super) fn told(self, mode: Mode) -> Value {
        json!({
            "changes": self.changes, "unchanged": self.unchanged, "applied": mode == Mode::Write, "warnings": self.warnings,
        })
    }
}
