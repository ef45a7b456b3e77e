//! The export reads the audit trail out of the chain that seals it, block by block, so that a copy elsewhere can be verified.

use super::command::{Answer, Command, Effect, Field, FieldKind, Param, ParamKind};
use super::{Act, AdminStop, Args, show};
use crate::chain::{Shown, lines_of, signer};
use crate::name::{Key, Time};
use crate::record::{Audit, AuditMark, AuditSeal, Lookup, Value as Column, blocks};
use crate::refusal::Fault;
use crate::store::{Order, Place};
use serde_json::{Value, json};

use FieldKind::{Integer, Object, Text};

/// From so many lines on a page is full.
const PAGE_LINES: usize = 512;
/// Most blocks of a page.
const PAGE_BLOCKS: usize = 64;
/// Keys of one page.
const PAGE_KEYS: usize = 1000;

/// The commands about the whole trail.
pub(super) const COMMANDS: &[Command] = &[
    Command {
        name: "audit.export",
        scope: "admin:audit:read",
        summary: "Export the sealed audit trail as JSON lines, each with its place in the chain.",
        params: &[
            Param::option("realm", ParamKind::Text, "Only the records of this realm; others are counted in, and not shown.")
                .at(0),
            Param::option("from", ParamKind::Time, "Only blocks that were sealed then or later: a moment such as 2027-01-01."),
            Param::option("to", ParamKind::Time, "Only blocks that were sealed until then."),
            Param::option("after", ParamKind::Integer, "Only blocks behind this one, to go on where an export ended."),
        ],
        answer: Answer::Lines(LINE),
        examples: &[
            ("jeton audit export > audit.jsonl; jeton audit verify --file audit.jsonl", "a copy that can be verified elsewhere"),
            ("jeton audit export acme --from 2020-01-01", "what was changed in one realm"),
        ],
        method: "GET",
        path: "/v1/audit/export",
        effect: Effect::Reads,
        run: export,
    },
    Command {
        name: "audit.keys",
        scope: "admin:audit:read",
        summary: "List the keys of all audit records, oldest first, to compare them with the chain.",
        params: &[Param::option("after", ParamKind::Text, "Only keys behind this one.")],
        answer: Answer::List(KEY),
        examples: &[("jeton audit keys --json", "every record must be in the chain, or wait to be sealed")],
        method: "GET",
        path: "/v1/audit/keys",
        effect: Effect::Reads,
        run: keys,
    },
];

const LINE: &[Field] = &[
    Field::shown("line", Text, "block, record, gone (deleted, or forgotten by rule) or withheld (of another realm)."),
    Field::shown("block", Integer, "The place of the block in the chain."),
    Field::shown("index", Integer, "The place of the record in its block."),
    Field::shown("at", FieldKind::Time, "When the block was sealed, or when the change was made."),
    Field::hidden("record", Object, "The audit record."),
    Field::hidden("sealed", Object, "What the block holds of the record: key, realm and digest."),
    Field::hidden("leaf", Text, "The hash of what the block holds of a record that is withheld."),
    Field::hidden("count", Integer, "How many records the block has."),
    Field::hidden("late", Integer, "How many of them are older than a record of an earlier block."),
    Field::hidden("previous", Text, "The hash of the block before."),
    Field::hidden("root", Text, "The hash over the block's records."),
    Field::hidden("hash", Text, "The hash of the block."),
    Field::hidden("signature", Text, "Ed25519 signature of the hash."),
    Field::hidden("signer", Text, "The public key of the signature."),
];

const KEY: &[Field] = &[
    Field::shown("key", Text, "The key of an audit record."),
    Field::shown("at", FieldKind::Time, "When the change was made."),
    Field::shown("state", Text, "sealed, or waiting until it is."),
];

fn export(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let shown = match args.text("realm") {
        Some(name) => Shown::Realm(act.realm(name)?.key),
        None => Shown::All,
    };
    let (from, to) = (args.time("from", act.now())?, args.time("to", act.now())?);
    let after = match (args.integer("after"), from) {
        (Some(after), _) => Some(after.max(0)),
        (None, None) => Some(0),
        (None, Some(from)) => first_since(act, from)?,
    };
    let Some(after) = after else { return Ok(show::list(Vec::new(), None)) };
    let place = Place { values: vec![Column::Integer(after)], key: Key::from_bytes([255; 16]) };
    let page: Vec<AuditSeal> = act.records.scan(blocks(), Some(place), Order::Ascending, PAGE_BLOCKS)?;
    let signer = signer(act.data())?;
    let mut lines = Vec::new();
    let mut next = None;
    // A row that says it is another one must not lead whoever reads page by page in a circle.
    if page.last().is_some_and(|block| block.sequence.cast_signed() <= after) {
        return Err(Fault::Corrupt(format!("audit_seal: a block behind block {after} says it is an earlier one")).into());
    }
    for block in &page {
        if to.is_some_and(|to| block.key.created_at() > to) {
            return Ok(show::list(lines, None));
        }
        lines.extend(lines_of(block, shown, &signer, |key| act.records.read::<Audit>(key))?);
        next = Some(block.sequence.to_string());
        if lines.len() >= PAGE_LINES {
            break;
        }
    }
    // The last page is the empty one, so that nobody takes a page for the last that was only full.
    Ok(show::list(lines, next))
}

/// The place before the first block that was sealed then or later.
fn first_since(act: &mut Act<'_, '_>, from: Time) -> Result<Option<i64>, AdminStop> {
    let all = Lookup { index: None, prefix: Vec::new(), guard: None };
    let place = Place { values: Vec::new(), key: Key::new(from, [0; 10]) };
    let first: Option<AuditSeal> = act.records.scan(all, Some(place), Order::Ascending, 1)?.pop();
    Ok(first.map(|block| block.sequence.cast_signed() - 1))
}

fn keys(act: &mut Act<'_, '_>, args: &Args) -> Result<Value, AdminStop> {
    let after = args.text("after").map(|text| Key::parse(text).ok_or_else(|| AdminStop::Invalid("after: give a key".into())));
    let after = after.transpose()?;
    let place = after.map(|key| Place { values: Vec::new(), key });
    let all = Lookup { index: None, prefix: Vec::new(), guard: None };
    let page: Vec<Audit> = act.records.scan(all, place, Order::Ascending, PAGE_KEYS)?;
    if let (Some(after), Some(last)) = (after, page.last().map(|audit| audit.key))
        && last <= after
    {
        return Err(Fault::Corrupt(format!("audit {last}: it stands behind greater keys")).into());
    }
    let next = (page.len() == PAGE_KEYS).then(|| page.last().map(|audit| audit.key.to_string())).flatten();
    let mut items = Vec::with_capacity(page.len());
    for audit in page {
        let state = if act.records.read::<AuditMark>(audit.key)?.is_some() { "waiting" } else { "sealed" };
        items.push(json!({ "key": audit.key, "at": show::moment(audit.key.created_at()), "state": state }));
    }
    Ok(show::list(items, next))
}
