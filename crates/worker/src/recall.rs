//! Relieving a loop whose requests run in threads, when all of these are in calls: requests that were called and
//! wait for a thread become connections again, that another worker may have, or that are refused.
//!
//! As in [`crate::relief`], the helper does it, which runs no application code and never waits; it has the engine
//! for as long as that takes.

use std::io;
use std::time::Duration;

use oxicorn_http::HeadParser;
use oxicorn_sys::epoll::Interest;

use crate::application::Application;
use crate::clock::Moment;
use crate::connection::{Phase, Place};
use crate::desk::Desk;
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::handoff::part_with;
use crate::queue::NotStarted;
use crate::relief::{Hope, Lent, Means, Purpose};
use crate::seat::Next;

/// Requests that wait for a thread, those that came first at first.
pub trait Line<C> {
    /// The exchange of one; `None` behind the last.
    fn exchange(&mut self, index: usize) -> Option<&mut Exchange<C>>;

    /// Takes one out, as the client sent it; `None` where it cannot be told so any more.
    fn recall(&mut self, index: usize) -> Option<Recalled<C>>;
}

/// A request that was not started after all.
pub struct Recalled<C> {
    /// Nothing was written to it.
    pub exchange: Exchange<C>,
    /// Head and body.
    pub message: Vec<u8>,
}

/// What relieving such a loop takes.
pub struct PoolRelief(Means);

impl<C> Exchange<C> {
    /// It finds a place in the queue, or had one before.
    fn has_place(&mut self, limits: crate::queue::Queue, waiting: usize, now: Moment) -> bool {
        let began = self.began();
        let since = self.waits_since();
        let has_place = since.is_some() || !limits.is_full(waiting);
        has_place && !limits.is_overdue(*since.get_or_insert(began), now)
    }
}

impl<A: Application> Engine<A> {
    /// For [`Engine::relieve`].
    ///
    /// # Errors
    ///
    /// When no descriptor is left.
    pub fn pool_relief(&self) -> io::Result<PoolRelief> {
        self.means(Purpose::Dispatch).map(PoolRelief)
    }

    /// Nobody can begin with what waits in `line`: all threads are in calls (`is_full`), or the next is not let in. The
    /// oldest of the calls has gone on for `age`.
    pub fn relieve(
        &mut self,
        relief: &mut PoolRelief,
        line: &mut impl Line<A::Client>,
        is_full: bool,
        age: Duration,
    ) {
        let means = &mut relief.0;
        let now = Moment::now();
        let hope = match Hope::at(age, means.timeout) {
            // Requests are called as soon as they have come, so it is known how long each has waited.
            Hope::Dim => Hope::Good,
            hope => hope,
        };
        let at_most = match hope {
            Hope::Gone => usize::MAX,
            // It would wait in the channel for the first that is back from a call, here or there, as it does
            // here; but here it has its place.
            _ => means.free_places(),
        };
        if at_most > 0 {
            self.give_line_away(means, line, at_most, hope == Hope::Gone);
        }
        if !is_full && self.options.queue.is_limited() {
            // Not for long: nobody is refused for that.
            return;
        }
        let waiting = if self.options.queue.is_limited() {
            self.shorten_line(means, line, now)
        } else {
            0
        };
        let mut left = std::mem::take(&mut self.left);
        let mut lent = Lent {
            seats: &mut self.seats,
            batch: &self.batch,
            outbound: &self.outbound,
            listeners: &self.listeners,
        };
        means.relieve(&mut lent, &mut left, hope, waiting, now);
        self.left = left;
    }

    fn give_line_away(
        &mut self,
        means: &Means,
        line: &mut impl Line<A::Client>,
        at_most: usize,
        is_rescue: bool,
    ) {
        let Some(sender) = &means.sender else { return };
        let mut index = 0;
        let mut given = 0_usize;
        while given < at_most && line.exchange(index).is_some() {
            let Some(place) = line.recall(index).and_then(|one| self.unstart(one)) else {
                index = index.saturating_add(1);
                continue;
            };
            let Some(connection) = self
                .seats
                .get_mut(place.key)
                .and_then(|seat| seat.connection.as_mut())
            else {
                continue;
            };
            connection.is_rescued |= is_rescue;
            if !connection.is_movable() || !sender.send(connection, b"") {
                return self.start_later(place);
            }
            let client = part_with(&self.poller, &mut self.seats, place.key);
            self.left.clients.extend(client);
            given = given.saturating_add(1);
        }
    }

    /// Refuses what has no place; says how many have one.
    fn shorten_line(
        &mut self,
        means: &mut Means,
        line: &mut impl Line<A::Client>,
        now: Moment,
    ) -> usize {
        let Some(overload) = &mut means.overload else {
            return 0;
        };
        let mut waiting = 0;
        while let Some(exchange) = line.exchange(waiting) {
            if exchange.has_place(overload.queue, waiting, now) {
                waiting = waiting.saturating_add(1);
                continue;
            }
            let Some(recalled) = line.recall(waiting) else {
                waiting = waiting.saturating_add(1);
                continue;
            };
            let Some(place) = self.unstart(recalled) else {
                continue;
            };
            let mut desk = Desk {
                poller: &mut means.poller,
                seats: &mut self.seats,
                clients: &mut self.left.clients,
            };
            overload.turn_away(&mut desk, place, Some(b""), &mut self.left.refusals, now);
        }
        waiting
    }

    /// Does with a request what [`Exchange::is_abandoned`] asks for: it is not started, and its connection ends.
    /// `received` is how it began.
    pub fn abandon(&mut self, exchange: Exchange<A::Client>, received: &[u8], application: &mut A) {
        let message = received.to_vec();
        let place = self.unstart(Recalled { exchange, message });
        let Some(place) = place else { return };
        self.slot.count_abandoned();
        if let Some(connection) = self.take(place) {
            application.not_started(&connection.peer, received, NotStarted::Abandoned);
        }
        self.seats.try_remove(place.key);
    }

    /// Its connection waits in its seat again, as if nobody had looked at what came. `None` if that is gone.
    fn unstart(&mut self, recalled: Recalled<A::Client>) -> Option<Place> {
        let Recalled { exchange, message } = recalled;
        let place = exchange.place();
        let seat = self
            .seats
            .get_mut(place.key)
            .filter(|seat| seat.generation == place.generation)?;
        let away = seat.away.take()?;
        let began = exchange.began();
        let (mut connection, buffer) = exchange.withdraw();
        connection.interest = away.interest;
        connection.requests = connection.requests.saturating_sub(1);
        connection.waits_since.get_or_insert(began);
        connection.phase = Phase::Head;
        connection.parser = HeadParser::new();
        connection.input = message;
        connection.input.extend_from_slice(&away.behind);
        seat.connection = Some(connection);
        self.slot.drop_request(away.ticket);
        self.requests = self.requests.saturating_sub(1);
        self.keep_buffer(buffer);
        Some(place)
    }

    /// It could not be given away: it is called again with the next turn.
    fn start_later(&mut self, place: Place) {
        self.ripe.push(place);
        if let Some(connection) = self.take(place) {
            self.settle(place.key, connection, Next::Await(Interest::Readable));
        }
    }
}
