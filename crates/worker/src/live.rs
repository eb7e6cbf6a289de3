//! Requests that run elsewhere and stay in touch with the loop: their bodies come while they run,
//! they hear of the client's end, and of room for what they send. Of the same kind are connections
//! that were handed over raw, for another protocol.
//!
//! The loop tells ([`Application::arrived`], [`Application::ended`], [`Application::room`]); the
//! application layer asks ([`Engine::want_more`], [`Engine::want_room`], [`Engine::hand_over`]).
//! Nothing is read that nobody wants: the kernel then holds the client back.

use oxicorn_http::{BodyDecoder, Decoded, Options as HttpOptions, Refused};
use oxicorn_sys::epoll::{Interest, Readiness};
use oxicorn_sys::stream::{self, Progress};

use crate::application::Application;
use crate::away::Away;
use crate::clock::Moment;
use crate::connection::{Place, Then};
use crate::deadlines;
use crate::engine::Engine;
use crate::exchange::{Exchange, Outcome};
use crate::raw::Raw;
use crate::seat::{Arrived, Seat, pack};

/// Bytes of pipelined requests that are read while one runs.
const BEHIND: usize = 64 * 1024;

/// Received at once.
const SLICE: usize = 64 * 1024;

/// Whether the application layer has room for more of what comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Appetite {
    /// Go on.
    More,
    /// Wait for [`Engine::want_more`].
    Enough,
}

/// What is over for a request that runs.
#[derive(Debug)]
pub enum End<'a> {
    /// Its body, which has come whole.
    Body,
    /// Its body, which is malformed: there will be no more of it.
    Refused(&'a Refused),
    /// The client's side of the connection. What is sent may still arrive.
    Client,
    /// The connection: it failed, or the client took too long.
    Connection,
}

/// What the loop keeps of it, beside [`Away`].
pub(crate) struct Live {
    reading: Reading,
    /// The client has not ended its side.
    is_open: bool,
    /// The application layer has as much as it can take.
    is_sated: bool,
    /// Output waits for room in the socket.
    wants_room: bool,
    /// The client has to do something until then.
    deadline: Option<Moment>,
}

enum Reading {
    /// The request's body.
    Body(Box<BodyDecoder>),
    /// What comes behind the request.
    Behind,
    /// Whatever comes, for the application layer.
    Raw,
    /// Nothing any more.
    Nothing,
}

impl Live {
    /// `body` is what decodes the rest of the body, if there is a rest.
    pub fn new(body: Option<Box<BodyDecoder>>) -> Live {
        Live {
            reading: body.map_or(Reading::Behind, Reading::Body),
            is_open: true,
            is_sated: false,
            wants_room: false,
            deadline: None,
        }
    }

    /// What decodes the rest of a body that nobody has read to its end.
    pub fn leftover(self) -> Option<Box<BodyDecoder>> {
        match self.reading {
            Reading::Body(decoder) => Some(decoder),
            Reading::Behind | Reading::Raw | Reading::Nothing => None,
        }
    }

    /// The client took too long.
    pub fn is_overdue(&self, now: Moment) -> bool {
        self.deadline.is_some_and(|deadline| deadline <= now)
    }

    fn reads(&self, behind: usize) -> bool {
        self.is_open
            && match self.reading {
                Reading::Body(_) | Reading::Raw => !self.is_sated,
                Reading::Behind => behind < BEHIND,
                Reading::Nothing => false,
            }
    }

    fn interest(&self, behind: usize) -> Interest {
        match (self.reads(behind), self.wants_room) {
            (true, true) => Interest::ReadableOrWritable,
            (true, false) => Interest::Readable,
            (false, true) if self.is_open => Interest::WritableOrPeerEnd,
            (false, true) => Interest::Writable,
            (false, false) if self.is_open => Interest::PeerEnd,
            (false, false) => Interest::Nothing,
        }
    }
}

impl<A: Application> Engine<A> {
    /// A request went on elsewhere: its connection is watched for what may come.
    pub(crate) fn depart(&mut self, place: Place, away: Away, body: Option<Box<BodyDecoder>>) {
        let Some(seat) = self.seats.get_mut(place.key) else {
            return;
        };
        seat.away = Some(away);
        seat.live = Some(Live::new(body));
        self.adjust(place);
    }

    /// The application layer has taken what came and has room for more.
    pub fn want_more(&mut self, place: Place) {
        if let Some(live) = self.live(place) {
            live.is_sated = false;
            self.adjust(place);
        }
    }

    /// Something of a response waits: [`Application::room`] is called when the socket takes it.
    pub fn want_room(&mut self, place: Place) {
        if let Some(live) = self.live(place) {
            live.wants_room = true;
            self.adjust(place);
        }
    }

