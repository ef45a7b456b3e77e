//! The admin API is reached over its own listener and over a socket in the data directory; both lead here.

use crate::node::Node;
use bytes::Bytes;
use http::Request;
use jeton_core::world::World;
use jeton_wire::Served;

/// Who asks.
#[derive(Clone, Copy, Debug)]
pub enum Caller {
    /// A process of this machine, by the socket in the data directory; the system vouches for its user.
    Local {
        /// The user.
        uid: u32,
    },
    /// Somebody on the network, who must show a token.
    Network,
}

/// Serves one request of the admin API. The seam: `jeton_wire::admin::Admin::serve` takes the same arguments and comes first.
pub fn serve(node: &Node, world: &World<'_>, request: &Request<Bytes>, caller: Caller) -> Served {
    tracing::trace!(?caller, "a request of the admin API");
    node.admin_wire.serve(world, request)
}
