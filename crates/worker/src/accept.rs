//! Taking new connections.

use std::os::fd::{AsFd, OwnedFd};

use oxicorn_http::proxy;
use oxicorn_sys::epoll::Interest;
use oxicorn_sys::stream::{self, PeerAddress};

use crate::application::Application;
use crate::connection::{Connection, Peer, Phase, Place};
use crate::deadlines;
use crate::engine::{Accepting, Engine};
use crate::seat::{Next, Seat};

/// Connections taken a turn when nobody else could take them.
const BATCH: usize = 16;

impl<A: Application> Engine<A> {
    pub(crate) fn accept(&mut self, listener: usize, application: &mut A) {
        // Limits are for what waits here, so nothing is left to wait in the kernel.
        let batch = if self.options.has_siblings && !self.options.queue.is_limited() {
            1
        } else {
            BATCH
        };
        for _ in 0..batch {
            let is_full = self.seats.len() >= self.options.connections;
            if is_full && self.longest_idle().is_none() {
                return self.pause();
            }
            let Some(from) = self.listeners.get(listener) else {
                return;
            };
            match stream::accept(from.as_fd()) {
                Ok(Some((socket, address))) => {
                    if is_full {
                        self.evict_longest_idle();
                    }
                    self.welcome(socket, address, listener, application);
                }
                Ok(None) => return,
                Err(error) if stream::is_out_of_descriptors(&error) => {
                    if !self.evict_longest_idle() {
                        return self.pause();
                    }
                }
                Err(_) => return,
            }
        }
    }

    /// Takes everything that waits in the backlog: what was connected before the worker was told
    /// to leave is served.
    pub(crate) fn accept_backlog(&mut self, application: &mut A) {
        for listener in 0..self.listeners.len() {
            while let Some(Ok(Some((socket, address)))) = self
                .listeners
                .get(listener)
                .map(|from| stream::accept(from.as_fd()))
            {
                self.welcome(socket, address, listener, application);
            }
        }
    }

    fn welcome(
        &mut self,
        socket: OwnedFd,
        address: PeerAddress,
        listener: usize,
        application: &mut A,
    ) {
        let connection = self.meet(socket, address, listener);
        let Place { key, .. } = self.seat(connection);
        // Most clients send at once: then the request is served without a wait in between, and a
        // connection for a single request is never watched at all.
        self.gather(key);
        if self.batch.is_full() {
            self.run_batch(application);
        }
    }

    /// Gives a connection a place in the table.
    pub(crate) fn seat(&mut self, mut connection: Box<Connection<A::Client>>) -> Place {
        self.generation = self.generation.wrapping_add(1);
        let generation = self.generation;
        let expects_preface = self.expects_preface();
        let entry = self.seats.vacant_entry();
        let place = Place {
            key: entry.key(),
            generation,
        };
        connection.place = place;
        if connection.input.is_empty() {
            connection.note_rest(expects_preface);
        } else {
            connection.socket.asks(false);
        }
        entry.insert(Seat {
            generation,
            connection: Some(connection),
            away: None,
            live: None,
        });
        place
    }

    /// A connection has nothing to say yet.
    pub(crate) fn watch(&mut self, key: usize) {
        if let Some(connection) = self
            .seats
            .get_mut(key)
            .and_then(|seat| seat.connection.take())
        {
            self.settle(key, connection, Next::Await(Interest::Readable));
        }
    }

    pub(crate) fn meet(
        &self,
        socket: OwnedFd,
        address: PeerAddress,
        listener: usize,
    ) -> Box<Connection<A::Client>> {
        let trusted = match address {
            PeerAddress::Local => true,
            PeerAddress::Ip(ip) => self.options.forwarded_allow.contains(ip.ip()),
        };
        let phase = if self.expects_preface() {
            Phase::Preface
        } else {
            Phase::Head
        };
        let deadline = self.first_byte_deadline();
        let peer = Peer::new(address, trusted);
        Box::new(Connection::new(
            socket,
            peer,
            listener,
            phase,
            &self.budget,
            deadline,
        ))
    }

    /// New connections may begin with a PROXY header.
    #[inline]
    pub(crate) fn expects_preface(&self) -> bool {
        self.options.proxy_protocol != proxy::Mode::Off
    }

    /// The idle connection that has been so for the longest.
    fn longest_idle(&self) -> Option<usize> {
        self.seats
            .iter()
            .filter_map(|(key, seat)| Some((key, seat.connection.as_ref()?)))
            .filter(|(_, connection)| connection.is_idle())
            .min_by_key(|(_, connection)| connection.deadline)
            .map(|(key, _)| key)
    }

    /// Ends it; false if there is none.
    pub(crate) fn evict_longest_idle(&mut self) -> bool {
        self.longest_idle()
            .map(|key| self.seats.remove(key))
            .is_some()
    }

    /// Stops to watch the listeners until the next tick: they stay readable, and asking again and
    /// again would only burn time.
    fn pause(&mut self) {
        for listener in &self.listeners {
            // One that was not watched needs no removal.
            let _ = self.poller.remove(listener);
        }
        self.accepting = Accepting::Paused;
        self.next_tick = self.next_tick.min(self.now.after(deadlines::PAUSE));
    }
}
