//! One WebSocket while its application runs: `receive` and `send` are functions bound to it.
//!
//! ```text
//!               accept                     close, the client's end, or TERM
//!   Connecting ────────▶ Open ──────────────────────────────────────────────▶ Over
//!       │                                                                      ▲
//!       └──────▶ Denying ──────────────────────────────────────────────────────┤
//!       └──────────────────────────────────────────────────────────────────────┘
//!         http.response.start            http.response.body; close (403)
//! ```

use std::collections::VecDeque;
use std::ffi::CStr;
use std::rc::Rc;
use std::time::Duration;

use oxicorn_http::response::Fields;
use oxicorn_websocket::handshake::Opening;
use oxicorn_websocket::{Connection, Keepalive};
use oxicorn_worker::{Exchange, Place};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::apply::Done;
use super::link::Link;
use super::opening::Settings;
use crate::asgi::client::Client;
use crate::asgi::cycle::{HIGH_WATER, LOW_WATER, Told};
use crate::asgi::endpoint::{Endpoint, Party, Waiters, Wanted};
use crate::asgi::shared::{Command, Shared};
use crate::asgi::task::Ended;
use crate::ffi::{AttachedCell, Confined, Lent};
use crate::wsgi::Began;

/// A WebSocket and the task that serves it.
#[pyclass(frozen, module = "oxicorn", name = "websocket")]
pub struct Socket {
    state: AttachedCell<State>,
    shared: Confined<Rc<Shared>>,
}

/// How far it has come.
pub struct State {
    pub link: Link,
    pub place: Place,
    /// The call is over and the connection goes on by itself.
    pub is_away: bool,
    pub stage: Stage,
    pub opening: Opening,
    pub settings: Settings,
    /// From the acceptance on.
    pub protocol: Option<Box<Connection>>,
    pub inbox: Inbox,
    /// What is about to be sent.
    pub out: Vec<u8>,
    waiters: Waiters,
    /// The application's task, until it is done.
    pub task: Option<Py<PyAny>>,
    /// Method and target of the request that opened it.
    pub name: Box<[u8]>,
    /// The client ended the WebSocket, or was lost, before the application ended it.
    pub is_forsaken: bool,
    /// The end of the task's grace after that.
    pub timer: Option<Py<PyAny>>,
    /// Where the socket is in [`Shared::sockets`].
    pub key: Option<usize>,
    pub told: Option<Box<Told>>,
    pub began: Began,
    pub pulse: Pulse,
}

/// Which message of the application may come next.
pub enum Stage {
    /// `websocket.accept`, `websocket.close` or `websocket.http.response.start`.
    Connecting,
    /// `websocket.http.response.body`.
    Denying {
        status: Vec<u8>,
        code: u16,
        fields: Fields,
        is_started: bool,
    },
    /// `websocket.send` or `websocket.close`.
    Open,
    /// None.
    Over,
}

/// What `receive` has to tell.
#[derive(Default)]
pub struct Inbox {
    /// What `receive` has told last.
    pub last: Last,
    pub messages: VecDeque<Message>,
    /// Bytes in `messages`.
    pub held: usize,
    /// What came while the inbox was full.
    pub behind: Vec<u8>,
    /// The engine was told to read no more.
    pub is_sated: bool,
    /// `websocket.disconnect` is due when the messages have been told.
    pub end: Option<Disconnect>,
}

/// The kinds of what `receive` tells.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Last {
    #[default]
    Nothing,
    Connect,
    /// The application may be about to answer it.
    Message,
    Disconnect,
}

/// A message from the client.
pub enum Message {
    Text(Py<PyAny>, usize),
    Binary(Py<PyAny>, usize),
}

/// What `websocket.disconnect` says.
#[derive(Clone, Debug)]
pub struct Disconnect {
    pub code: u16,
    pub reason: String,
}

/// The signs of life of a client, looked at once a second.
#[derive(Default)]
pub struct Pulse {
    /// From the first look on.
    pub keepalive: Option<Keepalive>,
    /// The client sent something since the last look.
    pub heard: bool,
    /// Anything went either way since then.
    pub was_busy: bool,
    /// Nothing did for so many looks.
    pub looks_at_rest: u8,
    /// Our close frame has to be answered until then.
    pub close_by: Option<Duration>,
}

impl Socket {
    /// Of a request that opens a WebSocket.
    pub fn new(
        shared: &Rc<Shared>,
        exchange: Exchange<Client>,
        opening: Opening,
        settings: Settings,
        began: Began,
        name: Box<[u8]>,
    ) -> Socket {
        let state = State {
            place: exchange.place(),
            link: Link::Exchange(Box::new(exchange)),
            is_away: false,
            stage: Stage::Connecting,
            opening,
            settings,
            protocol: None,
            inbox: Inbox::default(),
            out: Vec::new(),
            waiters: Waiters::default(),
            task: None,
            name,
            is_forsaken: false,
            timer: None,
            key: None,
            told: None,
            began,
            pulse: Pulse::default(),
        };
        Socket {
            state: AttachedCell::new(state),
            shared: Confined::new(Rc::clone(shared)),
        }
    }

