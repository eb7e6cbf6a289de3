//! One request while its application runs: `receive` and `send` are functions bound to it.

use std::ffi::CStr;
use std::rc::Rc;

use oxicorn_http::response::{Dialect, Fields};
use oxicorn_http::{Head, Version};
use oxicorn_worker::{Body, End, Exchange, Place, Request};
use pyo3::exceptions::PyRuntimeError;
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};

use super::client::Client;
use super::endpoint::{Endpoint, Party, Waiters, Wanted};
use super::functions::{ReceiveMessage, SendMessage};
use super::request::{Inbox, Next, Piece};
use super::respond::Stage;
use super::shared::{Command, Shared};
use super::task::Ended;
use crate::ffi::{AttachedCell, Confined, Function, Lent, references};
use crate::wsgi::Began;

/// Unsent bytes above which `send` waits.
pub const HIGH_WATER: u64 = 64 * 1024;

/// Unsent bytes at which it goes on.
pub const LOW_WATER: u64 = 16 * 1024;

/// A request and its answer.
#[pyclass(frozen, module = "oxicorn")]
pub struct Cycle {
    state: AttachedCell<State>,
    shared: Confined<Rc<Shared>>,
}

/// How far both have come.
pub struct State {
    /// `None` when the response is complete and the connection given back.
    pub exchange: Option<Exchange<Client>>,
    pub place: Place,
    /// The call is over and the request goes on by itself.
    pub is_away: bool,
    pub inbox: Inbox,
    pub stage: Stage,
    /// Status line without the version.
    pub status: Vec<u8>,
    /// Status code.
    pub code: u16,
    pub fields: Fields,
    pub trailers: Fields,
    pub version: Version,
    /// Nothing that is sent can arrive any more.
    pub is_lost: bool,
    /// The body was malformed, and a page of the server's said so.
    pub is_refused: bool,
    /// The watchdog has answered, and the access log knows.
    pub is_overdue: bool,
    waiters: Waiters,
    /// The application's task, until it is done.
    pub task: Option<Py<PyAny>>,
    /// Method and target of the request, once it has a task that goes on.
    pub name: Vec<u8>,
    /// Where the cycle is in [`Shared::running`].
    pub key: Option<usize>,
    /// The end of the request's grace, when its client has gone.
    pub timer: Option<Py<PyAny>>,
    /// What logs and hooks want to know of the request when it is over.
    pub told: Option<Box<Told>>,
    pub began: Began,
    /// What `pre_request` was called with, for `post_request`.
    pub req: Option<Py<PyAny>>,
    /// Body bytes that were sent when the client ended its side.
    pub sent_at_end: u64,
}

/// A request that goes on, as logs and hooks know it.
pub struct Told {
    pub head: Head,
    pub bytes: Vec<u8>,
    pub listener: usize,
    pub number: u32,
}

impl Told {
    /// Of this request.
    pub fn of(request: &Request<'_>) -> Told {
        Told {
            head: request.head.clone(),
            bytes: request.bytes.to_vec(),
            listener: request.listener,
            number: request.number,
        }
    }

    /// The request again, without its body.
    pub fn request(&self) -> Request<'_> {
        Request {
            head: &self.head,
            bytes: &self.bytes,
            body: Body::Memory(b""),
            listener: self.listener,
            number: self.number,
        }
    }
}

impl State {
    fn new(py: Python<'_>) -> State {
        State {
            exchange: None,
            place: Place::default(),
            is_away: false,
            inbox: Inbox::new(py, b"", false),
            stage: Stage::Open,
            status: Vec::new(),
            code: 0,
            fields: Fields::new(Dialect::Asgi),
            trailers: Fields::new(Dialect::Asgi),
            version: Version::HTTP_11,
            is_lost: false,
            is_refused: false,
            is_overdue: false,
            waiters: Waiters::default(),
            task: None,
            name: Vec::new(),
            key: None,
            timer: None,
            told: None,
            began: Began::default(),
            req: None,
            sent_at_end: 0,
        }
    }

    /// The response is complete: gives its connection back.
    pub fn release(&mut self) -> Option<Exchange<Client>> {
        let mut exchange = self.exchange.take()?;
        if let Some(client) = exchange.client() {
            client.presence.get().request_over();
        }
        Some(exchange)
    }

