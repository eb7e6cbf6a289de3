//! Requests that run elsewhere: in a pool of threads, in a task of another loop.
//!
//! The connection goes with its request. Its seat keeps what is needed when it comes back.

use std::sync::Arc;

use oxicorn_sys::epoll::Interest;
use oxicorn_sys::ledger::Socket;
use oxicorn_sys::scoreboard::{Phase, Ticket};

use crate::application::{Application, Late};
use crate::clock::Moment;
use crate::connection::Place;
use crate::engine::Engine;
use crate::exchange::Exchange;
use crate::retire::Reason as Retirement;
use crate::seat::pack;

/// Output buffers that are kept for the next requests.
const SPARE_BUFFERS: usize = 64;

/// Larger ones are not kept.
const SPARE_SIZE: usize = 64 * 1024;

/// A seat whose connection is away.
pub(crate) struct Away {
    pub socket: Arc<Socket>,
    pub began: Moment,
    /// Its entry on the scoreboard.
    pub ticket: Ticket,
    /// Size of the request.
    pub bytes_in: u64,
    /// The watchdog has answered in its place, and the application knows.
    pub is_overdue: bool,
    /// What the client sent behind the request.
    pub behind: Vec<u8>,
    /// What the poller still watches; `None` for nothing at all.
    pub interest: Option<Interest>,
}

impl Away {
    /// What the client sends behind the request waits.
    pub fn keep_behind(&mut self, data: &[u8]) {
        if !data.is_empty() {
            self.socket.keeps_behind();
            self.behind.extend_from_slice(data);
        }
    }

    fn late(&self, place: Place) -> Late {
        Late {
            place,
            began: self.began,
            entry: self.ticket.number(),
        }
    }
}

impl<A: Application> Engine<A> {
    /// A request that was taken is done; `None` if its exchange was lost.
    pub fn give_back(
        &mut self,
        place: Place,
        exchange: Option<Exchange<A::Client>>,
        application: &mut A,
    ) {
        let Some(seat) = self
            .seats
            .get_mut(place.key)
            .filter(|seat| seat.generation == place.generation)
        else {
            return;
        };
        let Some(away) = seat.away.take() else { return };
        if !away.is_overdue && exchange.as_ref().is_some_and(Exchange::is_overdue) {
            // Back before anybody has looked.
            application.overdue(away.late(place));
        }
        let Some(mut exchange) = exchange else {
            self.slot.drop_request(away.ticket);
            self.seats.remove(place.key);
            return;
        };
        exchange.send_now();
        let mut ended = exchange.into_ended();
        ended.connection.interest = away.interest;
        self.keep_buffer(std::mem::take(&mut ended.buffer));
        self.count_request(&ended, away.ticket, away.began, away.bytes_in);
        // From here on the socket is the connection's alone again.
        drop(away.socket);
        let step = self.go_on(ended, away.behind, application);
        self.conclude(place, step);
    }

    /// A call that ran elsewhere took this long, and its thread waited that long for what it needs to
    /// run, in microseconds.
    pub fn observe_call(&mut self, call: u64, waited: u64) {
        self.batch.observe(call);
        self.slot.add_call_wait(waited);
    }

    /// An output buffer is free for the next request.
    pub(crate) fn keep_buffer(&mut self, mut buffer: Vec<u8>) {
        if buffer.capacity() <= SPARE_SIZE && self.spare_buffers.len() < SPARE_BUFFERS {
            buffer.clear();
            self.spare_buffers.push(buffer);
        }
    }

    /// The client sends, or is gone, while its request is away: both have to wait, and a poller that
    /// reports it again and again would only burn time.
    pub(crate) fn mute(&mut self, place: Place) {
        let Some(seat) = self.seats.get_mut(place.key) else {
            return;
        };
        let Some(away) = &mut seat.away else { return };
        let token = pack(place.key, place.generation);
        away.interest = match away.interest {
            // The poller reports errors even so.
            Some(Interest::Nothing) => self
                .poller
                .remove(&away.socket)
                .map_or(away.interest, |()| None),
            Some(_) => self
                .poller
                .modify(&away.socket, token, Interest::Nothing)
                .map_or(away.interest, |()| Some(Interest::Nothing)),
            None => None,
        };
    }

    /// Tells the application of requests that the watchdog has answered. One that it cannot end leaves the
    /// worker with less than it had, so that it needs a replacement.
    pub fn note_overdue(&mut self, application: &mut A) {
        let slot = self.slot;
        let mut overdue = Vec::new();
        for (key, seat) in &mut self.seats {
            let generation = seat.generation;
            if let Some(away) = &mut seat.away
                && !away.is_overdue
                && slot.phase(away.ticket) == Phase::Answered
            {
                away.is_overdue = true;
                overdue.push(away.late(Place { key, generation }));
            }
        }
        self.has_overdue |= !overdue.is_empty();
        let mut is_stuck = false;
        for late in overdue {
            is_stuck |= !application.overdue(late);
        }
        if is_stuck {
            self.retire(Retirement::Overdue, application);
        }
    }

    /// The work of an overdue request could not be ended after all: the worker asks for a replacement.
    pub fn overdue_goes_on(&mut self, application: &mut A) {
        self.retire(Retirement::Overdue, application);
    }

    /// Nobody waits for any of the requests that are left.
    pub(crate) fn has_only_overdue(&self) -> bool {
        self.seats
            .iter()
            .all(|(_, seat)| seat.away.as_ref().is_some_and(|away| away.is_overdue))
    }

    /// Requests that run elsewhere now, and that somebody waits for.
    pub fn requests_away(&self) -> usize {
        self.seats
            .iter()
            .filter(|(_, seat)| seat.away.as_ref().is_some_and(|away| !away.is_overdue))
            .count()
    }
}
