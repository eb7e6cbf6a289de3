//! Connections that move from one worker to another.
//!
//! One channel for all workers of an arbiter, so what waits in it is one queue: whoever has time takes the
//! next connection out, also the worker that put it in. A worker puts in what waits behind a long call
//! ([`crate::relief`]), and, when it leaves, its connections that are between two requests.

use std::io::{self, IoSlice};
use std::os::fd::AsFd;
use std::sync::Arc;

use oxicorn_sys::channel::{Channel, LONGEST};
use oxicorn_sys::epoll::Poller;
use oxicorn_sys::ledger;
use oxicorn_sys::listen;
use oxicorn_sys::scoreboard::Slot;
use oxicorn_sys::stream::{self, PeerAddress, Progress};
use slab::Slab;

use crate::application::Application;
use crate::connection::{Connection, Phase};
use crate::engine::{CHANNEL, Engine};
use crate::overload::Newcomer;
use crate::parcel::Parcel;
use crate::seat::Seat;

/// Connections passed on a turn by a worker that leaves: so many that the others' are not stuck
/// behind them for long.
const PASSED_ON: usize = 64;

/// Received at once from a connection that came in the middle of a batch.
const SLICE: usize = 16 * 1024;

/// A worker's part in the exchange of connections.
pub(crate) struct Dispatch {
    pub sender: Sender,
    /// Where messages are received.
    inbox: Vec<u8>,
    /// Nobody here has time for what comes now.
    is_full: bool,
    /// While the worker leaves: as of its last turn, another worker stays for what waits in the channel, or
    /// nothing does.
    has_settled: bool,
}

/// Gives connections away.
#[derive(Clone)]
pub(crate) struct Sender {
    channel: Arc<Channel>,
    /// What the worker's listeners are called in messages, in the order of the worker.
    listeners: Arc<[u64]>,
    slot: Slot,
}

impl Sender {
    /// Gives a connection away, with what was received from it and is not in its input yet. False: it could
    /// not be sent and has to stay.
    pub fn send<C>(&self, connection: &Connection<C>, received: &[u8]) -> bool {
        let parcel = Parcel {
            listener: self.name(connection.listener),
            requests: connection.requests,
            waits_since: connection.waits_since,
            address: connection.peer.address,
            in_preface: matches!(connection.phase, Phase::Preface),
            is_rescued: connection.is_rescued,
            proxy: connection.peer.proxy,
        };
        let input = connection.input.as_slice();
        self.send_parcel(&parcel, [input, received], |channel, pieces| {
            // As late as can be: who dies in between loses it.
            let entry = connection.socket.leave();
            let is_sent = channel.send(connection.socket.as_fd(), pieces);
            if !matches!(is_sent, Ok(true)) {
                connection.socket.stay(entry);
            }
            is_sent
        })
    }

    /// Gives a connection away of which nothing is known but who it is and since when it waits.
    pub fn send_new(&self, newcomer: &Newcomer, in_preface: bool, is_rescued: bool) -> bool {
        let parcel = Parcel {
            listener: self.name(newcomer.listener),
            requests: 0,
            waits_since: Some(newcomer.since),
            address: match newcomer.address {
                PeerAddress::Ip(address) => Some(address),
                PeerAddress::Local => None,
            },
            in_preface,
            is_rescued,
            proxy: None,
        };
        self.send_parcel(&parcel, [b"".as_slice(), b""], |channel, pieces| {
            channel.send(newcomer.socket.as_fd(), pieces)
        })
    }

