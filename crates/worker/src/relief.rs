//! What the helper does for a loop that is inside a long call: it gives the connections that wait there
//! to workers that have time, and sends the responses that are ready.
//!
//! It never waits and touches no object of the application's: what the application kept with a
//! connection is left for the loop's thread.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use oxicorn_sys::epoll::{Interest, Poller, Token};
use oxicorn_sys::stream::{self, Progress};
use slab::Slab;

use crate::application::Application;
use crate::batch::{Batch, ToSend};
use crate::clock::Moment;
use crate::connection::{Connection, Place};
use crate::engine::{EVENTS, Engine, LISTENER, Next, Seat, pack, unpack};
use crate::handoff::{Sender, part_with};
use crate::helper::{Call, Calls, TICK, Watcher};
use crate::lending::{Loan, Shared, lock};

/// Relieves one loop.
pub struct Relief<C> {
    shared: Shared<C>,
    calls: Arc<Calls>,
    poller: Poller,
    sender: Option<Sender>,
}

impl<A: Application> Engine<A> {
    /// What a helper needs to relieve this loop, whose calls are those of thread 0 from now on.
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn relief(&mut self, calls: &Arc<Calls>) -> io::Result<Relief<A::Client>> {
        self.calls = Some(Arc::clone(calls));
        let shared = self.lent.get_or_insert_default();
        Ok(Relief {
            shared: Arc::clone(shared),
            calls: Arc::clone(calls),
            poller: self.poller.share(EVENTS)?,
            sender: self
                .dispatch
                .as_ref()
                .map(|dispatch| dispatch.sender.clone()),
        })
    }
}

impl<C: Send> Watcher for Relief<C> {
    fn outlasted(&mut self, call: Call, age: Duration) -> Option<Duration> {
        let shared = Arc::clone(&self.shared);
        let mut loan = lock(&shared);
        // Once the lock is held the call cannot end without waiting for it.
        if self.calls.is_running(call) {
            self.relieve(&mut loan);
        }
        Some(age.saturating_add(TICK))
    }
}

impl<C> Relief<C> {
    fn relieve(&mut self, loan: &mut Loan<C>) {
        let Loan { table, left } = loan;
        let Some(table) = table else { return };
        let mut desk = Desk {
            poller: &mut self.poller,
            seats: &mut table.seats,
            clients: &mut left.clients,
        };
        for to_send in table.batch.to_send() {
            desk.send_response(to_send, &table.outbound);
        }
        if let Some(sender) = &self.sender
            && sender.is_sibling_free()
        {
            desk.give_away_all(sender, &table.batch, Moment::now());
        }
    }
}

/// A loan and the means to work with it.
struct Desk<'a, C> {
    poller: &'a mut Poller,
    seats: &'a mut Slab<Seat<C>>,
    /// What the loop's thread has to drop.
    clients: &'a mut Vec<C>,
}

impl<C> Desk<'_, C> {
    /// Gives away what waits, until there is no more room in the channel. It is not a matter of how
    /// many workers have time: what they do not take soon, this one takes out again after its call.
    fn give_away_all(&mut self, sender: &Sender, batch: &Batch, now: Moment) {
        for gathered in batch.behind() {
            // An end of the stream makes no work that is worth a move.
            if let Some(received) = batch.received(gathered)
                && !self.give_away(sender, gathered.place, received, now)
            {
                return;
            }
        }
        let ready = self.poller.wait(Duration::ZERO).unwrap_or(0);
        for index in 0..ready {
            let Some(event) = self.poller.ready(index) else {
                continue;
            };
            let Token(token) = event.token;
            if token & LISTENER != 0 || !event.readable {
                continue;
            }
            let place = unpack(token);
            let is_gathered = self.at(place).is_none_or(|one| one.is_gathered);
            if !is_gathered && !self.give_away(sender, place, b"", now) {
                return;
            }
        }
    }

    /// False: there is no room.
    fn give_away(&mut self, sender: &Sender, place: Place, received: &[u8], now: Moment) -> bool {
        let Some(connection) = self.at(place).filter(|one| one.is_movable()) else {
            return true;
        };
        connection.waits_since.get_or_insert(now);
        if !sender.send(connection, received) {
            return false;
        }
        self.part_with(place);
        true
    }

    /// Sends a response that waits for the end of the turn, which may be far. What goes wrong, and what
    /// does not fit, is found again by the loop.
    fn send_response(&mut self, to_send: &ToSend, outbound: &[u8]) {
        let place = to_send.place;
        let Some(connection) = self.at(place) else {
            return;
        };
        let Some(waiting) = connection.waiting.clone() else {
            return;
        };
        let response = outbound.get(waiting.clone()).unwrap_or_default();
        if response.is_empty() {
            return;
        }
        let Progress::Bytes(sent) = stream::send(&connection.socket, response) else {
            return;
        };
        connection.waiting = Some(waiting.start.saturating_add(sent)..waiting.end);
        if sent < response.len() {
            return;
        }
        if to_send.next != Next::Close {
            self.watch(place);
        } else if self.at(place).is_some_and(|one| one.is_movable()) {
            self.part_with(place);
        }
    }

    /// The next request of a connection may come, and be given away, before the loop is back.
    fn watch(&mut self, place: Place) {
        let token = pack(place.key, place.generation);
        let poller = &*self.poller;
        let seat = self.seats.get_mut(place.key);
        let Some(connection) = seat.and_then(|seat| seat.connection.as_mut()) else {
            return;
        };
        if connection.interest.is_none()
            && poller
                .add(&connection.socket, token, Interest::Readable)
                .is_ok()
        {
            connection.interest = Some(Interest::Readable);
        }
    }

    fn at(&mut self, place: Place) -> Option<&mut Connection<C>> {
        let seat = self.seats.get_mut(place.key)?;
        seat.connection
            .as_deref_mut()
            .filter(|_| seat.generation == place.generation)
    }

    fn part_with(&mut self, place: Place) {
        let client = part_with(self.poller, self.seats, place.key);
        self.clients.extend(client);
    }
}