    /// The connection of a request changes its protocol: gives what came behind the request; every
    /// later byte goes to [`Application::arrived`].
    pub fn hand_over(&mut self, place: Place) -> Vec<u8> {
        let Some(live) = self.live(place) else {
            return Vec::new();
        };
        live.reading = Reading::Raw;
        let behind = self
            .seats
            .get_mut(place.key)
            .and_then(|seat| seat.away.as_mut())
            .map(|away| std::mem::take(&mut away.behind))
            .unwrap_or_default();
        self.adjust(place);
        behind
    }

    /// A connection that was handed over ends, after what waits has been sent. The client may
    /// still read it in peace.
    pub fn take_back(&mut self, place: Place, raw: Raw<A::Client>, status: u16) {
        let Some((away, _)) = self.return_seat(place) else {
            return;
        };
        let (mut connection, bytes_sent) = raw.into_parts();
        connection.interest = away.interest;
        self.now = Moment::now();
        let micros = self.now.micros_since(away.began);
        self.slot
            .end_request(away.ticket, status, micros, away.bytes_in, bytes_sent);
        let step = if connection.output.is_empty() {
            self.proceed(connection, Then::Linger)
        } else {
            self.send_slowly(connection, Then::Linger)
        };
        self.conclude(
            place,
            step.map(|(connection, flow)| (connection, flow.next())),
        );
    }

    /// The response of a request is complete, and its connection free for the next one. Other
    /// requests are not called meanwhile: true says that one may be at hand for the next turn.
    pub fn put_back(
        &mut self,
        place: Place,
        exchange: Exchange<A::Client>,
        application: &mut A,
    ) -> bool {
        let Some((away, live)) = self.return_seat(place) else {
            return false;
        };
        let mut ended = exchange.into_ended();
        ended.connection.interest = away.interest;
        // The body was malformed, or the connection broke: nobody knows where a next request begins.
        let is_broken = matches!(live.reading, Reading::Nothing);
        if is_broken && ended.outcome == Outcome::KeepAlive {
            ended.outcome = Outcome::Close;
        }
        ended.connection.leftover = live.leftover();
        self.now = Moment::now();
        self.date.refresh(self.now);
        let micros = self.now.micros_since(away.began);
        self.slot.end_request(
            away.ticket,
            ended.status,
            micros,
            away.bytes_in,
            ended.bytes_sent,
        );
        let has_more = !away.behind.is_empty();
        let Ok((mut connection, flow)) = self.after_call(ended, has_more || is_broken, application)
        else {
            return false;
        };
        connection.input = away.behind;
        // From here on the socket is the connection's alone again.
        drop(away.socket);
        if has_more && flow.is_on() {
            self.ripe.push(place);
        }
        self.settle(place.key, connection, flow.next());
        !self.ripe.is_empty()
    }

    /// Connections whose next request was kept back by [`Engine::put_back`].
    pub(crate) fn serve_ripe(&mut self, application: &mut A) {
        for place in std::mem::take(&mut self.ripe) {
            self.step(place, Arrived::Kept, application);
        }
    }

    fn return_seat(&mut self, place: Place) -> Option<(Away, Live)> {
        let seat = self
            .seats
            .get_mut(place.key)
            .filter(|seat| seat.generation == place.generation)?;
        Some((seat.away.take()?, seat.live.take()?))
    }

    fn live(&mut self, place: Place) -> Option<&mut Live> {
        self.seats
            .get_mut(place.key)
            .filter(|seat| seat.generation == place.generation)?
            .live
            .as_mut()
    }

    /// Something happened to a connection whose request runs elsewhere.
    pub(crate) fn hear(&mut self, place: Place, event: Readiness, application: &mut A) {
        let Some(live) = self.live(place) else { return };
        if event.writable && live.wants_room {
            let waits = application.room(place);
            if let Some(live) = self.live(place) {
                live.wants_room = waits;
                live.deadline = None;
            }
        }
        let Some(Seat {
            away: Some(away),
            live: Some(live),
            ..
        }) = self.seats.get_mut(place.key)
        else {
            return;
        };
        if live.reads(away.behind.len()) {
            self.take_in_live(place, event.hung_up, application);
        } else if event.hung_up {
            self.lose(place, application);
        } else if event.peer_ended {
            self.client_ended(place, application);
        }
        self.adjust(place);
    }

