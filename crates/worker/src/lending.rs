//! What the loop leaves behind when it enters a call, so that others can go on with it.
//!
//! The loop's thread is inside the application and cannot look after its other connections. So before a
//! call it moves them, with all that waits, into a [`Loan`]; after the call it moves them back. In between
//! the helper's thread may lock the loan and relieve the loop ([`crate::relief`]). As long as calls are short
//! nobody ever does, and the loan costs two locks that nobody else wants.

use std::os::fd::OwnedFd;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use slab::Slab;

use crate::application::Application;
use crate::batch::Batch;
use crate::clock::Moment;
use crate::engine::Engine;
use crate::overload::{Newcomer, Refusal};
use crate::queue::NotStarted;
use crate::relief::Lent;
use crate::seat::Seat;

/// Shared by the loop and the helper.
pub(crate) type Shared<C> = Arc<Mutex<Loan<C>>>;

/// What is lent, and what has come of it.
pub(crate) struct Loan<C> {
    /// The loop's own while a call runs; else an empty one, which the loop gets in exchange for it.
    table: Table<C>,
    is_lent: bool,
    pub left: Leftovers<C>,
}

/// A loop's connections and what waits for them.
///
/// Changing hands is swapping places with an empty one: nothing is made or dropped for a call.
pub(crate) struct Table<C> {
    pub seats: Slab<Seat<C>>,
    pub batch: Batch,
    pub outbound: Vec<u8>,
    pub listeners: Vec<OwnedFd>,
    /// From when the time of the request counts that is called.
    pub started: Moment,
}

/// What only the loop's thread can do, as soon as it is back.
pub(crate) struct Leftovers<C> {
    /// Objects of the application, which the helper may not touch.
    pub clients: Vec<C>,
    /// Connections that it accepted.
    pub newcomers: Vec<Newcomer>,
    /// Requests that it refused.
    pub refusals: Vec<Refusal>,
}

impl<C> Loan<C> {
    /// What is lent now, and where to put what comes of it.
    pub fn open(&mut self) -> Option<(&mut Table<C>, &mut Leftovers<C>)> {
        self.is_lent.then_some((&mut self.table, &mut self.left))
    }
}

impl<C> Table<C> {
    /// For whoever relieves the loop.
    pub fn lent(&mut self) -> Lent<'_, C> {
        Lent {
            seats: &mut self.seats,
            batch: &self.batch,
            outbound: &self.outbound,
            listeners: &self.listeners,
        }
    }

    #[inline]
    fn swap(
        &mut self,
        seats: &mut Slab<Seat<C>>,
        batch: &mut Batch,
        outbound: &mut Vec<u8>,
        listeners: &mut Vec<OwnedFd>,
    ) {
        std::mem::swap(&mut self.seats, seats);
        std::mem::swap(&mut self.batch, batch);
        std::mem::swap(&mut self.outbound, outbound);
        std::mem::swap(&mut self.listeners, listeners);
    }
}

impl<C> Default for Loan<C> {
    fn default() -> Self {
        let table = Table {
            seats: Slab::new(),
            batch: Batch::default(),
            outbound: Vec::new(),
            listeners: Vec::new(),
            started: Moment::default(),
        };
        Loan {
            table,
            is_lent: false,
            left: Leftovers::default(),
        }
    }
}

impl<C> Default for Leftovers<C> {
    fn default() -> Self {
        Leftovers {
            clients: Vec::new(),
            newcomers: Vec::new(),
            refusals: Vec::new(),
        }
    }
}

impl<C> Leftovers<C> {
    fn is_empty(&self) -> bool {
        self.clients.is_empty() && self.newcomers.is_empty() && self.refusals.is_empty()
    }
}

/// The state stays usable after a panic of the other thread: each change of it is one operation.
pub(crate) fn lock<C>(shared: &Mutex<Loan<C>>) -> MutexGuard<'_, Loan<C>> {
    shared.lock().unwrap_or_else(PoisonError::into_inner)
}

impl<A: Application> Engine<A> {
    /// A call begins.
    #[inline]
    pub(crate) fn enter_call(&mut self, now: Moment, started: Moment) {
        if let Some(shared) = &self.lent {
            let mut loan = lock(shared);
            loan.table.swap(
                &mut self.seats,
                &mut self.batch,
                &mut self.outbound,
                &mut self.listeners,
            );
            loan.table.started = started;
            loan.is_lent = true;
        }
        if let Some(calls) = &self.calls {
            calls.begin(0, now);
        }
    }

    /// A loop that waits outside of the engine goes there: until [`Engine::resume`] nothing is to be asked of the
    /// engine but [`Engine::poll`] and when it is due. For engines that have a [`Relief`](crate::Relief).
    pub fn lend(&mut self) {
        if self.calls.is_some() {
            let now = Moment::now();
            self.enter_call(now, now);
        }
    }

    /// The loop is back. Does nothing if it was not away.
    #[inline]
    pub fn resume(&mut self, application: &mut A) {
        self.leave_call(application);
    }

    /// The call is over.
    #[inline]
    pub(crate) fn leave_call(&mut self, application: &mut A) {
        self.reclaim();
        self.clear_up(application);
    }

    /// Does what the helper has left to do.
    #[inline]
    pub(crate) fn clear_up(&mut self, application: &mut A) {
        if !self.left.is_empty() {
            self.work_off(application);
        }
    }

    #[cold]
    fn work_off(&mut self, application: &mut A) {
        let left = std::mem::take(&mut self.left);
        drop(left.clients);
        for Refusal { peer, received } in left.refusals {
            application.not_started(&peer, &received, NotStarted::Overloaded);
        }
        for newcomer in left.newcomers {
            self.adopt(newcomer, application);
        }
    }

    /// Takes back what was lent; also after a panic, when it may not be lent any more.
    #[inline]
    pub(crate) fn reclaim(&mut self) {
        if let Some(calls) = &self.calls {
            calls.end(0);
        }
        let Some(shared) = &self.lent else { return };
        let mut loan = lock(shared);
        if !std::mem::take(&mut loan.is_lent) {
            return;
        }
        if !loan.left.is_empty() {
            self.left = std::mem::take(&mut loan.left);
        }
        loan.table.swap(
            &mut self.seats,
            &mut self.batch,
            &mut self.outbound,
            &mut self.listeners,
        );
    }
}
