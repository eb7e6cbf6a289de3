//! What the loop asks of whoever runs the application.

use std::fs::File;
use std::io;

use oxicorn_http::{Head, Refused};

use crate::clock::Moment;
use crate::connection::Peer;
use crate::exchange::Exchange;

/// Runs requests. One implementation an interface (WSGI, ASGI); the loop knows no Python.
pub trait Application {
    /// What it keeps with a connection from one request to the next.
    type Client: Send;

    /// Whether calls run to their end in the loop's thread. Then small responses share the loop's
    /// output buffer; else every exchange has its own.
    const INLINE: bool;

    /// Runs one request, or takes it to run it elsewhere.
    ///
    /// Whatever the application does wrong is answered here; the loop only sees how the exchange
    /// ended.
    fn call(
        &mut self,
        request: Request<'_>,
        exchange: Exchange<Self::Client>,
    ) -> Called<Self::Client>;

    /// A peer's message was refused; the response is sent by the loop. `received` is the message from
    /// its first byte on, as far as it is at hand.
    fn refused(&mut self, peer: &Peer, received: &[u8], refused: &Refused);

    /// A message did not come to its end in time, and its connection is closed.
    fn timed_out(&mut self, _peer: &Peer, _received: &[u8]) {}

    /// The loop has done everything that was ready. Says when it wants to be asked again at the
    /// latest, if it does.
    fn turned(&mut self, _now: Moment) -> Option<Moment> {
        None
    }

    /// Something of the system failed that concerns one connection only.
    fn trouble(&mut self, peer: &Peer, what: &str, error: &io::Error);

    /// The request about to be called is the last one before the worker is recycled.
    fn last_request(&mut self);
}

/// What became of a request.
pub enum Called<C> {
    /// It was run to its end.
    Answered(Exchange<C>),
    /// It runs elsewhere; [`Engine::give_back`](crate::Engine::give_back) gets the exchange when it is done.
    Taken,
    /// The exchange is lost, and with it the connection.
    Lost,
}

/// A request that has come whole.
pub struct Request<'a> {
    /// The parsed head; its spans index `bytes`.
    pub head: &'a Head,
    /// The head as it was received.
    pub bytes: &'a [u8],
    /// The decoded body.
    pub body: Body<'a>,
    /// Which of the worker's listeners took the connection.
    pub listener: usize,
    /// 1 for the first request of a connection.
    pub number: u32,
}

/// A request body after transfer decoding.
pub enum Body<'a> {
    /// In memory; empty where there is none.
    Memory(&'a [u8]),
    /// In an unlinked file of `length` bytes, whose position is at its start.
    File {
        /// Holds the body and nothing else.
        file: File,
        /// In bytes.
        length: u64,
    },
}

impl Body<'_> {
    /// Its length in bytes.
    pub fn length(&self) -> u64 {
        match self {
            Body::Memory(bytes) => bytes.len() as u64,
            Body::File { length, .. } => *length,
        }
    }
}
