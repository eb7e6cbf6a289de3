//! Doing like with like: first receive from all connections that are ready, then call the
//! application for each, then send all responses.
//!
//! The kernel's network code, the engine and the interpreter do not fit into the processor's
//! first caches together. Going through them once a batch instead of once a request saves a good
//! part of the time that a short request takes. Responses wait for it at most as long as
//! [`PATIENCE`], and not at all where calls have been longer than that lately.

use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;

use oxicorn_sys::stream::{self, Progress};
use slab::Slab;

use crate::application::Application;
use crate::clock::Moment;
use crate::connection::{Connection, Phase, Place, Then};
use crate::deadlines;
use crate::engine::Engine;
use crate::seat::{Arrived, Next, Seat};

/// Room for what is received in a batch.
const INBOUND: usize = 128 * 1024;

/// Received from one connection at once, unless the batch has less room left.
const SLICE: usize = 64 * 1024;

/// A batch with less room than this is full: a usual request would have to be received in two
/// parts.
const LEAST_ROOM: usize = 32 * 1024;

/// How long a response may wait for others to be sent with. Clients are processes that sleep until something comes:
/// one waking for many responses costs both sides less than one for each.
const PATIENCE: Duration = Duration::from_millis(3);

/// A batch that takes longer looks between two steps whether others have come who have waited longer.
const GLANCE: Duration = Duration::from_millis(1);

/// Responses only wait while calls are shorter than this on average.
const SHORT: Duration = Duration::from_micros(500);

/// A call that is long enough to be felt by those who wait for it. Shorter ones may be the
/// scheduler's or the garbage collector's doing.
const LONG: Duration = Duration::from_millis(20);

/// After a long call that many calls send their responses at once; after each further one twice
/// as many as before. So an application whose calls are sometimes long makes ready responses wait
/// for them a few times in its life, and then never again.
const SOBER_CALLS: u32 = 256;

/// What has been received and not yet looked at, and what is to be sent.
#[derive(Default)]
pub(crate) struct Batch {
    /// Shared while the batch runs: with its present step, and with whoever takes a connection away
    /// that waits behind a long call.
    inbound: Arc<Vec<u8>>,
    used: usize,
    /// Nothing can be gathered now.
    pub is_running: bool,
    gathered: Vec<Gathered>,
    /// Those of `gathered` that have taken their step, or take it now.
    begun: usize,
    to_send: Vec<ToSend>,
    /// Decaying average of what calls take, in microseconds.
    average: u64,
    /// Calls that are still to send their responses at once.
    sober: u32,
    /// How many it will be after the next long call.
    next_sober: u32,
    /// Since when the first of `to_send` may have waited.
    kept_since: Moment,
    looked_at: Moment,
    /// A step of this batch, or of the one before, took long, so that others may have waited.
    is_slow: bool,
}

/// A connection that takes a step in this batch.
#[derive(Clone)]
pub(crate) struct Gathered {
    pub place: Place,
    /// Where its bytes are; `None` if the stream has ended.
    pub bytes: Option<Range<usize>>,
}

/// A connection whose response waits.
#[derive(Clone, Copy)]
pub(crate) struct ToSend {
    pub place: Place,
    pub next: Next,
}

impl Batch {
    pub fn new() -> Batch {
        Batch {
            inbound: Arc::new(vec![0; INBOUND]),
            next_sober: SOBER_CALLS,
            ..Batch::default()
        }
    }

    /// Nothing more can be gathered before what there is has been worked off.
    pub fn is_full(&self) -> bool {
        !self.is_running && self.inbound.len().saturating_sub(self.used) < LEAST_ROOM
    }

    /// Whether the next response may wait for others.
    pub fn may_wait(&self) -> bool {
        self.sober == 0 && u128::from(self.average) < SHORT.as_micros()
    }

    /// Those whose turn has not come yet.
    pub fn behind(&self) -> &[Gathered] {
        self.gathered.get(self.begun..).unwrap_or_default()
    }

    /// The requests among them for which there is none of so many `places`. An end of a stream takes none.
    pub fn beyond(&self, places: usize) -> Vec<Gathered> {
        let requests = self.behind().iter().filter(|one| one.bytes.is_some());
        requests.skip(places).cloned().collect()
    }

    /// What was received from one of them; `None` if its stream has ended.
    pub fn received(&self, gathered: &Gathered) -> Option<&[u8]> {
        self.inbound.get(gathered.bytes.clone()?)
    }

    /// What was received, for the time of a batch.
    pub fn inbound(&self) -> Arc<Vec<u8>> {
        Arc::clone(&self.inbound)
    }

    /// Those whose responses wait.
    pub fn to_send(&self) -> &[ToSend] {
        &self.to_send
    }

    /// Adds a connection whose bytes are its input already.
    pub fn gather_input(&mut self, place: Place) {
        self.gathered.push(Gathered {
            place,
            bytes: Some(0..0),
        });
    }

