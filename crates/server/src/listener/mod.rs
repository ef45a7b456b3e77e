//! A listener accepts connections up to a bound, tells whoever comes above it so, and hands each to its conversation.

mod answering;
mod conversation;
mod proxy_protocol;
pub mod shed;

use crate::admin::Caller;
use crate::node::Node;
use crate::peer::TrustedProxies;
use crate::tls::Tls;
use conversation::Visit;
use jeton_core::world::World;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream, UnixListener};
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};

/// Which of the node's faces a listener shows.
#[derive(Clone, Copy, Debug)]
pub enum Face {
    /// Token requests and everything else that clients ask.
    Public,
    /// The admin API.
    Admin(Caller),
    /// Health and metrics.
    Ops,
}

/// Whether a connection came in time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Standing {
    /// There was room.
    Served,
    /// There was none: it gets one answer that says so.
    TurnedAway,
}

/// Connections of the listeners that are not public.
const INNER_CONNECTIONS: usize = 64;
/// Connections of the network's admin listener that are told that there is no room.
const INNER_TURNED_AWAY: usize = 8;
/// How long to wait after the system had no room for a connection.
const BREATH: Duration = Duration::from_millis(50);

/// The way in of one TCP listener.
#[derive(Clone)]
pub struct Door {
    face: Face,
    tls: Option<Arc<Tls>>,
    proxies: Arc<TrustedProxies>,
    served: Arc<Semaphore>,
    turned_away: Option<Arc<Semaphore>>,
}

impl Door {
    /// The public one.
    pub fn public(tls: Option<Arc<Tls>>, proxies: Arc<TrustedProxies>, share: crate::descriptors::Share) -> Self {
        let turned_away = Some(Arc::new(Semaphore::new(share.turned_away)));
        Self { face: Face::Public, tls, proxies, served: Arc::new(Semaphore::new(share.served)), turned_away }
    }

    /// The one of the admin API.
    pub fn admin(tls: Option<Arc<Tls>>, proxies: Arc<TrustedProxies>) -> Self {
        let (served, turned_away) = (Semaphore::new(INNER_CONNECTIONS), Semaphore::new(INNER_TURNED_AWAY));
        let turned_away = Some(Arc::new(turned_away));
        Self { face: Face::Admin(Caller::Network), tls, proxies, served: Arc::new(served), turned_away }
    }

    /// The one of operators: nobody is turned away there, who comes too many waits.
    pub fn ops() -> Self {
        let served = Arc::new(Semaphore::new(INNER_CONNECTIONS));
        Self { face: Face::Ops, tls: None, proxies: Arc::default(), served, turned_away: None }
    }

    /// A place for one more connection.
    fn place(&self) -> Option<(OwnedSemaphorePermit, Standing)> {
        let served = Arc::clone(&self.served).try_acquire_owned().ok().map(|permit| (permit, Standing::Served));
        served.or_else(|| {
            let permit = Arc::clone(self.turned_away.as_ref()?).try_acquire_owned().ok()?;
            Some((permit, Standing::TurnedAway))
        })
    }
}

/// How far a server is on its way down.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// It serves.
    Open,
    /// It says goodbye: everybody is still served, and asked to go elsewhere with the next request.
    Leaving,
    /// It takes nothing new.
    Closed,
}

/// What every accept loop shares. The server is drained when every clone of `stop` is gone.
#[derive(Clone)]
pub struct Listening {
    node: Arc<Node>,
    stop: watch::Receiver<Stage>,
}

impl Listening {
    /// Loops that end when `stop` says so; their connections end what they are at.
    pub fn new(node: Arc<Node>, stop: watch::Receiver<Stage>) -> Self {
        Self { node, stop }
    }

    /// Accepts on a TCP socket.
    pub async fn tcp(mut self, listener: TcpListener, door: Door) {
        loop {
            if door.turned_away.is_none() && self.room(&door.served).await.is_none() {
                return;
            }
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closed(&mut self.stop) => break,
            };
            match accepted {
                Ok((stream, peer)) => self.admit(stream, peer.ip(), &door),
                Err(error) => pause(&error).await,
            }
        }
        // Who was on the way in when the stop came is still served.
        while let Ok(Ok((stream, peer))) = tokio::time::timeout(Duration::ZERO, listener.accept()).await {
            self.admit(stream, peer.ip(), &door);
        }
    }

    fn admit(&self, stream: TcpStream, peer: IpAddr, door: &Door) {
        // Above both bounds a connection is closed at once.
        let Some((permit, standing)) = door.place() else {
            self.node.metrics.shed(crate::metrics::Shed::Dropped);
            return;
        };
        // Without it, an answer may wait for the acknowledgement of an earlier one.
        let _ = stream.set_nodelay(true);
        let visit = self.visit(door.face, peer.to_canonical(), standing);
        let door = door.clone();
        tokio::spawn(async move {
            let _permit = permit;
            let _open = visit.node.metrics.connected(door.face);
            visit.receive(stream, &door).await;
        });
    }

    fn visit(&self, face: Face, peer: IpAddr, standing: Standing) -> Visit {
        Visit { node: Arc::clone(&self.node), face, peer, standing, stop: self.stop.clone() }
    }

    /// Accepts on the admin socket.
    pub async fn unix(mut self, listener: UnixListener) {
        let permits = Arc::new(Semaphore::new(INNER_CONNECTIONS));
        loop {
            let Some(permit) = self.room(&permits).await else { return };
            let accepted = tokio::select! {
                accepted = listener.accept() => accepted,
                _ = closed(&mut self.stop) => return,
            };
            match accepted.and_then(|(stream, _)| stream.peer_cred().map(|peer| (stream, peer.uid()))) {
                Ok((stream, uid)) => {
                    let visit = self.visit(Face::Admin(Caller::Local { uid }), World::INSIDE, Standing::Served);
                    tokio::spawn(async move {
                        let _permit = permit;
                        let _open = visit.node.metrics.connected(visit.face);
                        visit.converse(stream).await;
                    });
                }
                Err(error) => pause(&error).await,
            }
        }
    }

    async fn room(&mut self, permits: &Arc<Semaphore>) -> Option<OwnedSemaphorePermit> {
        tokio::select! {
            permit = Arc::clone(permits).acquire_owned() => permit.ok(),
            _ = closed(&mut self.stop) => None,
        }
    }
}

async fn closed(stop: &mut watch::Receiver<Stage>) {
    // A server that is gone is closed.
    let _ = stop.wait_for(|stage| *stage == Stage::Closed).await;
}

async fn pause(error: &std::io::Error) {
    tracing::warn!(%error, "a connection could not be accepted");
    tokio::time::sleep(BREATH).await;
}