    fn take_in_live(&mut self, place: Place, hung_up: bool, application: &mut A) {
        let Some(away) = self
            .seats
            .get_mut(place.key)
            .and_then(|seat| seat.away.as_mut())
        else {
            return;
        };
        let mut landing = std::mem::take(&mut self.landing);
        landing.resize(SLICE, 0);
        match stream::receive(&away.socket, &mut landing) {
            Progress::Bytes(length) => {
                let data = landing.get_mut(..length).unwrap_or_default();
                self.deliver(place, data, application);
            }
            Progress::WouldBlock => {}
            Progress::Ended if hung_up => self.lose(place, application),
            Progress::Ended => self.client_ended(place, application),
        }
        self.landing = landing;
    }

    fn deliver(&mut self, place: Place, data: &mut [u8], application: &mut A) {
        let Some(Seat {
            away: Some(away),
            live: Some(live),
            ..
        }) = self.seats.get_mut(place.key)
        else {
            return;
        };
        live.deadline = None;
        match &mut live.reading {
            Reading::Nothing => {}
            Reading::Behind => away.keep_behind(data),
            Reading::Raw => {
                live.is_sated = application.arrived_raw(place, data) == Appetite::Enough;
            }
            Reading::Body(decoder) => {
                away.bytes_in = away.bytes_in.saturating_add(data.len() as u64);
                let mut appetite = Appetite::More;
                let decoded = decode(decoder, data, &self.options.http, |piece| {
                    appetite = application.arrived(place, piece);
                });
                live.is_sated = appetite == Appetite::Enough;
                match decoded {
                    Ok(None) => {}
                    Ok(Some(rest)) => {
                        live.reading = Reading::Behind;
                        away.keep_behind(rest);
                        application.ended(place, End::Body);
                    }
                    Err(refused) => {
                        live.reading = Reading::Nothing;
                        application.ended(place, End::Refused(&refused));
                    }
                }
            }
        }
    }

    fn client_ended(&mut self, place: Place, application: &mut A) {
        if let Some(live) = self.live(place).filter(|live| live.is_open) {
            live.is_open = false;
            application.ended(place, End::Client);
        }
    }

    /// The connection is of no use any more.
    pub(crate) fn lose(&mut self, place: Place, application: &mut A) {
        let Some(live) = self.live(place) else { return };
        live.is_open = false;
        live.reading = Reading::Nothing;
        live.wants_room = false;
        live.deadline = None;
        if let Some(away) = self
            .seats
            .get_mut(place.key)
            .and_then(|seat| seat.away.as_mut())
            && away.interest.take().is_some()
        {
            // It would be reported again and again.
            let _ = self.poller.remove(&away.socket);
        }
        application.ended(place, End::Connection);
    }

    /// Watches a connection for what matters now, and sets its time limit.
    fn adjust(&mut self, place: Place) {
        let body_deadline = self.busy_deadline(deadlines::BODY);
        let Some(Seat {
            away: Some(away),
            live: Some(live),
            ..
        }) = self.seats.get_mut(place.key)
        else {
            return;
        };
        let waits_for_body = matches!(live.reading, Reading::Body(_)) && !live.is_sated;
        if waits_for_body || live.wants_room {
            live.deadline.get_or_insert(body_deadline);
        } else {
            live.deadline = None;
        }
        let interest = live.interest(away.behind.len());
        if away.interest == Some(interest) {
            return;
        }
        let token = pack(place.key, place.generation);
        let watched = match away.interest {
            // Not watched after a loss, and nothing to watch for.
            None if matches!(live.reading, Reading::Nothing) && !live.is_open => return,
            None => self.poller.add(&away.socket, token, interest),
            Some(_) => self.poller.modify(&away.socket, token, interest),
        };
        if watched.is_ok() {
            away.interest = Some(interest);
        }
    }

    /// The clients that took too long.
    pub(crate) fn lose_overdue(&mut self, application: &mut A) {
        let now = self.now;
        let overdue: Vec<Place> = self
            .seats
            .iter()
            .filter(|(_, seat)| seat.live.as_ref().is_some_and(|live| live.is_overdue(now)))
            .map(|(key, seat)| Place {
                key,
                generation: seat.generation,
            })
            .collect();
        for place in overdue {
            self.lose(place, application);
        }
    }
}

/// Decodes `data` piece by piece. `None`: the body goes on; else what is behind it.
pub(crate) fn decode<'a>(
    decoder: &mut BodyDecoder,
    data: &'a [u8],
    options: &HttpOptions,
    mut piece: impl FnMut(&[u8]),
) -> Result<Option<&'a [u8]>, Refused> {
    let mut rest = data;
    loop {
        let (consumed, decoded) = decoder.decode(rest, options)?;
        let behind = rest.get(consumed..).unwrap_or_default();
        match decoded {
            Decoded::Data(data) => piece(data),
            Decoded::NeedMore => return Ok(None),
            Decoded::End => return Ok(Some(behind)),
        }
        rest = behind;
    }
}
