//! Keeping a worker's queue within its limits while its loop is inside a long call.
//!
//! The helper sees who waits, takes new connections that would otherwise wait unseen in the kernel, and
//! answers with 503 whoever finds no place or has waited for too long.

use std::os::fd::{AsFd, OwnedFd};

use oxicorn_http::{HeadParser, proxy};
use oxicorn_sys::epoll::Interest;
use oxicorn_sys::scoreboard::Slot;
use oxicorn_sys::stream::{self, PeerAddress, Progress};

use crate::application::Application;
use crate::batch::Batch;
use crate::clock::{DateLine, Moment};
use crate::connection::{Peer, Phase, Place};
use crate::deadlines;
use crate::desk::{Desk, Ready};
use crate::engine::Engine;
use crate::handoff::Sender;
use crate::queue::{NotStarted, Queue, unavailable};
use crate::seat::Next;

/// New connections taken a look.
const TAKEN: usize = 64;

/// Received from a connection before it is refused: what is left unread makes the kernel reset it, and
/// the reset may overtake the answer.
const READ: usize = 64 * 1024;

/// Kept of a refused request, for the log.
const QUOTED: usize = 2048;

/// A connection that the helper accepted.
pub(crate) struct Newcomer {
    pub socket: OwnedFd,
    pub address: PeerAddress,
    pub listener: usize,
    pub since: Moment,
    /// Once given, it is not taken away.
    has_place: bool,
    /// It was answered with 503; these bytes came.
    refused: Option<Vec<u8>>,
}

/// A request that the helper refused: who sent it, and its first bytes.
pub(crate) struct Refusal {
    pub peer: Peer,
    pub received: Vec<u8>,
}

/// Keeps one worker's limits.
pub(crate) struct Overload {
    pub queue: Queue,
    pub slot: Slot,
    /// Connections that the worker may have.
    pub connections: usize,
    pub in_preface: bool,
    date: DateLine,
    buffer: Vec<u8>,
}

/// What the helper does this for.
pub(crate) struct Door<'a> {
    pub listeners: &'a [OwnedFd],
    pub newcomers: &'a mut Vec<Newcomer>,
    pub refusals: &'a mut Vec<Refusal>,
}

impl Overload {
    pub fn new(queue: Queue, slot: Slot, connections: usize, in_preface: bool) -> Overload {
        Overload {
            queue,
            slot,
            connections,
            in_preface,
            date: DateLine::new(Moment::now()),
            buffer: vec![0; READ],
        }
    }

    /// Looks at all that waits, those that came first at first, behind others that wait as well.
    pub fn keep_limits<C>(
        &mut self,
        desk: &mut Desk<'_, C>,
        batch: &Batch,
        ready: &Ready,
        others: usize,
        door: &mut Door<'_>,
        now: Moment,
    ) {
        let mut waiting = others;
        let gathered = batch.behind().iter();
        let waits = gathered
            .filter_map(|one| Some((one.place, Some(batch.received(one)?))))
            .chain(ready.connections.iter().map(|place| (*place, None)));
        let (seen, unseen): (Vec<_>, Vec<_>) = waits.partition(|(place, _)| {
            desk.at(*place)
                .is_some_and(|connection| connection.waits_since.is_some())
        });
        for (place, received) in seen {
            self.weigh(desk, place, received, &mut waiting, door, now);
        }
        self.weigh_newcomers(&mut waiting, door, now);
        for (place, received) in unseen {
            self.weigh(desk, place, received, &mut waiting, door, now);
        }
        let known = door.newcomers.len();
        let room = self.connections.saturating_sub(desk.count());
        for listener in &ready.listeners {
            take_newcomers(*listener, room, door, now);
        }
        let mut latest = door.newcomers.split_off(known);
        self.weigh_all(&mut latest, &mut waiting, now);
        door.newcomers.append(&mut latest);
    }

    /// Gives new connections to a worker that has time.
    pub fn give_away(
        &self,
        sender: &Sender,
        at_most: usize,
        is_rescue: bool,
        newcomers: &mut Vec<Newcomer>,
    ) {
        let mut left = at_most;
        newcomers.retain(|newcomer| {
            if newcomer.refused.is_some() || left == 0 {
                return true;
            }
            left = left.saturating_sub(1);
            !sender.send_new(newcomer, self.in_preface, is_rescue)
        });
    }

    /// One that waits: it has a place, or is refused.
    fn weigh<C>(
        &mut self,
        desk: &mut Desk<'_, C>,
        place: Place,
        received: Option<&[u8]>,
        waiting: &mut usize,
        door: &mut Door<'_>,
        now: Moment,
    ) {
        let Some(connection) = desk.at(place).filter(|one| one.is_movable()) else {
            return;
        };
        // Whoever was given a place keeps it.
        let has_place = connection.waits_since.is_some() || !self.queue.is_full(*waiting);
        let since = *connection.waits_since.get_or_insert(now);
        if has_place && !self.queue.is_overdue(since, now) {
            *waiting = waiting.saturating_add(1);
            return;
        }
        self.turn_away(desk, place, received, door.refusals, now);
    }