    /// Nothing of the response has been sent.
    pub fn is_untold(&self) -> bool {
        self.exchange
            .as_ref()
            .is_none_or(|exchange| !exchange.is_started())
    }

    /// The response is one that goes on until somebody ends it.
    pub fn is_event_stream(&self) -> bool {
        !self.is_untold()
            && self
                .fields
                .lines()
                .split(|byte| *byte == b'\n')
                .any(|line| {
                    let line = line.to_ascii_lowercase();
                    line.starts_with(b"content-type: text/event-stream")
                })
    }

    /// Somebody waits to hear of the client's end.
    pub fn is_listened_to(&self) -> bool {
        !self.inbox.is_coming() && self.waiters.want(Wanted::Message)
    }

    /// Body bytes that were sent.
    pub fn body_sent(&self) -> u64 {
        self.exchange.as_ref().map_or(0, Exchange::body_sent)
    }

    /// The client takes too little of what is sent.
    pub fn is_congested(&self, limit: u64) -> bool {
        !self.is_lost
            && self
                .exchange
                .as_ref()
                .is_some_and(|exchange| !exchange.is_cut() && exchange.unsent() > limit)
    }
}

impl Cycle {
    /// The state, for as long as no Python code runs.
    #[inline]
    pub fn state<'a>(&'a self, py: Python<'a>) -> PyResult<Lent<'a, State>> {
        self.state
            .lend(py)
            .ok_or_else(|| PyRuntimeError::new_err("the request is in use"))
    }

    /// Bytes of the body came; true if that is enough for now.
    pub fn arrived(&self, py: Python<'_>, data: &[u8]) -> bool {
        let is_sated = self.state(py).is_ok_and(|mut state| state.inbox.push(data));
        self.wake(py, Wanted::Message);
        is_sated
    }

    /// The socket takes bytes again; true if some still wait then.
    pub fn room(&self, py: Python<'_>) -> bool {
        let Ok(mut state) = self.state(py) else {
            return false;
        };
        let Some(exchange) = &mut state.exchange else {
            return false;
        };
        let Ok(is_sent) = exchange.send_waiting() else {
            state.is_lost = true;
            state.inbox.leave();
            drop(state);
            self.wake(py, Wanted::Message);
            self.wake(py, Wanted::Room);
            return false;
        };
        let has_room = !state.is_congested(LOW_WATER);
        drop(state);
        if has_room {
            self.wake(py, Wanted::Room);
        }
        !is_sent
    }

    /// Something is over. True if the request was answered because of it, whatever its application does.
    pub fn ended(&self, py: Python<'_>, end: &End<'_>) -> bool {
        let Ok(mut state) = self.state(py) else {
            return false;
        };
        let mut is_answered = false;
        match end {
            End::Body => state.inbox.body_ended(),
            End::Client => state.inbox.leave(),
            End::Refused(refused) => {
                state.inbox.leave();
                let is_untold = state.is_untold();
                if let Some(exchange) = &mut state.exchange {
                    // Nobody can tell where the next request begins.
                    exchange.close_after();
                    if is_untold {
                        exchange.answer(refused.status(), &refused.page(b""));
                        state.is_lost = true;
                        state.is_refused = true;
                        state.stage = Stage::Complete;
                        is_answered = true;
                    }
                }
            }
            End::Connection => {
                state.inbox.leave();
                state.is_lost = true;
            }
        }
        drop(state);
        self.wake(py, Wanted::Message);
        if let End::Connection = end {
            self.wake(py, Wanted::Room);
        }
        is_answered
    }

    /// The client is to be treated as gone.
    pub fn disconnect(&self, py: Python<'_>) {
        if let Ok(mut state) = self.state(py) {
            state.inbox.leave();
        }
        self.wake(py, Wanted::Message);
    }
}

impl Endpoint for Cycle {
    const SEND: &'static CStr = c"Send a message of this request's response (ASGI 3.0).";
    const RECEIVE: &'static CStr = c"Wait for the next message about this request (ASGI 3.0).";

    fn party(slf: &Bound<'_, Self>) -> Party {
        Party::Request(slf.clone().unbind())
    }

    #[inline]
    fn shared(&self) -> Option<&Rc<Shared>> {
        self.shared.get()
    }

