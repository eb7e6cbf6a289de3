//! One request's way back: what the application answers, on its way to the client.
//!
//! An exchange owns its connection while the application runs, so whoever holds it (the
//! interface's `start_response`, `write`, an iterator) can send without asking the loop.

mod sending;

use std::io;
use std::sync::Arc;

use oxicorn_http::response::{self, BodyEncoder, Facts, Fields, Finish};
use oxicorn_sys::epoll::Interest;
use oxicorn_sys::ledger::Socket;

use crate::claim::Claim;
use crate::clock::{DateLine, Moment};
use crate::connection::{Connection, Peer, Place};
use crate::pace::Push;
use crate::raw::Raw;

/// Status of a request that the watchdog answered.
const TIMED_OUT: u16 = 504;

/// The client is gone, or its connection is not worth anything any more: there is nobody to
/// answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone;

/// A response in the making. `C` is what the application keeps with the connection.
pub struct Exchange<C> {
    /// Before the connection, which must not be closed under the watchdog.
    claim: Claim,
    connection: Box<Connection<C>>,
    /// Serialised and not yet offered to the socket; what is before [`Reply::from`] belongs to others.
    buffer: Vec<u8>,
}

/// How far a response has come. It is kept in the connection: an exchange goes through many hands,
/// and so is small.
#[derive(Default)]
pub(crate) struct Reply {
    /// Where it begins in the buffer.
    from: usize,
    /// A small whole response may wait in the buffer for the end of the loop's turn.
    may_wait: bool,
    /// How far it is sent from here, and not by the loop.
    push: Push,
    date: DateLine,
    began: Moment,
    facts: Facts,
    stage: Stage,
    status: u16,
    body_sent: u64,
    bytes_sent: u64,
    /// Bytes of the body that the head announced and that never came.
    missing: u64,
    failure: Option<io::Error>,
    body: ComingBody,
}

/// What is still to come of the request, seen from the call.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct ComingBody {
    /// The body goes on.
    pub is_coming: bool,
    /// The client waits for `100 Continue` before it sends the body.
    pub waits_for_continue: bool,
}

/// What the loop needs to know of an exchange that leaves it.
pub struct Departure {
    pub(crate) buffer: Vec<u8>,
    pub(crate) socket: Arc<Socket>,
    pub(crate) interest: Option<Interest>,
}

#[derive(Default)]
enum Stage {
    /// The head is not written.
    #[default]
    Open,
    /// The head is written, the body is under way.
    Started { body: BodyEncoder, keep_alive: bool },
    /// The response is complete.
    Complete { keep_alive: bool },
    /// The client is gone or the response was broken off.
    Cut,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    /// The connection may carry another request.
    KeepAlive,
    /// The response is complete, and the connection ends with it.
    Close,
    /// Nothing more can be said on this connection.
    Cut,
}

/// What the loop gets back.
pub(crate) struct Ended<C> {
    /// Bytes at the end of `buffer` that are still to be sent are in its `waiting`.
    pub connection: Box<Connection<C>>,
    pub buffer: Vec<u8>,
    pub outcome: Outcome,
    pub status: u16,
    pub bytes_sent: u64,
    /// Microseconds that went into sending large pieces.
    pub sending: u64,
    pub failure: Option<io::Error>,
}

impl<C> Exchange<C> {
    pub(crate) fn new(
        mut connection: Box<Connection<C>>,
        buffer: Vec<u8>,
        (date, began): (DateLine, Moment),
        facts: Facts,
        may_wait: bool,
        push: Push,
        claim: Claim,
    ) -> Exchange<C> {
        connection.reply = Reply {
            from: buffer.len(),
            may_wait,
            push,
            date,
            began,
            facts,
            stage: Stage::Open,
            status: 0,
            body_sent: 0,
            bytes_sent: 0,
            missing: 0,
            failure: None,
            body: ComingBody::default(),
        };
        Exchange {
            claim,
            connection,
            buffer,
        }
    }

    /// Notes what is still to come of the request.
    pub(crate) fn expect(&mut self, body: ComingBody) {
        self.connection.reply.body = body;
    }

    /// The body of the request had not come whole when it was called; the rest goes to
    /// [`Application::arrived`](crate::Application::arrived).
    #[inline]
    pub fn body_is_coming(&self) -> bool {
        self.connection.reply.body.is_coming
    }

    /// The body is asked for: a client that waits for it is told to go on (RFC 9110 §10.1.1).
    pub fn ask_for_body(&mut self) -> Result<(), Gone> {
        if std::mem::take(&mut self.connection.reply.body.waits_for_continue) {
            self.interim(response::CONTINUE)
        } else {
            Ok(())
        }
    }

