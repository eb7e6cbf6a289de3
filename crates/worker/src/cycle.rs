//! A connection's steps up to the application: receive, parse, call. What follows is in `answer.rs`.

use std::io;
use std::sync::Arc;

use oxicorn_http::proxy::{self, Outcome as ProxyOutcome};
use oxicorn_http::response::CONTINUE;
use oxicorn_http::{BodyDecoder, BodyLength, Decoded, Eof, Head, Refused};
use oxicorn_sys::epoll::Interest;
use oxicorn_sys::stream::Progress;

use crate::application::{Application, Body};
use crate::calling::Message;
use crate::connection::{Connection, Incoming, Phase, Place, Then};
use crate::deadlines;
use crate::engine::Engine;

use crate::live;
use crate::pace::LEAP;
use crate::queue::NotStarted;
use crate::seat::Next;
use crate::upload::{Received, Upload};

pub(crate) type Conn<A> = Box<Connection<<A as Application>::Client>>;

/// A step's end: the connection, and what becomes of it.
pub(crate) type Step<A> = Result<(Conn<A>, Next), Absent>;

/// Why there is no connection after a step.
pub(crate) enum Absent {
    /// It went down with the application call that had it.
    Lost,
    /// It is away with its request.
    Taken,
}

/// How far [`Engine::advance`] may go on with what it has.
pub(crate) enum Flow {
    /// The next message may be looked at.
    On,
    /// The connection waits, or ends.
    Stop(Next),
}

impl Flow {
    /// The next message may be looked at.
    pub fn is_on(&self) -> bool {
        matches!(self, Flow::On)
    }

    /// What becomes of a connection that is not looked at now.
    pub fn next(self) -> Next {
        match self {
            Flow::On => READ_ON,
            Flow::Stop(next) => next,
        }
    }
}

pub(crate) const READ_ON: Next = Next::Await(Interest::Readable);

impl<A: Application> Engine<A> {
    /// Bytes came.
    pub(crate) fn receive(
        &mut self,
        mut connection: Conn<A>,
        data: &[u8],
        application: &mut A,
    ) -> Step<A> {
        if !connection.input.is_empty() {
            connection.input.extend_from_slice(data);
            return self.advance_input(connection, application);
        }
        let (mut connection, next, left) = self.advance(connection, data, application)?;
        let left = data
            .get(data.len().saturating_sub(left)..)
            .unwrap_or_default();
        connection.input.extend_from_slice(left);
        Ok((connection, next))
    }

    /// Goes on with what was kept.
    pub(crate) fn advance_input(
        &mut self,
        mut connection: Conn<A>,
        application: &mut A,
    ) -> Step<A> {
        let mut input = std::mem::take(&mut connection.input);
        let (mut connection, next, left) = self.advance(connection, &input, application)?;
        // Bytes that wait for the rest of their head stay where they are: a head that comes byte by
        // byte is not copied byte by byte.
        input.drain(..input.len().saturating_sub(left));
        if connection.input.is_empty() && left > 0 {
            connection.input = input;
        }
        Ok((connection, next))
    }

    /// Goes through `data`, message after message, as far as it reaches; says how many bytes are
    /// left at its end.
    fn advance(
        &mut self,
        mut connection: Conn<A>,
        data: &[u8],
        application: &mut A,
    ) -> Result<(Conn<A>, Next, usize), Absent> {
        let mut rest = data;
        let place = connection.place;
        loop {
            let step = match connection.phase {
                Phase::Head if rest.is_empty() => Ok((connection, Flow::Stop(READ_ON))),
                Phase::Head => self.read_head(connection, &mut rest, application),
                Phase::Body(_) => self.read_body(connection, &mut rest, application),
                Phase::Skipping(_) => self.skip(connection, &mut rest, application),
                Phase::Preface => self.read_preface(connection, &mut rest, application),
                Phase::Lingering => {
                    rest = &[];
                    Ok((connection, Flow::Stop(READ_ON)))
                }
                Phase::Sending(_) => Ok((connection, Flow::Stop(Next::Await(Interest::Writable)))),
            };
            let flow;
            (connection, flow) = step.inspect_err(|_| self.keep_behind(place, rest))?;
            if let Flow::Stop(next) = flow {
                return Ok((connection, next, rest.len()));
            }
        }
    }

    /// What follows a request that is away waits in its seat.
    fn keep_behind(&mut self, place: Place, rest: &[u8]) {
        if let Some(away) = self
            .seats
            .get_mut(place.key)
            .and_then(|seat| seat.away.as_mut())
        {
            away.keep_behind(rest);
        }
    }