    /// The connection whose turn it is.
    fn next(&mut self) -> Option<Gathered> {
        let next = self.gathered.get(self.begun).cloned();
        self.begun = self.begun.saturating_add(1);
        next
    }

    /// Moves the one that was added last before all whose turn has not come and that `has_come_later`.
    fn bring_forward(&mut self, has_come_later: impl Fn(Place) -> bool) {
        let behind = self.gathered.get_mut(self.begun..).unwrap_or_default();
        if let Some((_, others)) = behind.split_last()
            && let Some(index) = others.iter().position(|one| has_come_later(one.place))
        {
            behind.get_mut(index..).unwrap_or_default().rotate_right(1);
        }
    }

    /// Every step is taken: the next batch may be gathered.
    fn end(&mut self) {
        self.is_running = false;
        self.used = 0;
        self.gathered.clear();
        self.begun = 0;
    }

    /// Takes note of how long a call took.
    pub fn observe(&mut self, micros: u64) {
        self.average = self.average.saturating_mul(31).saturating_add(micros) / 32;
        if u128::from(micros) < LONG.as_micros() {
            self.sober = self.sober.saturating_sub(1);
        } else {
            self.sober = self.next_sober;
            self.next_sober = self.next_sober.saturating_mul(2);
        }
    }
}

impl<A: Application> Engine<A> {
    /// Receives from a connection that is, or may be, readable.
    pub(crate) fn gather(&mut self, key: usize) {
        if self.batch.is_running {
            // Its bytes have to wait for the next turn.
            return self.watch(key);
        }
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        let Some(connection) = &mut seat.connection else {
            return;
        };
        let place = Place {
            key,
            generation: seat.generation,
        };
        let batch = &mut self.batch;
        let end = batch.used.saturating_add(SLICE).min(batch.inbound.len());
        // Nobody shares it while no batch runs, so nothing is ever copied here.
        let inbound = Arc::make_mut(&mut batch.inbound);
        let Some(room) = inbound.get_mut(batch.used..end) else {
            return;
        };
        let bytes = match stream::receive(&connection.socket, room) {
            Progress::Bytes(length) => {
                let start = batch.used;
                batch.used = start.saturating_add(length);
                Some(start..batch.used)
            }
            Progress::Ended => None,
            Progress::WouldBlock => return self.watch(key),
        };
        connection.is_gathered = true;
        batch.gathered.push(Gathered { place, bytes });
    }

    /// Works off what was gathered and sends what came of it.
    pub(crate) fn run_batch(&mut self, application: &mut A) {
        self.batch.kept_since = self.now;
        self.batch.looked_at = self.now;
        if std::mem::take(&mut self.batch.is_slow) || self.has_strangers {
            self.sort_by_wait();
        }
        let inbound = Arc::clone(&self.batch.inbound);
        self.batch.is_running = true;
        while let Some(Gathered { place, bytes }) = self.batch.next() {
            let arrived = match bytes.and_then(|bytes| inbound.get(bytes)) {
                Some(bytes) => Arrived::Bytes(bytes),
                None => Arrived::End,
            };
            if (self.may_be_late() || self.has_strangers)
                && let Arrived::Bytes(received) = arrived
                && !self.admit(place, received, application)
            {
                continue;
            }
            self.step(place, arrived, application);
            if application.is_over() {
                // What waited was given to others, and must not be taken back.
                break;
            }
            if self.is_past(self.batch.kept_since, PATIENCE) {
                self.send_waiting();
                self.batch.kept_since = self.now;
            }
            if self.is_past(self.batch.looked_at, GLANCE) {
                self.batch.is_slow = true;
                self.take_in_late(application);
                self.batch.looked_at = self.now;
            }
        }
        self.batch.end();
        self.has_strangers = false;
        self.send_waiting();
    }

    fn is_past(&self, moment: Moment, limit: Duration) -> bool {
        u128::from(self.now.micros_since(moment)) > limit.as_micros()
    }

    /// Who has waited longest comes first. Where it is known of nobody nothing changes.
    fn sort_by_wait(&mut self) {
        let seats = &self.seats;
        self.batch
            .gathered
            .sort_by_key(|one| waits_since(seats, one.place));
    }

    /// Between two steps of a batch that goes on for long: who waits elsewhere must not wait for all of it.
    #[cold]
    fn take_in_late(&mut self, application: &mut A) {
        if self.batch.behind().is_empty() || self.is_draining() {
            return;
        }
        let known = self.batch.gathered.len();
        if self.take_over() && self.batch.gathered.len() > known {
            let seats = &self.seats;
            let latest = self.batch.gathered.last().map(|one| one.place);
            let since = latest.map(|place| waits_since(seats, place));
            self.batch
                .bring_forward(|place| Some(waits_since(seats, place)) > since);
        }
        if self.options.has_siblings && !self.options.queue.is_limited() {
            for listener in 0..self.listeners.len() {
                self.accept(listener, application);
            }
        }
    }

