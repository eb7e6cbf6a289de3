//! The seats of a loop's connections, and what becomes of a connection after a step.

use oxicorn_sys::epoll::{Interest, Token};

use crate::away::Away;
use crate::connection::{Connection, Place};
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
