//! Reminders tell of secrets and API keys that will soon end: each once fourteen days before, and once three days before.

use crate::name::{ClientId, Key, Label, Time};
use crate::notice::{self, Notice};
use crate::record::{ApiKey, Client, ClientKind, LastUse, NoticeKind, Realm, Reminder, Status, clients_of_realm, keys_of_client};
use crate::refusal::Fault;
use crate::store::{Order, Place, Reader, Records};
use crate::world::World;
use serde_json::json;

/// So many days before the end it is told, the first time and the last.
pub const DAYS: [i64; 2] = [14, 3];
/// Seconds of a day.
const DAY: i64 = 86_400;
/// Clients that are looked at in one reading.
pub const AT_ONCE: usize = 200;
/// Most API keys of a client that are looked at.
pub const MOST_KEYS: usize = 1000;

/// A secret or an API key that will end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Ending {
    /// Its key.
    pub key: Key,
    /// Whose it is.
    pub client_id: ClientId,
    /// `secret` or `API key`.
    pub kind: &'static str,
    /// Its name within the client.
    pub name: Label,
    /// Its first characters.
    pub hint: String,
    /// When it ends.
    pub ends_at: Time,
}

/// What a client has that ends after `now` and not after `until`, the earliest first. A client that is gone needs nothing.
#[must_use]
pub fn endings(client: &Client, api_keys: &[ApiKey], now: Time, until: Time) -> Vec<Ending> {
    if client.status == Status::Deleted {
        return Vec::new();
    }
    let ending = |key, kind, name: &Label, hint: &str, end: Option<Time>| {
        let ends_at = end.filter(|end| *end > now && *end <= until)?;
        Some(Ending { key, client_id: client.client_id.clone(), kind, name: name.clone(), hint: hint.to_owned(), ends_at })
    };
    let secrets = match &client.kind {
        ClientKind::Confidential { secrets, .. } => secrets.as_slice(),
        ClientKind::Public => &[],
    };
    let secrets = secrets.iter().filter_map(|one| ending(one.key, "secret", &one.name, &one.hint, one.expires_at));
    let in_use = api_keys.iter().filter(|one| one.status.is_active());
    let api_keys = in_use.filter_map(|one| ending(one.key, "API key", &one.name, &one.hint, one.expires_at));
    let mut found: Vec<Ending> = secrets.chain(api_keys).collect();
    found.sort_by_key(|ending| ending.ends_at);
    found
}

/// A client that has something that will soon end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Concerned {
    /// The client.
    pub client: Key,
    /// When each of its secrets and API keys ends that will soon.
    pub ends: Vec<Time>,
}

/// One page of a realm's clients: those that have something that will soon end, and where to go on.
pub fn page(
    reader: &mut Reader<'_>,
    realm: Key,
    after: Option<Place>,
    now: Time,
) -> Result<(Vec<Concerned>, Option<Place>), Fault> {
    let clients: Vec<Client> = reader.scan(clients_of_realm(realm), after, Order::Ascending, AT_ONCE)?;
    let mut found = Vec::new();
    for client in &clients {
        let keys: Vec<ApiKey> = reader.scan(keys_of_client(client.key), None, Order::Ascending, MOST_KEYS)?;
        let ends: Vec<Time> = endings(client, &keys, now, soon(now)).iter().map(|ending| ending.ends_at).collect();
        if !ends.is_empty() {
            found.push(Concerned { client: client.key, ends });
        }
    }
    let last = clients.last().filter(|_| clients.len() == AT_ONCE);
    let next = last.map(|last| Place { values: vec![last.client_id.as_str().into()], key: last.key });
    Ok((found, next))
}

fn soon(now: Time) -> Time {
    now.plus_seconds(DAYS[0] * DAY)
}

/// Tells the webhooks of what will soon end at a client and was not told yet; returns that.
pub fn tell(records: &mut Records<'_>, world: &World<'_>, client: Key) -> Result<Vec<Ending>, Fault> {
    let now = world.now;
    let Some(client) = records.read::<Client>(client)? else { return Ok(Vec::new()) };
    let Some(realm) = records.read::<Realm>(client.realm)? else { return Ok(Vec::new()) };
    let keys: Vec<ApiKey> = records.scan(keys_of_client(client.key), None, Order::Ascending, MOST_KEYS)?;
    let (mut told, mut rows) = (Vec::new(), Vec::new());
    for ending in endings(&client, &keys, now, soon(now)) {
        // The nearest of the moments that have come.
        let days = DAYS.into_iter().filter(|days| ending.ends_at <= now.plus_seconds(days * DAY)).min().unwrap_or(DAYS[0]);
        let reminder = Reminder { key: ending.key, ends_at: ending.ends_at, days };
        match records.read::<Reminder>(ending.key)? {
            Some(known) if known.ends_at == ending.ends_at && known.days <= days => continue,
            Some(_) => records.update(&reminder)?,
            None => records.insert(&reminder)?,
        }
        let used: Option<LastUse> = records.read(ending.key)?;
        rows.push(json!({
            "kind": ending.kind, "name": ending.name, "hint": ending.hint, "expires_at": ending.ends_at.to_rfc3339(),
            "last_used_at": used.map(|used| used.at.to_rfc3339()),
        }));
        told.push(ending);
    }
    if !told.is_empty() {
        let detail = json!({ "credentials": rows });
        let notice = Notice { kind: NoticeKind::SecretExpiring, realm: &realm, client: Some(&client.client_id), detail };
        notice::emit(records, world, &notice)?;
    }
    Ok(told)
}
