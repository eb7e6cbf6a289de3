//! WebSocket, the server's side, as bytes and events: RFC 6455 with the compression of RFC 7692.
//!
//! Knows the handshake, frames, messages, pings and the end of a connection. Knows no sockets, no
//! clock and no Python: the caller owns the buffers, says what time it is and moves the bytes.
//!
//! * [`handshake`] says whether a request opens a WebSocket, and writes the answer.
//! * [`Connection`] turns what the client sends into [`Event`]s and messages into frames.
//! * [`Keepalive`] says when to ping, and when to give a silent client up.
//!
//! ```
//! use oxicorn_websocket::{Connection, Event, Options};
//!
//! let mut connection = Connection::new(Options::default(), None);
//! let mut out = Vec::new();
//! let mut frame = *b"\x81\x85\x01\x02\x03\x04igohn";
//! let (used, event) = connection.receive(&mut frame, &mut out);
//! assert_eq!((used, event), (11, Some(Event::Text("hello"))));
//! connection.send_text("hello", &mut out).unwrap();
//! assert_eq!(out, b"\x81\x05hello");
//! ```
//!
//! Whatever a client sends ends in an event or in the wish for more bytes; the outcome does not
//! depend on how the bytes were cut on their way. Memory is bounded by the largest message.
#![forbid(unsafe_code)]
#![cfg_attr(
    not(test),
    deny(
        clippy::arithmetic_side_effects,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        clippy::unwrap_used
    )
)]
#![cfg_attr(test, allow(clippy::expect_used, clippy::unwrap_used))]

mod close;
mod connection;
mod deflate;
mod extensions;
mod frame;
pub mod handshake;
mod keepalive;
mod mask;
mod message;
mod violation;

pub use close::{Close, may_be_sent};
pub use connection::{Connection, Event, NotOpen, Options};
pub use extensions::{Deflate, Windows};
pub use keepalive::{Keepalive, Pulse};
pub use violation::Violation;