    fn with_waiters<R>(&self, py: Python<'_>, change: impl FnOnce(&mut Waiters) -> R) -> Option<R> {
        Some(change(&mut self.state.lend(py)?.waiters))
    }

    fn next_message<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        let py = slf.py();
        let cycle = slf.get();
        let shared = cycle.shared_here()?;
        let mut state = cycle.state(py)?;
        let next = state.inbox.next();
        let wants_more = state.inbox.wants_more();
        if let Next::Wait = next
            && state.inbox.is_coming()
            && let Some(exchange) = &mut state.exchange
        {
            // A client that is gone is told of by the loop.
            let _ = exchange.ask_for_body();
        }
        let place = state.place;
        drop(state);
        if wants_more {
            shared.command(py, Command::More(place));
        }
        let message = PyDict::new(py);
        match next {
            Next::Wait => return Ok(None),
            Next::Disconnect => {
                message.set_item(intern!(py, "type"), intern!(py, "http.disconnect"))?;
            }
            Next::Piece(piece, has_more) => {
                let body = match piece {
                    Piece::Object(body) => body.into_bound(py),
                    Piece::Bytes(bytes) => PyBytes::new(py, &bytes),
                };
                message.set_item(intern!(py, "type"), intern!(py, "http.request"))?;
                message.set_item(intern!(py, "body"), body)?;
                message.set_item(intern!(py, "more_body"), has_more)?;
            }
        }
        Ok(Some(message.into_any()))
    }

    fn has_room(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(!slf.get().state(slf.py())?.is_congested(LOW_WATER))
    }

    #[inline]
    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyDict>) -> PyResult<bool> {
        let py = slf.py();
        let cycle = slf.get();
        let shared = cycle.shared_here()?;
        let mut state = cycle.state(py)?;
        state.apply(message, &mut *shared.lines()?)?;
        let is_complete = state.stage == Stage::Complete;
        let is_congested = !is_complete && state.is_congested(HIGH_WATER);
        let (is_away, place) = (state.is_away, state.place);
        let waits = !is_complete && state.is_congested(0);
        drop(state);
        if is_complete {
            cycle.wake(py, Wanted::Message);
        }
        if is_away && is_complete {
            shared.command(py, Command::Done(slf.clone().unbind()));
        } else if is_away && waits {
            shared.command(py, Command::Room(place));
        }
        Ok(is_congested)
    }

    fn task_done(slf: &Bound<'_, Self>, ended: Ended) -> Command {
        Command::TaskDone(slf.clone().unbind(), ended)
    }
}

/// A cycle with its functions, made once and used for request after request as long as no
/// application keeps them.
pub struct Kit {
    pub cycle: Py<Cycle>,
    pub receive: Py<PyAny>,
    pub send: Py<PyAny>,
}

/// The kit's references to the cycle, and its two functions'.
const CYCLE_KEPT: isize = 3;

impl Kit {
    /// Makes them.
    pub fn new(py: Python<'_>, shared: &Rc<Shared>) -> PyResult<Kit> {
        let cycle = Bound::new(
            py,
            Cycle {
                state: AttachedCell::new(State::new(py)),
                shared: Confined::new(Rc::clone(shared)),
            },
        )?;
        Ok(Kit {
            receive: Function::bind::<ReceiveMessage<Cycle>>(cycle.as_any())?.unbind(),
            send: Function::bind::<SendMessage<Cycle>>(cycle.as_any())?.unbind(),
            cycle: cycle.unbind(),
        })
    }

    /// A new request begins.
    pub fn begin(
        &self,
        py: Python<'_>,
        exchange: Exchange<Client>,
        version: Version,
        body: &[u8],
        began: Began,
    ) -> PyResult<()> {
        let mut state = self.cycle.get().state(py)?;
        state.place = exchange.place();
        state.inbox = Inbox::new(py, body, exchange.body_is_coming());
        state.exchange = Some(exchange);
        state.version = version;
        state.stage = Stage::Open;
        state.is_away = false;
        state.is_lost = false;
        state.is_refused = false;
        state.is_overdue = false;
        state.began = began;
        Ok(())
    }

    /// The application kept nothing that belongs to the request.
    pub fn is_free(&self, py: Python<'_>) -> bool {
        references(&self.cycle, py) == CYCLE_KEPT
            && references(&self.receive, py) == 1
            && references(&self.send, py) == 1
    }
}