    fn read_preface(
        &mut self,
        mut connection: Conn<A>,
        rest: &mut &[u8],
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        let address = connection.peer.address.map(|address| address.ip());
        let is_allowed = self.options.proxy_allow.trusts(address);
        match proxy::parse(self.options.proxy_protocol, is_allowed, rest) {
            Ok(ProxyOutcome::NeedMore) => return Ok((connection, Flow::Stop(READ_ON))),
            Ok(ProxyOutcome::NotProxy) => {}
            Ok(ProxyOutcome::Header { len, info }) => {
                *rest = rest.get(len..).unwrap_or_default();
                connection.peer.proxy = info;
            }
            Err(refused) => return self.refuse(connection, &[], &refused, application),
        }
        connection.phase = Phase::Head;
        Ok((connection, Flow::On))
    }

    fn read_head(
        &mut self,
        mut connection: Conn<A>,
        rest: &mut &[u8],
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        let trusted = connection.peer.trusted;
        let mut head = self.head.take().unwrap_or_default();
        let is_first = connection.parser.is_fresh();
        if let Some(partial) = connection.partial_head.take() {
            head = partial;
        }
        let parsed = connection
            .parser
            .parse(rest, &self.options.http, trusted, &mut head);
        match parsed {
            Ok(Some(length)) => {
                let (bytes, behind) = rest.split_at_checked(length).unwrap_or((rest, &[]));
                *rest = behind;
                self.begin(connection, head, bytes, rest, application)
            }
            Ok(None) => {
                connection.partial_head = Some(head);
                if is_first {
                    // The first bytes of this head: from here on it has to come along.
                    connection.deadline = self.busy_deadline(self.options.head_timeout);
                }
                Ok((connection, Flow::Stop(READ_ON)))
            }
            Err(refused) => {
                self.head = Some(head);
                self.refuse(connection, rest, &refused, application)
            }
        }
    }

    /// A head is complete: calls the application if the body is too, else waits for it.
    fn begin(
        &mut self,
        mut connection: Conn<A>,
        head: Box<Head>,
        bytes: &[u8],
        rest: &mut &[u8],
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        if head.expect_continue && !A::STREAMS {
            // RFC 9110 §10.1.1. Refused bytes wait; a connection that is gone shows soon.
            let _ = connection.output.push(CONTINUE);
            if let (Progress::Ended, _) = connection.output.send(&connection.socket, LEAP) {
                return Ok((connection, Flow::Stop(Next::Close)));
            }
            if connection.output.is_empty() {
                // The answer itself has not begun.
                connection.socket.asks(false);
            }
        }
        let whole = match head.body {
            BodyLength::None => Some(0),
            BodyLength::Known(length) => usize::try_from(length)
                .ok()
                .filter(|length| *length <= rest.len()),
            BodyLength::Chunked => None,
        };
        if let Some((body, behind)) = whole.and_then(|length| rest.split_at_checked(length)) {
            *rest = behind;
            let message = Message {
                head: &head,
                bytes,
                has_more_behind: !rest.is_empty(),
            };
            let called = self.call(connection, message, Body::Memory(body), None, application);
            self.head = Some(head);
            return called;
        }
        if A::STREAMS {
            let called = self.call_early(connection, &head, bytes, rest, application);
            self.head = Some(head);
            return called;
        }
        let decoder = BodyDecoder::new(head.body, &self.options.http);
        let upload = Upload::new(Arc::clone(&self.budget));
        let incoming = Incoming {
            head: *head,
            bytes: bytes.to_vec(),
            decoder,
            upload,
        };
        connection.phase = Phase::Body(Box::new(incoming));
        Ok((connection, Flow::On))
    }

    /// Calls the application with as much of the body as there is.
    fn call_early(
        &mut self,
        connection: Conn<A>,
        head: &Head,
        bytes: &[u8],
        rest: &mut &[u8],
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        let mut decoder = Box::new(BodyDecoder::new(head.body, &self.options.http));
        let mut first = Vec::new();
        let decoded = live::decode(&mut decoder, rest, &self.options.http, |piece| {
            first.extend_from_slice(piece);
        });
        let (behind, decoder) = match decoded {
            Ok(None) => (&[][..], Some(decoder)),
            Ok(Some(behind)) => (behind, None),
            Err(refused) => return self.refuse(connection, bytes, &refused, application),
        };
        *rest = behind;
        let message = Message {
            head,
            bytes,
            has_more_behind: !rest.is_empty(),
        };
        self.call(
            connection,
            message,
            Body::Memory(&first),
            decoder,
            application,
        )
    }

