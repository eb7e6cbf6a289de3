//! What the loop asks of whoever runs the application.

use std::fs::File;
use std::io;

use oxicorn_http::{Head, Refused};

use crate::clock::Moment;
use crate::connection::{Peer, Place};
use crate::exchange::{Departure, Exchange};
use crate::live::{Appetite, End};
use crate::notice::Notice;
use crate::queue::NotStarted;
use crate::retire::Reason as Retirement;

/// Runs requests. One implementation an interface (WSGI, ASGI); the loop knows no Python.
pub trait Application {
    /// What it keeps with a connection from one request to the next.
    type Client: Send;

    /// Whether calls run to their end in the loop's thread. Then small responses share the loop's
    /// output buffer; else every exchange has its own.
    const INLINE: bool;

    /// Whether requests are called as soon as their head is there, and get their body while they
    /// run. Else a request is called when it is whole.
    const STREAMS: bool = false;
    /// Whether the exchanges of requests that run elsewhere come back together, some at a time, so that
    /// small responses may wait to be sent in one go.
    const GATHERS: bool = false;

    /// Runs one request, or takes it to run it elsewhere.
    ///
    /// Whatever the application does wrong is answered here; the loop only sees how the exchange
    /// ended.
    fn call(
        &mut self,
        request: Request<'_>,
        exchange: Exchange<Self::Client>,
    ) -> Called<Self::Client>;

    /// Bytes came for a request that went [away](Called::Away): of its body, or of its connection
    /// if that was [handed over](crate::Engine::hand_over).
    fn arrived(&mut self, _place: Place, _data: &[u8]) -> Appetite {
        Appetite::Enough
    }

    /// The same for a connection that was [handed over](crate::Engine::hand_over); the bytes may be
    /// changed in place.
    fn arrived_raw(&mut self, place: Place, data: &mut [u8]) -> Appetite {
        self.arrived(place, data)
    }

    /// Something is over for a request that went [away](Called::Away).
    fn ended(&mut self, _place: Place, _end: End<'_>) {}

    /// The socket of a request that went [away](Called::Away) takes bytes again: what waits in its
    /// exchange is to be sent. True if something still waits then.
    fn room(&mut self, _place: Place) -> bool {
        false
    }

    /// The watchdog has answered a request that runs elsewhere with 504. Says whether its work could be
    /// ended; if not, the worker asks for a replacement.
    fn overdue(&mut self, _late: Late) -> bool {
        false
    }

    /// The loop has done everything that was ready. Says when it wants to be asked again at the
    /// latest, if it does.
    fn turned(&mut self, _now: Moment) -> Option<Moment> {
        None
    }

    /// The worker was told to leave at once while the application was called: nothing more is begun.
    fn is_over(&self) -> bool {
        false
    }

    /// The loop has something to say to the logs.
    fn notice(&mut self, notice: Notice<'_>);

    /// Says [`Notice::Refused`].
    fn refused(&mut self, peer: &Peer, received: &[u8], refused: &Refused) {
        self.notice(Notice::Refused {
            peer,
            received,
            refused,
        });
    }

    /// Says [`Notice::TimedOut`].
    fn timed_out(&mut self, peer: &Peer, received: &[u8]) {
        self.notice(Notice::TimedOut { peer, received });
    }

    /// Says [`Notice::NotStarted`].
    fn not_started(&mut self, peer: &Peer, received: &[u8], why: NotStarted) {
        self.notice(Notice::NotStarted {
            peer,
            received,
            why,
        });
    }

    /// Says [`Notice::Overloaded`].
    fn overloaded(&mut self, refused: u64) {
        self.notice(Notice::Overloaded { refused });
    }

    /// Says [`Notice::Trouble`].
    fn trouble(&mut self, peer: &Peer, what: &str, error: &io::Error) {
        self.notice(Notice::Trouble { peer, what, error });
    }

    /// Says [`Notice::Retiring`].
    fn retiring(&mut self, reason: Retirement) {
        self.notice(Notice::Retiring(reason));
    }
}

/// A request that runs elsewhere, and takes too long.
#[derive(Clone, Copy, Debug)]
pub struct Late {
    /// Its connection's seat.
    pub place: Place,
    /// When it was called.
    pub began: Moment,
    /// Number of its entry on the scoreboard.
    pub entry: u32,
}

/// What became of a request.
pub enum Called<C> {
    /// It was run to its end.
    Answered(Exchange<C>),
    /// It runs elsewhere; [`Engine::give_back`](crate::Engine::give_back) gets the exchange when it is done.
    Taken,
    /// It goes on elsewhere and hears of what happens on its connection;
    /// [`Engine::put_back`](crate::Engine::put_back) gets the exchange when it is done.
    Away(Departure),
    /// The exchange is lost, and with it the connection.
    Lost,
}

/// A request that has come whole, unless [`Exchange::body_is_coming`] says that its body goes on.
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
