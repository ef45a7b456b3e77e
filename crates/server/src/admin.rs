//! The admin API is reached over its own listener and over a socket in the data directory; both lead here.

use crate::node::Node;
use bytes::Bytes;
use http::Request;
use jeton_core::world::World;
use jeton_wire::Served;
pub use jeton_wire::admin::Caller;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// Serves one request of the admin API or of the realm of administrators.
pub fn serve(node: &Node, world: &World<'_>, request: &Request<Bytes>, caller: Caller) -> Served {
    node.admin.serve(world, request, caller)
}

/// The user that this process runs as: the owner of its entry in /proc, or else of the data directory.
pub fn own_uid(data: &Path) -> u32 {
    let owner = |path: &Path| std::fs::metadata(path).map(|metadata| metadata.uid());
    owner(Path::new("/proc/self")).or_else(|_| owner(data)).unwrap_or(u32::MAX)
}