    /// Passes over a body that the application did not want.
    fn skip(
        &mut self,
        mut connection: Conn<A>,
        rest: &mut &[u8],
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        let Phase::Skipping(skipped) = &mut connection.phase else {
            return Ok((connection, Flow::On));
        };
        skipped.patience = skipped.patience.saturating_sub(rest.len());
        let decoded = live::decode(&mut skipped.decoder, rest, &self.options.http, |_| {});
        match decoded {
            Ok(None) if skipped.patience == 0 => {
                *rest = &[];
                self.proceed(connection, Then::Linger)
            }
            Ok(None) => {
                *rest = &[];
                Ok((connection, Flow::Stop(READ_ON)))
            }
            Ok(Some(behind)) => {
                *rest = behind;
                self.proceed(connection, Then::NextRequest)
            }
            Err(refused) => self.refuse(connection, &[], &refused, application),
        }
    }

    fn read_body(
        &mut self,
        mut connection: Conn<A>,
        rest: &mut &[u8],
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        let Phase::Body(incoming) = &mut connection.phase else {
            return Ok((connection, Flow::On));
        };
        match take_in(incoming, rest, &self.options.http) {
            Ok(Taken::More) => {
                connection.deadline = self.busy_deadline(deadlines::BODY);
                Ok((connection, Flow::Stop(READ_ON)))
            }
            Ok(Taken::All) => self.call_incoming(connection, !rest.is_empty(), application),
            Err(Failed::Refused(refused)) => {
                let received = std::mem::take(&mut incoming.bytes);
                self.refuse(connection, &received, &refused, application)
            }
            Err(Failed::Storage(error)) => self.unstored(connection, &error, application),
        }
    }

    /// The whole of a body that did not come with its head is here.
    fn call_incoming(
        &mut self,
        mut connection: Conn<A>,
        has_more_behind: bool,
        application: &mut A,
    ) -> Result<(Conn<A>, Flow), Absent> {
        let Phase::Body(incoming) = std::mem::replace(&mut connection.phase, Phase::Head) else {
            return Ok((connection, Flow::On));
        };
        let Incoming {
            head,
            bytes,
            upload,
            ..
        } = *incoming;
        let message = Message {
            head: &head,
            bytes: &bytes,
            has_more_behind,
        };
        match upload.finish() {
            Ok(Received::Memory(body)) => {
                self.call(connection, message, Body::Memory(&body), None, application)
            }
            Ok(Received::File { file, length }) => self.call(
                connection,
                message,
                Body::File { file, length },
                None,
                application,
            ),
            Err(error) => self.unstored(connection, &error, application),
        }
    }

    /// The peer has ended its side, or the connection failed.
    pub(crate) fn at_end(&mut self, mut connection: Conn<A>, application: &mut A) -> Step<A> {
        let Phase::Body(incoming) = &mut connection.phase else {
            return Ok((connection, Next::Close));
        };
        let flow;
        (connection, flow) = match incoming.decoder.at_eof() {
            Eof::Complete | Eof::Short => {
                incoming.head.keep_alive = false;
                self.call_incoming(connection, false, application)?
            }
            Eof::Broken => {
                application.not_started(&connection.peer, &incoming.bytes, NotStarted::Abandoned);
                (connection, Flow::Stop(Next::Close))
            }
            Eof::Refused(refused) => {
                let received = std::mem::take(&mut incoming.bytes);
                self.refuse(connection, &received, &refused, application)?
            }
        };
        match flow {
            Flow::Stop(next) => Ok((connection, next)),
            Flow::On => Ok((connection, READ_ON)),
        }
    }
}

enum Taken {
    /// The body goes on.
    More,
    /// That was all of it.
    All,
}

enum Failed {
    Refused(Refused),
    Storage(io::Error),
}

/// Decodes `rest` into the upload as far as the body reaches.
fn take_in(
    incoming: &mut Incoming,
    rest: &mut &[u8],
    options: &oxicorn_http::Options,
) -> Result<Taken, Failed> {
    loop {
        let (consumed, decoded) = incoming
            .decoder
            .decode(rest, options)
            .map_err(Failed::Refused)?;
        match decoded {
            Decoded::Data(data) => incoming.upload.push(data).map_err(Failed::Storage)?,
            Decoded::NeedMore => {
                *rest = rest.get(consumed..).unwrap_or_default();
                return Ok(Taken::More);
            }
            Decoded::End => {
                *rest = rest.get(consumed..).unwrap_or_default();
                return Ok(Taken::All);
            }
        }
        *rest = rest.get(consumed..).unwrap_or_default();
    }
}