    /// Answers with 503 and ends the connection.
    pub fn turn_away<C>(
        &mut self,
        desk: &mut Desk<'_, C>,
        place: Place,
        received: Option<&[u8]>,
        refusals: &mut Vec<Refusal>,
        now: Moment,
    ) {
        let Some(connection) = desk.at(place) else {
            return;
        };
        self.date.refresh(now);
        let received = match received {
            Some(received) => received,
            None => match stream::receive(&connection.socket, &mut self.buffer) {
                Progress::Bytes(length) => self.buffer.get(..length).unwrap_or_default(),
                // The loop finds that out again.
                Progress::WouldBlock | Progress::Ended => return,
            },
        };
        let first = match connection.input.as_slice() {
            [] => received,
            input => input,
        };
        refusals.push(Refusal {
            peer: connection.peer.clone(),
            received: first.get(..QUOTED).unwrap_or(first).to_vec(),
        });
        self.slot.count_refused();
        refuse(&connection.socket, &self.date);
        connection.phase = Phase::Lingering;
        connection.parser = HeadParser::new();
        connection.partial_head = None;
        connection.input = Vec::new();
        connection.deadline = now.after(deadlines::LINGER);
        desk.watch(place);
    }

    fn weigh_newcomers(&mut self, waiting: &mut usize, door: &mut Door<'_>, now: Moment) {
        self.date.refresh(now);
        let mut newcomers = std::mem::take(door.newcomers);
        self.weigh_all(&mut newcomers, waiting, now);
        *door.newcomers = newcomers;
    }

    /// New connections have a place from the moment they are taken, because nearly all send at once. One
    /// that has no place is refused as soon as it sends.
    fn weigh_all(&mut self, newcomers: &mut Vec<Newcomer>, waiting: &mut usize, now: Moment) {
        newcomers.retain_mut(|newcomer| {
            if newcomer.refused.is_some() {
                return true;
            }
            newcomer.has_place |= !self.queue.is_full(*waiting);
            if newcomer.has_place && !self.queue.is_overdue(newcomer.since, now) {
                *waiting = waiting.saturating_add(1);
                return true;
            }
            match stream::receive(&newcomer.socket, &mut self.buffer) {
                Progress::WouldBlock => true,
                Progress::Ended => false,
                Progress::Bytes(length) => {
                    self.slot.count_refused();
                    refuse(&newcomer.socket, &self.date);
                    let quoted = self.buffer.get(..length.min(QUOTED)).unwrap_or_default();
                    newcomer.refused = Some(quoted.to_vec());
                    true
                }
            }
        });
    }
}

/// A canned answer is small: it fits, or the client has not read anything for long.
fn refuse(socket: &impl AsFd, date: &DateLine) {
    stream::send(socket, &unavailable(date.line()));
    stream::finish_sending(socket);
}

fn take_newcomers(listener: usize, room: usize, door: &mut Door<'_>, now: Moment) {
    let Some(from) = door.listeners.get(listener) else {
        return;
    };
    for _ in 0..TAKEN {
        if door.newcomers.len() >= room {
            return;
        }
        let Ok(Some((socket, address))) = stream::accept(from.as_fd()) else {
            return;
        };
        door.newcomers.push(Newcomer {
            socket,
            address,
            listener,
            since: now,
            has_place: false,
            refused: None,
        });
    }
}

impl<A: Application> Engine<A> {
    /// What keeps this worker's limits, if it has any, and takes in who waits unseen.
    pub(crate) fn overload(&self) -> Option<Overload> {
        let options = &self.options;
        let in_preface = options.proxy_protocol != proxy::Mode::Off;
        (options.queue.is_limited() || options.timeout.is_some())
            .then(|| Overload::new(options.queue, self.slot, options.connections, in_preface))
    }

    /// Goes on with a connection that the helper accepted.
    pub(crate) fn adopt(&mut self, newcomer: Newcomer, application: &mut A) {
        let Newcomer {
            socket,
            address,
            listener,
            since,
            has_place,
            refused,
        } = newcomer;
        let mut connection = self.meet(socket, address, listener);
        match refused {
            Some(received) => {
                application.not_started(&connection.peer, &received, NotStarted::Overloaded);
                connection.phase = Phase::Lingering;
                connection.deadline = self.busy_deadline(deadlines::LINGER);
            }
            None => connection.waits_since = has_place.then_some(since),
        }
        let place = self.seat(connection);
        if let Some(connection) = self.take(place) {
            self.settle(place.key, connection, Next::Await(Interest::Readable));
        }
    }
}