    fn send_parcel(
        &self,
        parcel: &Parcel,
        received: [&[u8]; 2],
        send: impl FnOnce(&Channel, &[IoSlice<'_>]) -> io::Result<bool>,
    ) -> bool {
        let mut message = Vec::with_capacity(128);
        parcel.write(&mut message);
        let [first, second] = received;
        let pieces = [&message, first, second].map(IoSlice::new);
        let is_sent = send(&self.channel, &pieces).unwrap_or(false);
        if is_sent {
            self.slot.count_handed_off();
        }
        is_sent
    }

    fn name(&self, listener: usize) -> u64 {
        self.listeners.get(listener).copied().unwrap_or_default()
    }

    /// How many other workers would begin with a connection at once.
    pub fn free_siblings(&self) -> usize {
        let siblings = self.slot.siblings();
        siblings.filter(|sibling| sibling.has_time()).count()
    }

    /// How many connections they would begin with at once.
    pub fn free_places(&self) -> usize {
        self.slot
            .siblings()
            .map(|sibling| sibling.free_places())
            .fold(0, usize::saturating_add)
    }

    /// What waits in the channel has been given to workers that had time, and have none any more: where this one is
    /// about to be killed the others may well be, too. From now on it counts as what this one gives away now.
    pub fn mark_rescued(&self, inbox: &mut Vec<u8>) {
        inbox.resize(LONGEST, 0);
        for _ in 0..PASSED_ON {
            let Ok(Some((socket, length))) = self.channel.receive(inbox) else {
                return;
            };
            let Some((mut parcel, received)) = inbox.get(..length).and_then(Parcel::read) else {
                continue;
            };
            let is_marked = std::mem::replace(&mut parcel.is_rescued, true);
            // There is room where it was.
            self.send_parcel(&parcel, [received, b""], |channel, pieces| {
                channel.send(socket.as_fd(), pieces)
            });
            if is_marked {
                return;
            }
        }
    }

    /// Another worker will begin with a connection sooner or later.
    fn is_sibling_there(&self) -> bool {
        self.slot.siblings().any(|sibling| sibling.takes_over())
    }
}

/// Removes a connection that another worker has now; gives what the application kept with it.
pub(crate) fn part_with<C>(poller: &Poller, seats: &mut Slab<Seat<C>>, key: usize) -> Option<C> {
    let mut connection = seats.try_remove(key)?.connection?;
    if connection.interest.is_some() {
        // Explicitly: closing ends the watch only when nobody has the socket any more.
        let _ = poller.remove(&connection.socket);
    }
    connection.client.take()
}

/// Receives what has come, where nothing can be gathered. What is not there now comes with the next turn.
fn receive_early<C>(connection: &mut Connection<C>) {
    let known = connection.input.len();
    connection.input.resize(known.saturating_add(SLICE), 0);
    let room = connection.input.get_mut(known..).unwrap_or_default();
    let length = match stream::receive(&connection.socket, room) {
        Progress::Bytes(length) => length,
        Progress::WouldBlock | Progress::Ended => 0,
    };
    connection.input.truncate(known.saturating_add(length));
    connection.input.shrink_to_fit();
}

impl<A: Application> Engine<A> {
    /// Takes part in the exchange of connections. The worker runs `capacity` requests at a time.
    ///
    /// # Errors
    ///
    /// When the kernel does not let it.
    pub fn join(&mut self, channel: &Arc<Channel>, capacity: usize) -> io::Result<()> {
        self.poller.add_shared(channel.as_ref(), CHANNEL)?;
        let listeners = self.listeners.iter().map(listen::identity);
        let listeners = listeners.collect::<io::Result<Arc<[u64]>>>()?;
        ledger::share(&listeners, self.expects_preface());
        let sender = Sender {
            channel: Arc::clone(channel),
            listeners,
            slot: self.slot,
        };
        self.dispatch = Some(Dispatch {
            sender,
            inbox: vec![0; LONGEST],
            is_full: false,
            has_settled: false,
        });
        self.slot
            .set_capacity(u32::try_from(capacity).unwrap_or(u32::MAX));
        Ok(())
    }

    /// All threads that could run requests are in calls, or not any more: nothing is taken from other workers
    /// meanwhile. For a loop that can turn during calls.
    pub fn set_full(&mut self, is_full: bool) {
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.is_full = is_full;
        }
    }

    /// Takes one connection out of the channel: a second one might find another worker with more time.
    /// False: there was none.
    pub(crate) fn take_over(&mut self) -> bool {
        let Some(dispatch) = self.dispatch.as_mut().filter(|one| !one.is_full) else {
            return false;
        };
        let Ok(Some((socket, length))) = dispatch.sender.channel.receive(&mut dispatch.inbox)
        else {
            return false;
        };
        let message = dispatch.inbox.get(..length).and_then(Parcel::read);
        let Some((parcel, received)) = message else {
            return true;
        };
        let input = received.to_vec();
        let listeners = &dispatch.sender.listeners;
        // A reload may have closed the listener; any other serves as well.
        let listener = listeners.iter().position(|name| *name == parcel.listener);
        self.slot.count_received();
        if self.seats.len() >= self.options.connections {
            self.evict_longest_idle();
        }
        let address = parcel.address.map_or(PeerAddress::Local, PeerAddress::Ip);
        let mut connection = self.meet(socket, address, listener.unwrap_or_default());
        connection.peer.proxy = parcel.proxy;
        connection.requests = parcel.requests;
        connection.waits_since = parcel.waits_since;
        connection.is_rescued = parcel.is_rescued;
        if !parcel.in_preface {
            connection.phase = Phase::Head;
        }
        if parcel.requests > 0 {
            connection.deadline = self.idle_deadline();
        }
        self.has_strangers |= parcel.waits_since.is_some();
        connection.input = input;
        if self.batch.is_running {
            receive_early(&mut connection);
        }
        let has_input = !connection.input.is_empty();
        connection.is_gathered = has_input;
        let place = self.seat(connection);
        if has_input {
            self.batch.gather_input(place);
        } else {
            self.gather(place.key);
        }
        true
    }

    /// Takes nothing more out of the channel.
    pub(crate) fn leave_channel(&self) {
        if let Some(dispatch) = &self.dispatch {
            // It is not watched any more after the second call.
            let _ = self.poller.remove(dispatch.sender.channel.as_ref());
        }
    }

    /// The next responses end their connections: the worker leaves, and nobody goes on with them.
    pub(crate) fn ends_all(&self) -> bool {
        self.is_draining() && !self.is_sibling_there()
    }

    /// While the worker leaves: gives connections between two requests to those who stay. The last one to
    /// leave serves what waits in the channel.
    pub(crate) fn pass_on(&mut self, application: &mut A) {
        if self.is_sibling_there() {
            self.give_away_movable();
        }
        // Asked again after the last message was sent: a sibling that was told to leave meanwhile may have
        // looked into the channel before.
        let has_settled = self.is_sibling_there() || self.empty_channel(application);
        if let Some(dispatch) = &mut self.dispatch {
            dispatch.has_settled = has_settled;
        }
    }

    /// Nothing that waits in the channel needs this worker any more.
    pub(crate) fn has_settled_channel(&self) -> bool {
        self.dispatch
            .as_ref()
            .is_none_or(|dispatch| dispatch.has_settled)
    }

    fn is_sibling_there(&self) -> bool {
        self.dispatch
            .as_ref()
            .is_some_and(|dispatch| dispatch.sender.is_sibling_there())
    }

    fn give_away_movable(&mut self) {
        let movable: Vec<usize> = self
            .seats
            .iter()
            .filter(|(_, seat)| {
                let connection = seat.connection.as_ref();
                connection.is_some_and(|one| one.is_movable() && !one.is_gathered)
            })
            .map(|(key, _)| key)
            .take(PASSED_ON)
            .collect();
        for key in movable {
            let sender = self.dispatch.as_ref().map(|dispatch| &dispatch.sender);
            let connection = self
                .seats
                .get(key)
                .and_then(|seat| seat.connection.as_ref());
            if !sender
                .zip(connection)
                .is_some_and(|(sender, connection)| sender.send(connection, b""))
            {
                return;
            }
            drop(part_with(&self.poller, &mut self.seats, key));
        }
    }

    /// Serves what waits in the channel. False: no thread has time for it now.
    fn empty_channel(&mut self, application: &mut A) -> bool {
        while self.take_over() {
            if self.batch.is_full() {
                self.run_batch(application);
            }
        }
        self.run_batch(application);
        self.dispatch
            .as_ref()
            .is_none_or(|dispatch| !dispatch.is_full)
    }
}
