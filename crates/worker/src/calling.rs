//! The step of a connection in the middle: the application is called.

use std::sync::Arc;

use oxicorn_http::response::Facts;
use oxicorn_http::{BodyDecoder, Head};

use crate::application::{Application, Body, Called, Request};
use crate::away::Away;
use crate::claim::Claim;
use crate::clock::Moment;
use crate::cycle::{Absent, Conn, Flow};
use crate::engine::Engine;
use crate::exchange::{ComingBody, Exchange};
use crate::pace::Push;
use crate::retire::Reason as Retirement;

/// A complete head, and whether the client sent more than the message it begins.
pub(crate) struct Message<'a> {
    pub head: &'a Head,
    pub bytes: &'a [u8],
    pub has_more_behind: bool,
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
        let Message {
            head,
            bytes,
            has_more_behind,
        } = message;
        self.requests = self.requests.saturating_add(1);
        connection.requests = connection.requests.saturating_add(1);
        let started = self.started(&mut connection);
        if Some(self.requests) == self.options.limits.requests {
            self.retire(Retirement::Requests, application);
        }
        let facts = Facts {
            version: head.version,
            is_head: head.method(bytes) == b"HEAD",
            keep_alive: head.keep_alive && !self.options.keepalive.is_zero() && !self.ends_all(),
        };
        let bytes_in = (bytes.len() as u64).saturating_add(body.length());
        let began = self.now;
        let peer = connection.peer.text.as_bytes();
        let ticket = self.slot.begin_request(
            head.method(bytes),
            head.target(bytes),
            peer,
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
        let listener = connection.listener;
        let number = connection.requests;
        // What follows on the connection would overtake a response that waits.
        let may_wait = self.batch.may_wait() && !has_more_behind;
        let away = (!A::INLINE).then(|| Away {
            socket: Arc::clone(&connection.socket),
            began,
            ticket,
            bytes_in,
            is_overdue: false,
            behind: Vec::new(),
            interest: connection.interest,
        });
        let place = connection.place;
        let buffer = if A::INLINE {
            self.lend_scratch()
        } else {
            self.spare_buffers.pop().unwrap_or_default()
        };
        let push = if A::INLINE {
            self.pace.push(self.now)
        } else {
            Push::default()
        };
        let may_wait = may_wait && (A::INLINE || A::GATHERS);
        if connection.output.is_empty() {
            connection.socket.asks(has_more_behind);
        }
        let claim = Claim::new(self.slot, ticket, &*connection.socket);
        let mut exchange = Exchange::new(
            connection,
            buffer,
            (self.date, started),
            facts,
            may_wait,
            push,
            claim,
        );
        if coming.is_some() {
            exchange.expect(ComingBody {
                is_coming: true,
                waits_for_continue: head.expect_continue && body.length() == 0,
            });
        }
        let request = Request {
            head,
            bytes,
            body,
            listener,
            number,
        };
        self.called = Some(ticket);
        self.enter_call(began, started);
        let called = application.call(request, exchange);
        self.leave_call(application);
        self.called = None;
        let mut ended = match called {
            Called::Answered(exchange) => exchange.into_ended(),
            Called::Taken => {
                if let Some(seat) = self.seats.get_mut(place.key) {
                    seat.away = away;
                }
                return Err(Absent::Taken);
            }
            Called::Away(departure) => {
                self.return_scratch_alone(departure.buffer);
                let away = Away {
                    socket: departure.socket,
                    began,
                    ticket,
                    bytes_in,
                    is_overdue: false,
                    behind: Vec::new(),
                    interest: departure.interest,
                };
                self.depart(place, away, coming);
                return Err(Absent::Taken);
            }
            Called::Lost => {
                self.slot.drop_request(ticket);
                return Err(Absent::Lost);
            }
        };
        if A::INLINE {
            let buffer = std::mem::take(&mut ended.buffer);
            self.return_scratch(buffer, &mut ended.connection);
        }
        ended.connection.leftover = coming;
        self.now = Moment::now();
        self.date.refresh(self.now);
        let micros = self.now.micros_since(began);
        self.batch.observe(micros);
        self.pace.spend(ended.sending);
        self.slot
            .end_request(ticket, ended.status, micros, bytes_in, ended.bytes_sent);
        self.slot.beat(self.now.millis());
        self.after_call(ended, has_more_behind, application)
    }
}
