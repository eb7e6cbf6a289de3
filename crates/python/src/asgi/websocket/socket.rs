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

use std::cell::{RefCell, RefMut};
use std::collections::VecDeque;
use std::rc::Rc;
use std::time::Duration;

use oxicorn_http::response::Fields;
use oxicorn_websocket::handshake::Opening;
use oxicorn_websocket::{Connection, Keepalive};
use oxicorn_worker::{Exchange, Place};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;

use super::link::Link;
use super::opening::Settings;
use crate::asgi::awaitable::Wanted;
use crate::asgi::client::Client;
use crate::asgi::cycle::{LOW_WATER, Told, wake_future};
use crate::asgi::shared::Shared;
use crate::wsgi::Began;

/// A WebSocket and the task that serves it.
#[pyclass(unsendable, module = "oxicorn", name = "websocket")]
pub struct Socket {
    state: RefCell<State>,
    pub shared: Rc<Shared>,
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
    waiting: Vec<(Wanted, Py<PyAny>)>,
    /// The application's task, until it is done.
    pub task: Option<Py<PyAny>>,
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
    /// `websocket.connect` was received.
    pub is_connected: bool,
    pub messages: VecDeque<Message>,
    /// Bytes in `messages`.
    pub held: usize,
    /// What came while the inbox was full.
    pub behind: Vec<u8>,
    /// The engine was told to read no more.
    pub is_sated: bool,
    /// `websocket.disconnect` is due when the messages have been told.
    pub end: Option<Disconnect>,
    /// It was told.
    pub end_was_told: bool,
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
            waiting: Vec::new(),
            task: None,
            is_forsaken: false,
            timer: None,
            key: None,
            told: None,
            began,
            pulse: Pulse::default(),
        };
        Socket {
            state: RefCell::new(state),
            shared: Rc::clone(shared),
        }
    }

    /// The state, for as long as no Python code runs.
    pub fn state(&self) -> PyResult<RefMut<'_, State>> {
        self.state
            .try_borrow_mut()
            .map_err(|_| PyRuntimeError::new_err("the WebSocket is in use"))
    }

    /// Whether the client has taken enough of what was sent.
    pub fn room_result(slf: &Bound<'_, Self>) -> PyResult<bool> {
        let socket = slf.borrow();
        let state = socket.state()?;
        Ok(!state.is_congested(LOW_WATER))
    }

    /// A new future of the loop's that is done when what is wanted may be there.
    pub fn wait_for<'py>(slf: &Bound<'py, Self>, wanted: Wanted) -> PyResult<Bound<'py, PyAny>> {
        let py = slf.py();
        let socket = slf.borrow();
        let future = socket.shared.calls.create_future.bind(py).call0()?;
        let mut state = socket.state()?;
        state.waiting.push((wanted, future.clone().unbind()));
        Ok(future)
    }

    /// Wakes those who wait for this.
    pub fn wake(&self, py: Python<'_>, wanted: Wanted) {
        let Ok(mut state) = self.state() else { return };
        let mut woken = Vec::new();
        state.waiting.retain(|(one, future)| {
            let is_other = *one != wanted;
            if !is_other {
                woken.push(future.clone_ref(py));
            }
            is_other
        });
        drop(state);
        for future in woken {
            if let Err(error) = wake_future(future.bind(py)) {
                error.print(py);
            }
        }
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

    /// Nothing can be sent any more, nor received.
    pub fn lose(&mut self) {
        self.end(1006, "");
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
