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
use crate::engine::{CHANNEL, EVENTS, Engine, LISTENER, WAKEUP};
use crate::handoff::{Sender, part_with};
use crate::helper::{Call, Calls, TICK, Watcher};
use crate::lending::{Loan, Shared, lock};
use crate::overload::{Door, Overload};
use crate::seat::{Next, Seat, pack, unpack};

/// How long before a request's time is over the connections that wait behind it are brought to safety.
const RESCUE: Duration = Duration::from_millis(50);

/// The part of the timeout that a call may take before who waits behind it is taken note of; and that
/// a request gets at least that has waited in a worker until it was killed.
pub(crate) const PART: u32 = 4;

/// Relieves one loop.
pub struct Relief<C> {
    shared: Shared<C>,
    calls: Arc<Calls>,
    poller: Poller,
    sender: Option<Sender>,
    overload: Option<Overload>,
    /// Of a request.
    timeout: Option<Duration>,
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
            overload: self.overload(),
            timeout: self.options.timeout,
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
        let Some((table, left)) = loan.open() else {
            return;
        };
        let mut desk = Desk {
            poller: &mut self.poller,
            seats: &mut table.seats,
            clients: &mut left.clients,
        };
        for to_send in table.batch.to_send() {
            desk.send_response(to_send, &table.outbound);
        }
        let siblings = self.sender.as_ref().map_or(0, Sender::free_siblings);
        let now = Moment::now();
        let hope = Hope::at(table.started.until(now), self.timeout);
        let overload = self
            .overload
            .as_mut()
            .filter(|overload| overload.queue.is_limited() || hope != Hope::Good);
        if siblings == 0 && overload.is_none() {
            return;
        }
        let is_rescue = hope == Hope::Gone;
        let ready = desk.ready();
        // What is in the channel is in no worker's queue: where queues have limits it has to be little.
        // Where they have none there is no need to count: what siblings do not take soon this worker
        // takes out again after its call.
        let at_most = match &overload {
            Some(overload) if overload.queue.is_limited() && !is_rescue => siblings,
            _ => usize::MAX,
        };
        let sender = self.sender.as_ref().filter(|_| siblings > 0 || is_rescue);
        let mut given = 0;
        if let Some(sender) = sender {
            given = desk.give_away(sender, &table.batch, &ready, at_most, is_rescue, now);
        }
        if let Some(overload) = overload {
            if let Some(sender) = sender {
                let at_most = at_most.saturating_sub(given);
                overload.give_away(sender, at_most, is_rescue, &mut left.newcomers);
            }
            if !overload.queue.is_limited() && (is_rescue || siblings > 0) {
                // Others accept them.
                return;
            }
            let mut door = Door {
                listeners: &table.listeners,
                newcomers: &mut left.newcomers,
                refusals: &mut left.refusals,
            };
            overload.keep_limits(&mut desk, &table.batch, &ready, &mut door, now);
        }
    }
}

/// Whether a call will come to an end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hope {
    /// It is young.
    Good,
    /// It has gone on for long: who waits behind it is taken note of.
    Dim,
    /// It has reached its time limit, and the worker will be killed.
    Gone,
}

impl Hope {
    fn at(age: Duration, timeout: Option<Duration>) -> Hope {
        match timeout {
            Some(timeout) if age.saturating_add(RESCUE) >= timeout => Hope::Gone,
            Some(timeout) if age >= timeout.checked_div(PART).unwrap_or_default() => Hope::Dim,
            _ => Hope::Good,
        }
    }
}

/// Who has something to say.
#[derive(Default)]
pub(crate) struct Ready {
    pub connections: Vec<Place>,
    pub listeners: Vec<usize>,
}

/// A loan and the means to work with it.
pub(crate) struct Desk<'a, C> {
    poller: &'a mut Poller,
    seats: &'a mut Slab<Seat<C>>,
    /// What the loop's thread has to drop.
    clients: &'a mut Vec<C>,
}

impl<C> Desk<'_, C> {
    /// Gives away what waits, as much as there is room for in the channel; says how many.
    fn give_away(
        &mut self,
        sender: &Sender,
        batch: &Batch,
        ready: &Ready,
        at_most: usize,
        is_rescue: bool,
        now: Moment,
    ) -> usize {
        // An end of the stream makes no work that is worth a move.
        let gathered = batch.behind().iter();
        let waits = gathered
            .filter_map(|one| Some((one.place, batch.received(one)?)))
            .chain(
                ready
                    .connections
                    .iter()
                    .map(|place| (*place, b"".as_slice())),
            );
        let mut given = 0_usize;
        for (place, received) in waits {
            if given >= at_most {
                break;
            }
            let Some(connection) = self.at(place).filter(|one| one.is_movable()) else {
                continue;
            };
            connection.waits_since.get_or_insert(now);
            connection.is_rescued |= is_rescue;
            if !sender.send(connection, received) {
                break;
            }
            self.part_with(place);
            given = given.saturating_add(1);
        }
        given
    }

    /// What could be read now.
    fn ready(&mut self) -> Ready {
        let mut found = Ready::default();
        for index in 0..self.poller.wait(Duration::ZERO).unwrap_or(0) {
            let Some(event) = self.poller.ready(index).filter(|event| event.readable) else {
                continue;
            };
            let Token(token) = event.token;
            let place = unpack(token);
            if event.token == WAKEUP || event.token == CHANNEL {
                continue;
            } else if token & LISTENER != 0 {
                found.listeners.extend(usize::try_from(token & !LISTENER));
            } else if self.at(place).is_some_and(|one| !one.is_gathered) {
                found.connections.push(place);
            }
        }
        found
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
        let progress = if to_send.next != Next::Close && connection.may_rest() {
            stream::send_answer(&connection.socket, connection.listener, response)
        } else {
            stream::send(&connection.socket, response)
        };
        let Progress::Bytes(sent) = progress else {
            return;
        };
        connection.waiting = Some(waiting.start.saturating_add(sent)..waiting.end);
        if sent < response.len() {
            return;
        }
        if to_send.next != Next::Close {
            if let Some(connection) = self.at(place) {
                connection.note_rest(false);
            }
            self.watch(place);
        } else if self.at(place).is_some_and(|one| one.is_movable()) {
            self.part_with(place);
        }
    }

    /// The next request of a connection may come, and be given away, before the loop is back.
    pub fn watch(&mut self, place: Place) {
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

    /// Connections at all.
    pub fn count(&self) -> usize {
        self.seats.len()
    }

    /// The connection there, if it is not taking a step.
    pub fn at(&mut self, place: Place) -> Option<&mut Connection<C>> {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_a_time_limit_is_never_given_up() {
        assert_eq!(Hope::at(Duration::from_secs(3600), None), Hope::Good);
    }

    #[test]
    fn who_waits_is_noted_after_a_part_of_the_time_and_brought_to_safety_before_its_end() {
        let at = |ms| Hope::at(Duration::from_millis(ms), Some(Duration::from_secs(2)));
        assert_eq!([at(499), at(500)], [Hope::Good, Hope::Dim]);
        assert_eq!([at(1949), at(1950)], [Hope::Dim, Hope::Gone]);
    }
}
