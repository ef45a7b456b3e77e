//! Open files are shared out at the start, so that no crowd of clients takes those that the store and the operators need.

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// Files of the store, sockets of the inner listeners, and some room.
const OTHERS: u64 = 1024;
/// Connections above the bound that are told so.
const TURNED_AWAY: u64 = 256;

/// How many connections the public listener may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Share {
    /// Served.
    pub served: usize,
    /// Told that there is no room, at the same time.
    pub turned_away: usize,
}

/// Raises the limit of open files as far as the system lets us, and shares it out.
pub fn share(connections: usize) -> Share {
    let limit = getrlimit(Resource::Nofile);
    if setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum }).is_err() {
        tracing::warn!("the limit of open files cannot be raised");
    }
    let allowed = getrlimit(Resource::Nofile).current;
    let share = shared(connections, allowed.unwrap_or(u64::MAX));
    if share.served < connections {
        tracing::warn!(
            allowed,
            max_connections = connections,
            served = share.served,
            "the system allows fewer open files than max_connections needs; so many connections are served"
        );
    }
    share
}

/// What is not enough for all is halved: one part is kept for the store, the operators and the administrators.
fn shared(connections: usize, allowed: u64) -> Share {
    let wanted = connections as u64 + TURNED_AWAY;
    let public = wanted.min(allowed - OTHERS.min(allowed / 2));
    let turned_away = TURNED_AWAY.min(public / 8).max(1);
    Share { served: ((public - turned_away) as usize).clamp(1, connections), turned_away: turned_away as usize }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn some_descriptors_are_kept_whatever_the_limit_is() {
        for (connections, allowed, served, turned_away) in [
            (10_000, u64::MAX, 10_000, 256),
            (10_000, 11_280, 10_000, 256),
            (10_000, 4096, 2816, 256),
            (10_000, 256, 112, 16),
            (10_000, 64, 28, 4),
            (1, 1_000_000, 1, 32),
        ] {
            assert_eq!(shared(connections, allowed), Share { served, turned_away }, "{connections} {allowed}");
        }
    }
}
