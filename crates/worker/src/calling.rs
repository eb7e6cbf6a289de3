//! The step of a connection in the middle: the application is called.

use std::sync::Arc;

use oxicorn_http::response::Facts;
use oxicorn_http::{BodyDecoder, Head};
use oxicorn_sys::epoll::Interest;
use oxicorn_sys::ledger::Socket;
use oxicorn_sys::scoreboard::Ticket;

use crate::application::{Application, Body, Called, Request};
use crate::away::Away;
use crate::claim::Claim;
use crate::clock::Moment;
use crate::connection::{Connection, Place};
use crate::cycle::{Absent, Conn, Flow};
use crate::engine::Engine;
use crate::exchange::{ComingBody, Ended, Exchange};
use crate::pace::Push;
use crate::retire::Reason as Retirement;

/// A complete head, and whether the client sent more than the message it begins.
pub(crate) struct Message<'a> {
    pub head: &'a Head,
    pub bytes: &'a [u8],
    pub has_more_behind: bool,
}

/// What the loop keeps in mind of a request while the application has it.
#[derive(Clone, Copy)]
struct Call {
    place: Place,
    /// When it was called.
    began: Moment,
    /// From when its time limit counts.
    started: Moment,
    /// Its entry on the scoreboard.
    ticket: Ticket,
    /// Size of the request.
    bytes_in: u64,
}

impl Call {
    /// What stays in the seat where it runs elsewhere.
    fn away(&self, socket: Arc<Socket>, interest: Option<Interest>) -> Away {
        Away {
            socket,
            began: self.began,
            ticket: self.ticket,
            bytes_in: self.bytes_in,
            is_overdue: false,
            behind: Vec::new(),
            interest,
        }
    }
}

impl<A: Application> Engine<A> {
    /// Calls the application, or has it take the request; `coming` is what decodes the rest of the body.
    pub(crate) fn call(
        &mut self,
        mut connection: Conn<A>,
        message: Message<'_>,
        body: Body<'_>,
        coming: Option<Box<BodyDecoder>>,
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        let call = self.begin_call(&mut connection, &message, &body, application);
        let away =
            (!A::INLINE).then(|| call.away(Arc::clone(&connection.socket), connection.interest));
        let request = Request {
            head: message.head,
            bytes: message.bytes,
            body,
            listener: connection.listener,
            number: connection.requests,
        };
        let mut exchange = self.open_exchange(connection, &message, &call);
        if coming.is_some() {
            exchange.expect(ComingBody {
                is_coming: true,
                waits_for_continue: message.head.expect_continue && request.body.length() == 0,
            });
        }
        self.called = Some(call.ticket);
        self.enter_call(call.began, call.started);
        let called = application.call(request, exchange);
        self.leave_call(application);
        self.called = None;
        match called {
            Called::Answered(exchange) => {
                let mut ended = exchange.into_ended();
                ended.connection.leftover = coming;
                self.end_call(&mut ended, &call);
                self.after_call(ended, message.has_more_behind, application)
            }
            Called::Taken => {
                if let Some(seat) = self.seats.get_mut(call.place.key) {
                    seat.away = away;
                }
                Err(Absent::Taken)
            }
            Called::Away(departure) => {
                self.return_scratch_alone(departure.buffer);
                let away = call.away(departure.socket, departure.interest);
                self.depart(call.place, away, coming);
                Err(Absent::Taken)
            }
            Called::Lost => {
                self.slot.drop_request(call.ticket);
                Err(Absent::Lost)
            }
        }
    }

    /// Counts the request, and tells the scoreboard and the watchdog of it.
    #[inline]
    fn begin_call(
        &mut self,
        connection: &mut Connection<A::Client>,
        message: &Message<'_>,
        body: &Body<'_>,
        application: &mut A,
    ) -> Call {
        let Message { head, bytes, .. } = *message;
        self.requests = self.requests.saturating_add(1);
        connection.requests = connection.requests.saturating_add(1);
        let began = self.now;
        let started = self.started(connection);
        if Some(self.requests) == self.options.limits.requests {
            self.retire(Retirement::Requests, application);
        }
        let ticket = self.slot.begin_request(
            head.method(bytes),
            head.target(bytes),
            connection.peer.text.as_bytes(),
            started.millis(),
        );
        if started != began
            && let Some(alarm) = &self.alarm
        {
            alarm.raise();
        }
        if A::INLINE && !A::STREAMS {
            // The arbiter counts from there.
            self.slot.beat(started.millis());
        }
        Call {
            place: connection.place,
            began,
            started,
            ticket,
            bytes_in: (bytes.len() as u64).saturating_add(body.length()),
        }
    }

    /// Lends the connection to the request, with a buffer for its response.
    #[inline]
    fn open_exchange(
        &mut self,
        connection: Conn<A>,
        message: &Message<'_>,
        call: &Call,
    ) -> Exchange<A::Client> {
        let head = message.head;
        let facts = Facts {
            version: head.version,
            is_head: head.method(message.bytes) == b"HEAD",
            keep_alive: head.keep_alive && !self.options.keepalive.is_zero() && !self.ends_all(),
        };
        // What follows on the connection would overtake a response that waits.
        let may_wait =
            (A::INLINE || A::GATHERS) && self.batch.may_wait() && !message.has_more_behind;
        let (buffer, push) = if A::INLINE {
            (self.lend_scratch(), self.pace.push(self.now))
        } else {
            let spare = self.spare_buffers.pop();
            (spare.unwrap_or_default(), Push::default())
        };
        if connection.output.is_empty() {
            connection.socket.asks(message.has_more_behind);
        }
        let claim = Claim::new(self.slot, call.ticket, &*connection.socket);
        Exchange::new(
            connection,
            buffer,
            (self.date, call.started),
            facts,
            may_wait,
            push,
            claim,
        )
    }

    /// The application has answered: takes the buffer back, and notes how long that took.
    #[inline]
    fn end_call(&mut self, ended: &mut Ended<A::Client>, call: &Call) {
        if A::INLINE {
            let buffer = std::mem::take(&mut ended.buffer);
            self.return_scratch(buffer, &mut ended.connection);
        }
        let micros = self.count_request(ended, call.ticket, call.began, call.bytes_in);
        self.batch.observe(micros);
        self.pace.spend(ended.sending);
        self.slot.beat(self.now.millis());
    }

    /// A request that was called then is answered: tells the scoreboard, and says how many microseconds it took.
    #[inline]
    pub(crate) fn count_request(
        &mut self,
        ended: &Ended<A::Client>,
        ticket: Ticket,
        began: Moment,
        bytes_in: u64,
    ) -> u64 {
        self.now = Moment::now();
        self.date.refresh(self.now);
        let micros = self.now.micros_since(began);
        let (status, bytes_sent) = (ended.status, ended.bytes_sent);
        self.slot
            .end_request(ticket, status, micros, bytes_in, bytes_sent);
        micros
    }
}
