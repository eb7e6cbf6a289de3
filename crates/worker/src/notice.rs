//! What the loop has to say to the logs.

use std::io;

use oxicorn_http::Refused;

use crate::connection::Peer;
use crate::queue::NotStarted;
use crate::retire::Reason as Retirement;

/// Something that the loop did or met with by itself.
#[derive(Clone, Copy)]
pub enum Notice<'a> {
    /// A peer's message was refused; the response is sent by the loop.
    Refused {
        /// Who sent it.
        peer: &'a Peer,
        /// The message from its first byte on, as far as it is at hand.
        received: &'a [u8],
        /// What is wrong with it.
        refused: &'a Refused,
    },
    /// A message did not come to its end in time, and its connection is closed.
    TimedOut {
        /// Who sent it.
        peer: &'a Peer,
        /// What came of it, from its first byte on.
        received: &'a [u8],
    },
    /// A request was not started, since too much waited or its client has left.
    NotStarted {
        /// Who sent it.
        peer: &'a Peer,
        /// What had come of it, from its first byte on.
        received: &'a [u8],
        /// Too much waited, or the client has left.
        why: NotStarted,
    },
    /// Requests were answered with 503.
    Overloaded {
        /// That many since this was said last.
        refused: u64,
    },
    /// Something of the system failed that concerns one connection only.
    Trouble {
        /// Whose connection it is.
        peer: &'a Peer,
        /// What could not be done.
        what: &'a str,
        /// What the system says.
        error: &'a io::Error,
    },
    /// The worker asks to be replaced, and says so on the scoreboard. It serves on until it is told to leave; somebody
    /// should have the arbiter look.
    Retiring(Retirement),
}
