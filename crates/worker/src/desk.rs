//! A loop's connections, as the helper works with them while the loop cannot.

use std::time::Duration;

use oxicorn_sys::epoll::{Interest, Poller, Token};
use oxicorn_sys::stream::{self, Progress};
use slab::Slab;

use crate::batch::{Batch, ToSend};
use crate::clock::Moment;
use crate::connection::{Connection, Place};
use crate::engine::{CHANNEL, LISTENER, WAKEUP};
use crate::handoff::{Sender, part_with};
use crate::seat::{Next, Seat, pack, unpack};

/// Who has something to say.
#[derive(Default)]
pub(crate) struct Ready {
    pub connections: Vec<Place>,
    pub listeners: Vec<usize>,
}

/// The connections and the means to work with them.
pub(crate) struct Desk<'a, C> {
    pub poller: &'a mut Poller,
    pub seats: &'a mut Slab<Seat<C>>,
    /// What the loop's thread has to drop.
    pub clients: &'a mut Vec<C>,
}

impl<C> Desk<'_, C> {
    /// Gives away what waits, as much as there is room for in the channel; says how many.
    pub fn give_away(
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

    /// Gives away those that have nothing to say yet, as far as there is room: their worker is about to end.
    pub fn give_idle_away(&mut self, sender: &Sender) {
        let idle: Vec<Place> = self
            .seats
            .iter()
            .filter_map(|(_, seat)| seat.connection.as_deref())
            .filter(|connection| connection.is_movable() && !connection.is_gathered)
            .map(|connection| connection.place)
            .collect();
        for place in idle {
            if !self.at(place).is_some_and(|one| sender.send(one, b"")) {
                return;
            }
            self.part_with(place);
        }
    }

    /// Takes note of who waits.
    pub fn note_waits(&mut self, batch: &Batch, ready: &Ready, now: Moment) {
        let gathered = batch.behind().iter().map(|one| one.place);
        for place in gathered.chain(ready.connections.iter().copied()) {
            if let Some(connection) = self.at(place).filter(|one| one.is_movable()) {
                connection.waits_since.get_or_insert(now);
            }
        }
    }

    /// What could be read now.
    pub fn ready(&mut self) -> Ready {
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
    pub fn send_response(&mut self, to_send: &ToSend, outbound: &[u8]) {
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

    pub fn part_with(&mut self, place: Place) {
        let client = part_with(self.poller, self.seats, place.key);
        self.clients.extend(client);
    }
}
