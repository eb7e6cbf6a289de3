//! The end of a cycle: what follows a call, sending at the client's pace, refusals.

use std::io;

use oxicorn_http::{HeadParser, Refused, SERVER_ERROR, error_page};
use oxicorn_sys::epoll::Interest;
use oxicorn_sys::stream::{self, Progress};

use crate::application::Application;
use crate::clock::Moment;
use crate::connection::{Phase, Skipped, Then};
use crate::cycle::{Absent, Conn, Flow, READ_ON, Step};
use crate::deadlines;
use crate::engine::Engine;
use crate::exchange::{Ended, Outcome};
use crate::seat::Next;

/// Most bytes of a body nobody wanted that are read for the sake of the next request.
const SKIPPED_AT_MOST: usize = 1024 * 1024;
/// Most bytes of one connection that a turn sends, so that none has to wait for a large file of
/// another.
const SLICE: usize = 1024 * 1024;

impl<A: Application> Engine<A> {
    pub(crate) fn after_call(
        &mut self,
        ended: Ended<A::Client>,
        has_more_behind: bool,
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        let Ended {
            mut connection,
            outcome,
            failure,
            ..
        } = ended;
        connection.waits_since = None;
        if let Some(error) = failure {
            application.trouble(
                &connection.peer,
                "cannot keep a response for a slow client",
                &error,
            );
        }
        let then = match outcome {
            Outcome::Cut => return Ok((connection, Flow::Stop(Next::Close))),
            // A socket that is closed with unread bytes is reset, and the reset may overtake the
            // response.
            Outcome::Close if has_more_behind || connection.leftover.is_some() => Then::Linger,
            Outcome::Close => Then::Close,
            // The drain may have begun during the call, when the response already said
            // keep-alive; the connection then waits as an idle one does.
            Outcome::KeepAlive => Then::NextRequest,
        };
        if !connection.output.is_empty() {
            return self.send_slowly(connection, then);
        }
        self.proceed(connection, then)
    }

    /// A connection is back from a call elsewhere; `behind` is what came meanwhile.
    pub(crate) fn go_on(
        &mut self,
        ended: Ended<A::Client>,
        behind: Vec<u8>,
        application: &mut A,
    ) -> Step<A> {
        let (mut connection, flow) = self.after_call(ended, !behind.is_empty(), application)?;
        match flow {
            Flow::On => {
                connection.input = behind;
                self.advance_input(connection, application)
            }
            Flow::Stop(next) => {
                if let Phase::Sending(Then::NextRequest) = connection.phase {
                    connection.input = behind;
                }
                Ok((connection, next))
            }
        }
    }

    pub(crate) fn send_slowly(
        &mut self,
        mut connection: Conn<A>,
        then: Then,
    ) -> Result<(Conn<A>, Flow), Absent> {
        connection.phase = Phase::Sending(then);
        connection.deadline = self.busy_deadline(deadlines::SENDING);
        Ok((connection, Flow::Stop(Next::Await(Interest::Writable))))
    }

    /// Everything is sent.
    pub(crate) fn proceed(
        &mut self,
        mut connection: Conn<A>,
        then: Then,
    ) -> Result<(Conn<A>, Flow), Absent> {
        match then {
            Then::NextRequest if connection.leftover.is_some() => {
                if let Some(decoder) = connection.leftover.take() {
                    let patience = SKIPPED_AT_MOST;
                    connection.phase = Phase::Skipping(Box::new(Skipped { decoder, patience }));
                }
                connection.deadline = self.busy_deadline(deadlines::BODY);
                Ok((connection, Flow::On))
            }
            Then::NextRequest => {
                connection.phase = Phase::Head;
                connection.deadline = self.idle_deadline();
                Ok((connection, Flow::On))
            }
            Then::Close => Ok((connection, Flow::Stop(Next::Close))),
            Then::Linger => {
                stream::finish_sending(&connection.socket);
                connection.phase = Phase::Lingering;
                connection.input = Vec::new();
                connection.deadline = self.busy_deadline(deadlines::LINGER);
                Ok((connection, Flow::On))
            }
        }
    }

    /// The socket takes bytes again.
    pub(crate) fn send_on(&mut self, mut connection: Conn<A>, application: &mut A) -> Step<A> {
        let Phase::Sending(then) = connection.phase else {
            return Ok((connection, READ_ON));
        };
        let since = self.now;
        let (progress, sent) = connection.output.send(&connection.socket, SLICE);
        self.now = Moment::now();
        self.pace.spend(self.now.micros_since(since));
        if sent > 0 {
            connection.deadline = self.busy_deadline(deadlines::SENDING);
        }
        match progress {
            Progress::WouldBlock => Ok((connection, Next::Await(Interest::Writable))),
            Progress::Ended => Ok((connection, Next::Close)),
            Progress::Bytes(_) => {
                let (connection, flow) = self.proceed(connection, then)?;
                match flow {
                    Flow::Stop(next) => Ok((connection, next)),
                    Flow::On => self.advance_input(connection, application),
                }
            }
        }
    }

    /// Answers a message that cannot be served and ends the connection.
    #[cold]
    pub(crate) fn refuse(
        &mut self,
        connection: Conn<A>,
        received: &[u8],
        refused: &Refused,
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        application.refused(&connection.peer, received, refused);
        let page = refused.page(self.date.line());
        self.dismiss(connection, &page)
    }

    /// A body that could not be stored: 500, so that the client may try again elsewhere.
    #[cold]
    pub(crate) fn unstored(
        &mut self,
        connection: Conn<A>,
        error: &io::Error,
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        application.trouble(&connection.peer, "cannot store a request body", error);
        self.dismiss(connection, &error_page(500, SERVER_ERROR, "", b""))
    }

    pub(crate) fn dismiss(
        &mut self,
        mut connection: Conn<A>,
        page: &[u8],
    ) -> Result<(Conn<A>, Flow), Absent> {
        connection.parser = HeadParser::new();
        if connection.output.push(page).is_err() {
            return Ok((connection, Flow::Stop(Next::Close)));
        }
        match connection.output.send(&connection.socket, SLICE).0 {
            Progress::Bytes(_) => self.proceed(connection, Then::Linger),
            Progress::WouldBlock => self.send_slowly(connection, Then::Linger),
            Progress::Ended => Ok((connection, Flow::Stop(Next::Close))),
        }
    }
}