    /// The exchange outlives the call: what it has written goes out, and the loop gets its buffer back.
    pub fn depart(&mut self) -> Departure {
        // A client that is gone shows with the next write.
        let _ = self.flush();
        self.connection.reply.may_wait = false;
        self.connection.reply.from = 0;
        Departure {
            buffer: std::mem::take(&mut self.buffer),
            socket: Arc::clone(&self.connection.socket),
            interest: self.connection.interest,
        }
    }

    /// Sends what waits, as far as the socket takes it; true if all of it went.
    pub fn send_waiting(&mut self) -> Result<bool, Gone> {
        self.has_room()
    }

    /// Bytes that wait for the client.
    #[inline]
    pub fn unsent(&self) -> u64 {
        if self.connection.output.is_empty() {
            0
        } else {
            self.connection.output.unsent()
        }
    }

    /// The client is gone, or the response was broken off.
    #[inline]
    pub fn is_cut(&self) -> bool {
        matches!(self.connection.reply.stage, Stage::Cut)
    }

    /// The response is complete.
    #[inline]
    pub fn is_complete(&self) -> bool {
        matches!(self.connection.reply.stage, Stage::Complete { .. })
    }

    /// Nobody will answer it but whoever has it now; false if the watchdog has answered. For a request that may be
    /// taken back.
    pub fn reserve(&mut self) -> bool {
        self.claim.take()
    }

    /// Since when the request has waited, if it has a place in a queue.
    pub(crate) fn waits_since(&mut self) -> &mut Option<Moment> {
        &mut self.connection.waits_since
    }

    /// Takes back a request that was not started: its connection, and the buffer for its answer.
    pub(crate) fn withdraw(mut self) -> (Box<Connection<C>>, Vec<u8>) {
        self.connection.reply = Reply::default();
        (self.connection, self.buffer)
    }

    /// The connection, for another protocol. Whether it still is one shows with the next
    /// [`Raw::send`].
    pub fn into_raw(mut self) -> Raw<C> {
        let is_gone = !self.claim.take() || self.flush().is_err();
        let sent = self.connection.reply.bytes_sent;
        Raw::new(self.connection, sent, is_gone)
    }

    /// When the request was called, which its time limit counts from.
    #[inline]
    pub fn began(&self) -> Moment {
        self.connection.reply.began
    }

    /// The seat to give it back to.
    pub fn place(&self) -> Place {
        self.connection.place
    }

    /// What the application keeps with the connection; `None` before it first said so.
    #[inline]
    pub fn client(&mut self) -> &mut Option<C> {
        &mut self.connection.client
    }

    /// Who sent the request.
    #[inline]
    pub fn peer(&self) -> &Peer {
        &self.connection.peer
    }

    /// Both at once.
    #[inline]
    pub fn client_and_peer(&self) -> (Option<&C>, &Peer) {
        (self.connection.client.as_ref(), &self.connection.peer)
    }

    /// The connection's socket, shared: it stays open as long as somebody keeps it.
    pub fn socket(&self) -> &Arc<Socket> {
        &self.connection.socket
    }

    /// The head was written.
    #[inline]
    pub fn is_started(&self) -> bool {
        !matches!(self.connection.reply.stage, Stage::Open)
    }

    /// Status of the response, 0 before its head.
    pub fn status(&self) -> u16 {
        self.connection.reply.status
    }

    /// Body bytes given to the client so far, without chunk framing.
    pub fn body_sent(&self) -> u64 {
        self.connection.reply.body_sent
    }

    /// Bytes by which the complete response is shorter than its head announced.
    #[inline]
    pub fn missing(&self) -> u64 {
        self.connection.reply.missing
    }

    /// This connection carries no request after this one.
    pub fn close_after(&mut self) {
        self.connection.reply.facts.keep_alive = false;
        if let Stage::Started { keep_alive, .. } = &mut self.connection.reply.stage {
            *keep_alive = false;
        }
    }

    /// Writes the response head. Ignored when one was written before.
    #[inline]
    pub fn start(&mut self, status: &[u8], code: u16, fields: &Fields) {
        if self.is_started() {
            return;
        }
        if !self.claim.take() {
            let _: Result<(), Gone> = self.too_late();
            return;
        }
        if self.claim.is_leaving() {
            self.connection.reply.facts.keep_alive = false;
        }
        if self.connection.reply.body.waits_for_continue {
            // The client may send its body or not: nobody can tell where the next request begins.
            self.connection.reply.facts.keep_alive = false;
        }
        let sent = response::write_head(
            &mut self.buffer,
            &self.connection.reply.facts,
            status,
            code,
            self.connection.reply.date.line(),
            fields,
        );
        self.connection.reply.status = code;
        self.connection.reply.stage = Stage::Started {
            body: sent.body,
            keep_alive: sent.keep_alive,
        };
    }

