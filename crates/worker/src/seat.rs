//! The seats of a loop's connections, and what becomes of a connection after a step.

use std::sync::Arc;

use oxicorn_sys::epoll::{Interest, Token};
use oxicorn_sys::stream;

use crate::application::Application;
use crate::away::Away;
use crate::connection::{Connection, Place};
use crate::cycle::{Absent, Step};
use crate::engine::Engine;
use crate::live::Live;

/// A place in the table. Its generation tells a late event of a former connection from one of
/// the present.
pub(crate) struct Seat<C> {
    pub generation: u32,
    /// `None` while the connection takes a step, and while its request is away.
    pub connection: Option<Box<Connection<C>>>,
    /// Its request runs elsewhere.
    pub away: Option<Away>,
    /// It runs elsewhere and hears of what happens.
    pub live: Option<Live>,
}

/// Why a connection takes a step.
pub(crate) enum Arrived<'a> {
    /// These bytes came.
    Bytes(&'a [u8]),
    /// The peer has ended its side, or the connection failed.
    End,
    /// The socket takes bytes again.
    Room,
    /// Nothing new, but what was kept may be looked at.
    Kept,
}

/// What becomes of a connection after a step.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Next {
    /// It waits to be ready for this.
    Await(Interest),
    /// It ends now.
    Close,
}

pub(crate) fn pack(key: usize, generation: u32) -> Token {
    // A worker has fewer than 2^31 connections; the highest bit is the listeners'.
    Token((key as u64 & 0x7fff_ffff) << 32 | u64::from(generation))
}

pub(crate) fn unpack(token: u64) -> Place {
    Place {
        key: (token >> 32) as usize,
        generation: token as u32,
    }
}

impl<A: Application> Engine<A> {
    /// Takes a connection out of its seat, if it is still the same.
    pub(crate) fn take(&mut self, place: Place) -> Option<Box<Connection<A::Client>>> {
        let seat = self.seats.get_mut(place.key)?;
        if seat.generation == place.generation {
            seat.connection.take()
        } else {
            None
        }
    }

    /// What a step leaves to be done.
    pub(crate) fn conclude(&mut self, place: Place, step: Step<A>) {
        match step {
            Ok((connection, next)) if connection.waiting.is_some() => {
                self.send_later(place, connection, next);
            }
            Ok((connection, next)) => self.settle(place.key, connection, next),
            Err(Absent::Taken) => {}
            Err(Absent::Lost) => self.recover(place.key),
        }
    }

    /// Puts a connection back to wait, or ends it.
    pub(crate) fn settle(
        &mut self,
        key: usize,
        mut connection: Box<Connection<A::Client>>,
        next: Next,
    ) {
        let Next::Await(interest) = next else {
            self.seats.try_remove(key);
            return close(&connection);
        };
        let expects_preface = self.expects_preface();
        let Some(seat) = self.seats.get_mut(key) else {
            return;
        };
        if connection.interest != Some(interest) {
            let token = pack(key, seat.generation);
            let watched = match connection.interest {
                None => self.poller.add(&connection.socket, token, interest),
                Some(_) => self.poller.modify(&connection.socket, token, interest),
            };
            if watched.is_err() {
                // No memory in the kernel: one connection less is the least harm.
                self.seats.try_remove(key);
                return close(&connection);
            }
            connection.interest = Some(interest);
        }
        connection.note_rest(expects_preface);
        seat.connection = Some(connection);
    }

    #[cold]
    pub(crate) fn recover(&mut self, key: usize) {
        self.reclaim();
        self.seats.try_remove(key);
        self.head = None;
        if let Some(ticket) = self.called.take() {
            self.slot.drop_request(ticket);
        }
    }
}

/// Ends a connection that has nothing more to send. Somebody else may keep the socket open (an
/// application that took it out of its environ), so its sending side is ended explicitly.
fn close<C>(connection: &Connection<C>) {
    if Arc::strong_count(&connection.socket) > 1 {
        stream::finish_sending(&connection.socket);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::LISTENER;

    #[test]
    fn tokens_carry_seat_and_generation() {
        let Token(token) = pack(77, u32::MAX);
        assert_eq!(
            unpack(token),
            Place {
                key: 77,
                generation: u32::MAX
            }
        );
        assert_eq!(token & LISTENER, 0);
    }
}
