//! Waste is written down in batches, one record per wasteful client; what several nodes counted comes together there.

use crate::name::Time;
use crate::notice::{self, Notice};
use crate::record::{Client, NoticeKind, Realm, Thrift};
use crate::store::Records;
use crate::thrift::{NOTICE_SECONDS, Waste, Wasted};
use crate::world::{Stop, World};
use serde_json::json;

/// Adds what this node counted to what is written down, and returns how it is now.
pub(super) fn write(records: &mut Records<'_>, world: &World<'_>, seen: &Wasted) -> Result<Thrift, Stop> {
    let known = &seen.known;
    let Some(before) = records.read::<Thrift>(known.key)? else {
        let record = Thrift { wasted: seen.wasted, ..known.clone() };
        records.insert(&record)?;
        if seen.coached {
            tell(records, world, &record)?;
        }
        return Ok(record);
    };
    let at = known.at.max(before.at);
    // Counting began anew on one of the two nodes: the later beginning holds.
    let (record, is_coached) = match before.from == known.from {
        true => (merged(&before, seen, at), seen.coached && is_due(before.coached_at, at)),
        false if before.from > known.from => return Ok(before),
        false => (Thrift { wasted: seen.wasted, ..known.clone() }, seen.coached && is_due(before.coached_at, at)),
    };
    let coached_at = if is_coached { Some(at) } else { before.coached_at.or(known.coached_at) };
    let record = Thrift { coached_at, ..record };
    records.update(&record)?;
    if is_coached {
        tell(records, world, &record)?;
    }
    Ok(record)
}

/// Tells webhooks that a client was coached.
fn tell(records: &mut Records<'_>, world: &World<'_>, seen: &Thrift) -> Result<(), Stop> {
    let (realm, client) = (records.read::<Realm>(seen.realm)?, records.read::<Client>(seen.key)?);
    let (Some(realm), Some(client)) = (realm, client) else { return Ok(()) };
    let page = realm.settings.thrift.page.as_ref();
    let detail = json!({ "wasted": seen.wasted, "since": seen.since.to_rfc3339(), "page": page });
    let told = Notice { kind: NoticeKind::ThriftCoach, realm: &realm, client: Some(&client.client_id), detail };
    Ok(notice::emit(records, world, &told)?)
}

fn is_due(coached_at: Option<Time>, now: Time) -> bool {
    coached_at.is_none_or(|last| now >= last.plus_seconds(NOTICE_SECONDS))
}

fn merged(before: &Thrift, seen: &Wasted, at: Time) -> Thrift {
    let mut waste = Waste::new(before.level, before.at);
    let is_over = waste.level(seen.known.at) == 0;
    waste.merge(seen.known.at, seen.millis, seen.most);
    let (since, wasted) = if is_over { (seen.known.since, 0) } else { (before.since, before.wasted) };
    Thrift { level: waste.level(at), at, since, wasted: wasted + seen.wasted, ..before.clone() }
}