    /// The state, for as long as no Python code runs.
    #[inline]
    pub fn state<'a>(&'a self, py: Python<'a>) -> PyResult<Lent<'a, State>> {
        self.state
            .lend(py)
            .ok_or_else(|| PyRuntimeError::new_err("the WebSocket is in use"))
    }

    /// Has the engine do this.
    pub fn command(&self, py: Python<'_>, command: Command) {
        if let Some(shared) = self.shared() {
            shared.command(py, command);
        }
    }
}

impl Endpoint for Socket {
    const SEND: &'static CStr = c"Send a message on this WebSocket (ASGI 3.0).";
    const RECEIVE: &'static CStr = c"Wait for the next message of this WebSocket (ASGI 3.0).";

    fn party(slf: &Bound<'_, Self>) -> Party {
        Party::Socket(slf.clone().unbind())
    }

    #[inline]
    fn shared(&self) -> Option<&Rc<Shared>> {
        self.shared.get()
    }

    fn with_waiters<R>(&self, py: Python<'_>, change: impl FnOnce(&mut Waiters) -> R) -> Option<R> {
        Some(change(&mut self.state.lend(py)?.waiters))
    }

    fn next_message<'py>(slf: &Bound<'py, Self>) -> PyResult<Option<Bound<'py, PyAny>>> {
        slf.get().shared_here()?;
        Self::take_message(slf)
    }

    fn has_room(slf: &Bound<'_, Self>) -> PyResult<bool> {
        Ok(!slf.get().state(slf.py())?.is_congested(LOW_WATER))
    }

    fn send(slf: &Bound<'_, Self>, message: &Bound<'_, PyDict>) -> PyResult<bool> {
        let py = slf.py();
        let socket = slf.get();
        let shared = socket.shared_here()?;
        let mut state = socket.state(py)?;
        let done = state.apply(message, &mut *shared.lines()?)?;
        state.flush();
        let hands_over = matches!(done, Done::Accepted) && state.is_away;
        if hands_over {
            state.link.hand_over();
        }
        let is_congested = state.is_congested(HIGH_WATER);
        drop(state);
        if hands_over {
            shared.command(py, Command::HandOver(slf.clone().unbind()));
        }
        Self::after(slf);
        Ok(is_congested)
    }

    fn task_done(slf: &Bound<'_, Self>, ended: Ended) -> Command {
        Command::SocketTaskDone(slf.clone().unbind(), ended)
    }
}

impl State {
    /// The client takes too little of what is sent.
    pub fn is_congested(&self, limit: u64) -> bool {
        self.inbox.end.is_none() && self.link.unsent() > limit
    }

    /// There will be no more messages.
    pub fn end(&mut self, code: u16, reason: &str) {
        self.inbox.end.get_or_insert_with(|| Disconnect {
            code,
            reason: reason.to_owned(),
        });
    }

    /// The client has ended it.
    pub fn forsake(&mut self) {
        self.is_forsaken |= matches!(self.stage, Stage::Open);
        self.stage = Stage::Over;
    }

    /// The client broke the protocol: says so at once, unless the application has messages that came before
    /// it still to take or to answer. It is done with those when it asks for the next.
    pub fn note_violation(&mut self) {
        let awaits = self.waiters.want(Wanted::Message);
        let is_answering = self.inbox.last == Last::Message && !awaits;
        if self.inbox.messages.is_empty() && !is_answering {
            self.fail();
        }
    }

    /// Tells both sides of a violation that was left until now.
    pub fn fail(&mut self) {
        let Some(protocol) = &mut self.protocol else {
            return;
        };
        if let Some(violation) = protocol.fail(&mut self.out) {
            self.end(violation.code(), &violation.to_string());
            self.forsake();
        }
    }

    /// The client broke the protocol and has not been told yet.
    pub fn is_broken(&self) -> bool {
        let protocol = self.protocol.as_ref();
        protocol.is_some_and(|protocol| protocol.violation().is_some())
    }

    /// Nothing can be sent any more, nor received.
    pub fn lose(&mut self) {
        let protocol = self.protocol.as_ref();
        match protocol.and_then(|protocol| protocol.violation()) {
            Some(violation) => self.end(violation.code(), &violation.to_string()),
            None => self.end(1006, ""),
        }
        self.inbox.behind = Vec::new();
        if let Some(exchange) = self.link.exchange() {
            exchange.cut();
        }
        self.forsake();
        self.protocol = None;
    }

    /// The connection can be given back: both sides have said all, or it is lost.
    pub fn is_over(&self) -> bool {
        matches!(self.stage, Stage::Over)
            && self
                .protocol
                .as_ref()
                .is_none_or(|protocol| protocol.is_closed())
    }

    /// Sends what was written.
    pub fn flush(&mut self) {
        if self.out.is_empty() {
            return;
        }
        let mut out = std::mem::take(&mut self.out);
        if self.link.send(&out).is_err() {
            self.lose();
        }
        self.pulse.was_busy = true;
        out.clear();
        // Most connections rest most of the time.
        if out.capacity() <= 4096 {
            self.out = out;
        }
    }
}
