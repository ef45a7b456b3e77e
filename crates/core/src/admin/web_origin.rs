//! The origins of a client are kept beside it, so that the client of an origin is found without looking at all.

use super::{Act, AdminStop};
use crate::record::{Client, RegisteredOrigin, Status, origins_of_client};
use crate::store::Order;

/// Makes the registered origins those of the client's record.
pub(super) fn keep(act: &mut Act<'_, '_>, client: &Client) -> Result<(), AdminStop> {
    let known: Vec<RegisteredOrigin> =
        act.records.scan(origins_of_client(client.key), None, Order::Ascending, super::act::MOST_ROWS)?;
    let wanted = if client.status == Status::Deleted { &[][..] } else { &client.web_origins };
    for gone in known.iter().filter(|known| !wanted.contains(&known.origin)) {
        act.delete(gone);
    }
    for origin in wanted.iter().filter(|origin| known.iter().all(|known| known.origin != **origin)) {
        let key = act.new_key("web origin");
        act.insert(&RegisteredOrigin { key, realm: client.realm, client: client.key, origin: origin.clone() })?;
    }
    Ok(())
}
