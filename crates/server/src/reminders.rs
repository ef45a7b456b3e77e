//! The reminder tells in time which secrets and API keys will end: by webhook, and by a line in the log.

use crate::node::Node;
use crate::request::Moment;
use jeton_core::name::Key;
use jeton_core::refusal::Fault;
use jeton_core::reminder::{page, tell};
use jeton_core::world::Facts;
use std::sync::Weak;
use std::thread;
use std::time::Duration;

/// How long it waits between two looks at whether the node is still there.
const PACE: Duration = Duration::from_secs(1);
/// So often, in seconds, are all clients looked at; the first time soon after the start.
const ROUND: u64 = 6 * 3600;
/// How long it rests after each page of clients, so that it takes little of what requests need.
const REST: Duration = Duration::from_millis(50);

/// Reminds until the node is gone.
pub fn run(node: &Weak<Node>) {
    for second in 0_u64.. {
        if node.strong_count() == 0 {
            return;
        }
        if second % ROUND == 1
            && let Err(fault) = look(node)
        {
            tracing::warn!(%fault, "it cannot be found out which secrets will end soon; in some hours it is tried again");
        }
        thread::sleep(PACE);
    }
}

/// Looks at every client of every realm, page by page.
fn look(node: &Weak<Node>) -> Result<(), Fault> {
    let realms: Vec<Key> = {
        let Some(node) = node.upgrade() else { return Ok(()) };
        let snapshot = node.engine.memory.snapshot.load();
        snapshot.realms().map(|state| state.realm.key).collect()
    };
    for realm in realms {
        let mut after = None;
        loop {
            let Some(node) = node.upgrade() else { return Ok(()) };
            let now = Moment::present().now;
            let (clients, next) = node.engine.read(now, |reader| page(reader, realm, after.clone(), now))?;
            clients.iter().try_for_each(|client| remind(&node, *client))?;
            drop(node);
            after = next;
            if after.is_none() {
                break;
            }
            thread::sleep(REST);
        }
    }
    Ok(())
}

/// Tells what is new about one client.
fn remind(node: &Node, client: Key) -> Result<(), Fault> {
    let (moment, facts) = (Moment::present(), Facts::default());
    let told = node.engine.transact(&moment.world(&facts), |records, world| tell(records, world, client))?;
    for ending in told {
        tracing::warn!(
            client = ending.client_id.as_str(),
            kind = ending.kind,
            name = ending.name.as_str(),
            ends_at = ending.ends_at.to_rfc3339(),
            "a credential will soon end; jeton secret rotate or jeton api-key rotate replaces it"
        );
    }
    Ok(())
}
