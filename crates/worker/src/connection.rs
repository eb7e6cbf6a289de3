//! One client, and where its current message stands.

use std::net::SocketAddr;
use std::ops::Range;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use oxicorn_http::proxy::ProxyInfo;
use oxicorn_http::{BodyDecoder, Head, HeadParser};
use oxicorn_sys::epoll::Interest;
use oxicorn_sys::ledger::Socket;
use oxicorn_sys::stream::PeerAddress;

use crate::clock::Moment;
use crate::exchange::Reply;
use crate::memory::Budget;
use crate::output::Output;
use crate::upload::Upload;

/// Who is at the other end, as far as it matters to requests.
#[derive(Clone)]
pub struct Peer {
    /// Its address; `None` on a unix socket.
    pub address: Option<SocketAddr>,
    /// `address` as text, for logs and the scoreboard; empty on a unix socket.
    pub text: String,
    /// Its scheme and script-name fields are believed. Always of the real peer, also behind a
    /// PROXY header.
    pub trusted: bool,
    /// What a PROXY header said about the client behind it.
    pub proxy: Option<ProxyInfo>,
}

impl Peer {
    /// A peer whose PROXY header, if any, has not come yet.
    pub fn new(address: PeerAddress, trusted: bool) -> Peer {
        let address = match address {
            PeerAddress::Ip(address) => Some(address),
            PeerAddress::Local => None,
        };
        let text = address
            .map(|address| address.ip().to_canonical().to_string())
            .unwrap_or_default();
        Peer {
            address,
            text,
            trusted,
            proxy: None,
        }
    }
}

/// A seat in the loop's table. The generation tells the connection that has it from one that had
/// it before.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Place {
    pub(crate) key: usize,
    pub(crate) generation: u32,
}

impl Place {
    /// The number of the seat: small, and no other connection's at the same time.
    pub fn index(self) -> usize {
        self.key
    }
}

/// Where a connection stands.
///
/// ```text
/// Preface ──▶ Head ──▶ Body ──▶ (the application is called)
///              ▲                    │
///              │     all sent ◀─────┤
///              └── Sending ◀────────┘ some left
///                     └──▶ Lingering ──▶ closed
/// ```
pub(crate) enum Phase {
    /// A PROXY header may come before the first request.
    Preface,
    /// Between requests, or inside a head.
    Head,
    /// Inside a body.
    Body(Box<Incoming>),
    /// Inside a body that the application did not want.
    Skipping(Box<Skipped>),
    /// The response leaves at the client's pace; the next request is not looked at before.
    Sending(Then),
    /// Our side has ended. What still comes is dropped, so that the client reads the response
    /// before it could see a reset (RFC 9112 §9.6).
    Lingering,
}

/// What follows when the output is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Then {
    /// The next request.
    NextRequest,
    /// The end; nothing of the client's is left unread.
    Close,
    /// The end, after the client's side has ended too or some time has passed.
    Linger,
}

/// A request whose body is on its way.
pub(crate) struct Incoming {
    pub head: Head,
    pub bytes: Vec<u8>,
    pub decoder: BodyDecoder,
    pub upload: Upload,
}

/// What comes of a body that nobody wants.
pub(crate) struct Skipped {
    pub decoder: Box<BodyDecoder>,
    /// Bytes that may still come before the connection is given up.
    pub patience: usize,
}

/// A client's connection. `C` is what the application keeps with it.
pub(crate) struct Connection<C> {
    /// Its seat in the loop's table.
    pub place: Place,
    pub socket: Arc<Socket>,
    pub peer: Peer,
    pub listener: usize,
    pub client: Option<C>,
    pub phase: Phase,
    /// Received and not yet consumed: an incomplete head, or what came behind a request.
    pub input: Vec<u8>,
    pub parser: HeadParser,
    /// What the parser has found so far, while a head is incomplete.
    pub partial_head: Option<Box<Head>>,
    /// A response that waits in the loop's output buffer for the end of the turn: where in it.
    pub waiting: Option<Range<usize>>,
    /// Decodes what is still to come of the body of the request that was called, and that it did
    /// not wait for.
    pub leftover: Option<Box<BodyDecoder>>,
    /// It takes a step in the present batch, with what has just been received.
    pub is_gathered: bool,
    /// Its socket has room for more of its output, and it waits for its turn to send.
    pub is_roomy: bool,
    pub output: Output,
    /// Of the exchange that it is lent to.
    pub reply: Reply,
    /// What the poller watches for now; `None` before it watches at all.
    pub interest: Option<Interest>,
    /// When the present phase has taken too long.
    pub deadline: Moment,
    /// Requests called so far.
    pub requests: u32,
    /// Since when its next request waits, if that was noticed.
    pub waits_since: Option<Moment>,
    /// It waited in a worker whose request took too long: the wait counts as if that had been its own.
    pub is_rescued: bool,
}

impl<C> Connection<C> {
    pub fn new(
        socket: OwnedFd,
        peer: Peer,
        listener: usize,
        phase: Phase,
        budget: &Arc<Budget>,
        deadline: Moment,
    ) -> Connection<C> {
        Connection {
            place: Place::default(),
            socket: Arc::new(Socket::new(socket)),
            peer,
            listener,
            client: None,
            phase,
            input: Vec::new(),
            parser: HeadParser::new(),
            partial_head: None,
            waiting: None,
            leftover: None,
            is_gathered: false,
            is_roomy: false,
            output: Output::new(Arc::clone(budget)),
            reply: Reply::default(),
            interest: None,
            deadline,
            requests: 0,
            waits_since: None,
            is_rescued: false,
        }
    }

    /// Between two requests or inside a head, and nothing of it is anywhere else: another worker could
    /// go on with it. What was received in this batch goes along.
    pub fn is_movable(&self) -> bool {
        matches!(self.phase, Phase::Head | Phase::Preface)
            && self.waiting.as_ref().is_none_or(Range::is_empty)
            && self.output.is_empty()
            // Nobody kept the socket, as an application may that took it out of its environ.
            && Arc::strong_count(&self.socket) == 1
    }

    /// Has the ledger say that another worker could go on with it, where that is so: when it begins and after each
    /// response. `expects_preface`: new connections may begin with a PROXY header.
    #[inline]
    pub fn note_rest(&self, expects_preface: bool) {
        let is_kept = self.requests > 0;
        let has_preface = matches!(self.phase, Phase::Preface);
        let is_told = is_kept || has_preface == expects_preface;
        if is_told && self.may_rest() && self.is_idle() && self.is_movable() {
            self.socket.rests(self.listener, is_kept);
        }
    }

    /// Nothing is to be known of it but what the ledger can say: what a PROXY header said it cannot.
    #[inline]
    pub fn may_rest(&self) -> bool {
        matches!(self.phase, Phase::Head | Phase::Preface)
            && self.input.is_empty()
            && self.leftover.is_none()
            && self.peer.proxy.is_none()
    }

    /// What has come of a message that is not whole yet, from its first byte on.
    pub fn unfinished(&self) -> Option<&[u8]> {
        match &self.phase {
            Phase::Head if !self.input.is_empty() => Some(&self.input),
            Phase::Body(incoming) => Some(&incoming.bytes),
            _ => None,
        }
    }

    /// Nothing of a next request has come and nothing is left to send.
    pub fn is_idle(&self) -> bool {
        matches!(self.phase, Phase::Head | Phase::Preface)
            && self.input.is_empty()
            && self.waiting.is_none()
            && !self.is_gathered
    }
}
