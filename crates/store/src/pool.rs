//! A pool holds a bounded number of connections, opened when they are first needed.

use jeton_core::store::Fault;
use std::ops::{Deref, DerefMut};
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// How long a reader waits for a connection while all are busy.
const PATIENCE: Duration = Duration::from_secs(5);

/// Connections that are free, and how many there are at all.
pub(crate) struct Pool<C> {
    slots: Mutex<Slots<C>>,
    freed: Condvar,
    most: usize,
}

struct Slots<C> {
    idle: Vec<C>,
    open: usize,
    is_closed: bool,
}

/// A connection on loan; it goes back by itself unless it is [discarded](Lease::discard) or its
/// borrower panics.
pub(crate) struct Lease<'a, C> {
    pool: &'a Pool<C>,
    connection: Option<C>,
}

impl<C> Pool<C> {
    /// A pool of at most so many connections.
    pub(crate) fn new(most: usize) -> Self {
        Self { slots: Mutex::new(Slots { idle: Vec::new(), open: 0, is_closed: false }), freed: Condvar::new(), most }
    }

    /// A free connection, or a new one while there may be more.
    pub(crate) fn take(&self, open: impl FnOnce() -> Result<C, Fault>) -> Result<Lease<'_, C>, Fault> {
        let is_full = |slots: &mut Slots<C>| !slots.is_closed && slots.idle.is_empty() && slots.open >= self.most;
        let waited = self.freed.wait_timeout_while(self.lock(), PATIENCE, is_full);
        let mut slots = waited.unwrap_or_else(PoisonError::into_inner).0;
        if slots.is_closed {
            return Err(Fault::Unavailable("the store was closed, because the process ends".to_owned()));
        }
        if let Some(connection) = slots.idle.pop() {
            return Ok(Lease { pool: self, connection: Some(connection) });
        }
        if slots.open >= self.most {
            return Err(Fault::Unavailable("every connection to the store has been busy for five seconds".to_owned()));
        }
        slots.open += 1;
        drop(slots);
        // From here on the slot is given back by the lease, also when opening fails.
        let mut lease = Lease { pool: self, connection: None };
        lease.connection = Some(open()?);
        Ok(lease)
    }

    /// Closes the connections that are free.
    pub(crate) fn clear(&self) {
        let mut slots = self.lock();
        let idle = std::mem::take(&mut slots.idle);
        slots.open -= idle.len();
    }

    /// Lends no connection any more, closes those that are free, and waits a while for those on loan.
    pub(crate) fn close(&self) {
        let mut slots = self.lock();
        slots.is_closed = true;
        slots.open -= std::mem::take(&mut slots.idle).len();
        self.freed.notify_all();
        let are_lent = |slots: &mut Slots<C>| slots.open > 0;
        drop(self.freed.wait_timeout_while(slots, PATIENCE, are_lent));
    }

    fn lock(&self) -> MutexGuard<'_, Slots<C>> {
        // A list and a count are whole between any two statements.
        self.slots.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<C> Lease<'_, C> {
    /// Closes the connection instead of giving it back.
    pub(crate) fn discard(mut self) {
        self.connection = None;
    }
}

impl<C> Drop for Lease<'_, C> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            // Whoever panicked may have left a transaction open.
            self.connection = None;
        }
        let mut slots = self.pool.lock();
        match self.connection.take() {
            Some(connection) if !slots.is_closed => slots.idle.push(connection),
            // Closed before others are told that it is free.
            Some(connection) => {
                drop(connection);
                slots.open -= 1;
            }
            None => slots.open -= 1,
        }
        let is_closed = slots.is_closed;
        drop(slots);
        match is_closed {
            true => self.pool.freed.notify_all(),
            false => self.pool.freed.notify_one(),
        }
    }
}

impl<C> Deref for Lease<'_, C> {
    type Target = C;

    fn deref(&self) -> &C {
        self.connection.as_ref().expect("a lease holds its connection until it is dropped")
    }
}

impl<C> DerefMut for Lease<'_, C> {
    fn deref_mut(&mut self) -> &mut C {
        self.connection.as_mut().expect("a lease holds its connection until it is dropped")
    }
}