    /// Ends the response: the last chunk, and everything to the socket.
    #[inline]
    pub fn finish(&mut self) {
        self.finish_with_trailers(b"");
    }

    /// The same, with finished trailer lines where the framing has a place for them.
    #[inline]
    pub fn finish_with_trailers(&mut self, trailers: &[u8]) {
        let Stage::Started { body, keep_alive } = &mut self.connection.reply.stage else {
            return;
        };
        let missing = match body.finish_with_trailers(trailers, &mut self.buffer) {
            Finish::Complete => 0,
            Finish::Short(missing) => missing,
        };
        // RFC 9112 §8: a body shorter than announced leaves the client waiting for the rest.
        let keep_alive = *keep_alive && missing == 0;
        if self.can_wait() || self.flush_as(keep_alive).is_ok() {
            self.connection.reply.stage = Stage::Complete { keep_alive };
            self.connection.reply.missing = missing;
        }
    }

    /// Breaks a started response off, so that the client sees that it is not whole.
    pub fn cut(&mut self) {
        // What was written so far still goes out.
        let _ = self.flush();
        self.connection.reply.stage = match self.connection.reply.stage {
            Stage::Cut => Stage::Cut,
            _ if self.connection.reply.failure.is_some() => Stage::Cut,
            _ => Stage::Complete { keep_alive: false },
        };
    }

    /// Answers with a whole message made elsewhere (an error page); the connection ends.
    pub fn answer(&mut self, status: u16, message: &[u8]) {
        if self.is_started() {
            self.cut();
            return;
        }
        if !self.claim.take() {
            let _: Result<(), Gone> = self.too_late();
            return;
        }
        self.connection.reply.status = status;
        self.buffer.extend_from_slice(message);
        if self.flush().is_ok() {
            self.connection.reply.stage = Stage::Complete { keep_alive: false };
        }
    }

    /// Sends a 1xx message at once. Ignored when the response head was written.
    pub fn interim(&mut self, message: &[u8]) -> Result<(), Gone> {
        // An application that has the socket may have sent something itself.
        let is_asking = self.connection.socket.is_asking();
        self.send_raw(message)?;
        if is_asking && !self.is_started() && self.connection.output.is_empty() {
            self.connection.socket.still_asks();
        }
        Ok(())
    }

    /// Sends bytes of another protocol at once, which begin with the 101. Ignored when a response head was written.
    pub fn send_raw(&mut self, message: &[u8]) -> Result<(), Gone> {
        if self.is_started() {
            return Ok(());
        }
        if self.claim.is_lost() {
            return self.too_late();
        }
        self.buffer.extend_from_slice(message);
        self.flush()
    }

    /// The watchdog has answered in its place.
    #[inline]
    pub fn is_overdue(&self) -> bool {
        self.connection.reply.status == TIMED_OUT && self.claim.is_lost()
    }

    /// Tells the watchdog which thread runs the request, as `pthread_self` names it.
    #[inline]
    pub fn runs_in(&self, thread: u64) {
        self.claim.note_thread(thread);
    }

    /// The watchdog has answered: nothing of the application's is sent.
    #[cold]
    fn too_late<T>(&mut self) -> Result<T, Gone> {
        self.connection.reply.status = TIMED_OUT;
        self.gone()
    }

    #[cold]
    fn gone<T>(&mut self) -> Result<T, Gone> {
        self.connection.reply.stage = Stage::Cut;
        self.buffer.truncate(self.connection.reply.from);
        Err(Gone)
    }

    pub(crate) fn into_ended(mut self) -> Ended<C> {
        if !self.claim.take() {
            let _: Result<(), Gone> = self.too_late();
        }
        if let Stage::Started { .. } | Stage::Open = self.connection.reply.stage {
            // The application layer always finishes, answers or cuts; if it did not, the
            // client must not take what it got for whole.
            self.cut();
        }
        let outcome = match self.connection.reply.stage {
            Stage::Complete { keep_alive: true } => Outcome::KeepAlive,
            Stage::Complete { keep_alive: false } => Outcome::Close,
            Stage::Open | Stage::Started { .. } | Stage::Cut => Outcome::Cut,
        };
        let waiting = self.own().len();
        self.connection.waiting =
            (waiting > 0).then_some(self.connection.reply.from..self.buffer.len());
        let reply = &mut self.connection.reply;
        Ended {
            outcome,
            status: reply.status,
            bytes_sent: reply.bytes_sent.saturating_add(waiting as u64),
            sending: reply.push.sending(),
            failure: reply.failure.take(),
            connection: self.connection,
            buffer: self.buffer,
        }
    }
}