    /// Notes that a connection's response waits in the output buffer; `next` is what follows it.
    pub(crate) fn send_later(
        &mut self,
        place: Place,
        connection: Box<Connection<A::Client>>,
        next: Next,
    ) {
        if let Some(seat) = self.seats.get_mut(place.key) {
            seat.connection = Some(connection);
            self.batch.to_send.push(ToSend { place, next });
        }
    }

    pub(crate) fn send_waiting(&mut self) {
        if self.batch.to_send.is_empty() {
            return;
        }
        let mut outbound = std::mem::take(&mut self.outbound);
        let mut to_send = std::mem::take(&mut self.batch.to_send);
        for ToSend { place, next } in to_send.drain(..) {
            self.send_one(place, next, &outbound);
        }
        outbound.clear();
        self.outbound = outbound;
        self.batch.to_send = to_send;
    }

    fn send_one(&mut self, place: Place, next: Next, outbound: &[u8]) {
        let Some(mut connection) = self.take(place) else {
            return;
        };
        let key = place.key;
        let response = connection
            .waiting
            .take()
            .and_then(|waiting| outbound.get(waiting));
        let Some(response) = response else {
            // The buffer went down with another connection.
            return self.settle(key, connection, Next::Close);
        };
        if response.is_empty() {
            // The helper has sent it during a call.
            return self.settle(key, connection, next);
        }
        let progress = if next == Next::Close {
            stream::send_last(&connection.socket, response)
        } else if connection.may_rest() {
            stream::send_answer(&connection.socket, connection.listener, response)
        } else {
            stream::send(&connection.socket, response)
        };
        let sent = match progress {
            Progress::Bytes(length) if length == response.len() => {
                return self.settle(key, connection, next);
            }
            Progress::Bytes(length) => length,
            Progress::WouldBlock => 0,
            Progress::Ended => return self.settle(key, connection, Next::Close),
        };
        let rest = response.get(sent..).unwrap_or_default();
        if connection.output.push(rest).is_err() {
            return self.settle(key, connection, Next::Close);
        }
        let then = if next == Next::Close {
            Then::Close
        } else {
            Then::NextRequest
        };
        connection.phase = Phase::Sending(then);
        connection.deadline = self.busy_deadline(deadlines::SENDING);
        self.settle(
            key,
            connection,
            Next::Await(oxicorn_sys::epoll::Interest::Writable),
        );
    }
}

/// For the order of service; whoever was not noticed has come last.
fn waits_since<C>(seats: &Slab<Seat<C>>, place: Place) -> Moment {
    seats
        .get(place.key)
        .filter(|seat| seat.generation == place.generation)
        .and_then(|seat| seat.connection.as_ref()?.waits_since)
        .unwrap_or(Moment::from_micros(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_comes_late_has_its_turn_before_those_that_came_after_it() {
        let place = |key| Place { key, generation: 1 };
        let mut batch = Batch::new();
        for key in [1, 2, 4, 5] {
            batch.gather_input(place(key));
        }
        let next = |batch: &mut Batch| batch.next().unwrap().place.key;
        assert_eq!(next(&mut batch), 1);
        batch.gather_input(place(3));
        batch.bring_forward(|other| other.key > 3);
        batch.gather_input(place(9));
        batch.bring_forward(|other| other.key > 9);
        let order: Vec<usize> = (0..5).map(|_| next(&mut batch)).collect();
        assert_eq!(order, [2, 3, 4, 5, 9]);
    }

    #[test]
    fn whoever_has_left_takes_nobodys_place_in_the_queue() {
        let mut batch = Batch::new();
        for key in 0..5 {
            batch.gather_input(Place { key, generation: 1 });
        }
        for ended in [0, 2] {
            batch.gathered[ended].bytes = None;
        }
        let beyond = |places| {
            batch
                .beyond(places)
                .iter()
                .map(|one| one.place.key)
                .collect()
        };
        let none: Vec<usize> = beyond(3);
        assert_eq!(none, []);
        assert_eq!(beyond(2), [4]);
    }

    #[test]
    fn each_long_call_ends_the_waiting_for_twice_as_long() {
        let mut batch = Batch::new();
        assert!(batch.may_wait());
        for calls in [SOBER_CALLS, 2 * SOBER_CALLS] {
            batch.observe(20_000);
            for _ in 0..calls {
                assert!(!batch.may_wait());
                batch.observe(20);
            }
            assert!(batch.may_wait());
        }
    }

    #[test]
    fn nobody_waits_where_calls_are_not_short() {
        let mut batch = Batch::new();
        for _ in 0..100 {
            batch.observe(1000);
        }
        assert!(!batch.may_wait());
        for _ in 0..100 {
            batch.observe(100);
        }
        assert!(batch.may_wait());
    }
}
