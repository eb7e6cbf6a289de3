//! From a request to a WebSocket's task, and the engine's side of its connection.

use oxicorn_websocket::handshake::{Opening, Refusal};
use oxicorn_worker::{Called, Exchange, Request};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::link::Link;
use super::opening::{adapt, refusal_answer};
use super::socket::{Socket, Stage, State};
use super::upkeep::Leave;
use crate::asgi::call::{Asgi, shown, write_name};
use crate::asgi::client::Client;
use crate::asgi::cycle::Told;
use crate::asgi::endpoint::{Endpoint, Party};
use crate::asgi::functions::{ReceiveMessage, SendMessage, TaskDone};
use crate::asgi::outcome::{Outcome, PAGE};
use crate::asgi::shared::{Command, Work};
use crate::asgi::task::{Ended, when_done};
use crate::ffi::Function;
use crate::wsgi::{Answered, Began};

impl Asgi {
    /// A handshake that is wrong.
    pub fn refuse_socket(
        &mut self,
        request: &Request<'_>,
        mut exchange: Exchange<Client>,
        refusal: Refusal,
        began: Began,
    ) -> Called<Client> {
        exchange.answer(refusal.status(), &refusal_answer(refusal));
        self.tell_code(request, &mut exchange, refusal.status(), began);
        Called::Answered(exchange)
    }

    fn tell_code(
        &mut self,
        request: &Request<'_>,
        exchange: &mut Exchange<Client>,
        code: u16,
        began: Began,
    ) {
        if !self.access.is_listening() {
            return;
        }
        let mut status = Vec::new();
        crate::asgi::message::write_status(code, &mut status);
        let answered = Answered {
            peer: exchange.peer(),
            status: &status,
            code,
            body_sent: exchange.body_sent(),
            fields: b"",
        };
        self.access.answered(began, request, &answered, None, None);
    }

    /// Calls the application for a WebSocket.
    pub fn call_socket(
        &mut self,
        request: &Request<'_>,
        exchange: Exchange<Client>,
        scope: &Bound<'static, PyDict>,
        opening: Opening,
        began: Began,
    ) -> PyResult<Called<Client>> {
        let py = self.py;
        adapt(scope, &opening)?;
        let mut name = Vec::new();
        write_name(request, &mut name);
        let name = name.into_boxed_slice();
        let socket = Socket::new(&self.shared, exchange, opening, self.websocket, began, name);
        let socket = Bound::new(py, socket)?;
        let receive = Function::bind::<ReceiveMessage<Socket>>(socket.as_any())?;
        let send = Function::bind::<SendMessage<Socket>>(socket.as_any())?;
        if self.access.is_listening() {
            socket.get().state(py)?.told = Some(Box::new(Told::of(request)));
        }
        let arguments = [scope.as_any(), &receive, &send];
        let started = self.start(arguments);
        match started {
            Err(error) => self.settle_socket(&socket, Ended::Raised(error)),
            Ok(task) => match self.tasks.ended_at_once(&task)? {
                Some(ended) => self.settle_socket(&socket, ended),
                None => self.watch_socket(&socket, &task)?,
            },
        }
        self.depart_socket(&socket)
    }

    fn watch_socket(
        &mut self,
        socket: &Bound<'static, Socket>,
        task: &Bound<'static, PyAny>,
    ) -> PyResult<()> {
        let done = Function::bind::<TaskDone<Socket>>(socket.as_any())?;
        when_done(task, &done, self.shared.calls.context.bind(self.py))?;
        let borrowed = socket.get();
        let mut state = borrowed.state(self.py)?;
        state.task = Some(task.clone().unbind());
        let key = self
            .shared
            .sockets
            .borrow_mut()
            .insert(socket.clone().unbind());
        state.key = Some(key);
        Ok(())
    }

    /// After the application's first step, or before it.
    fn depart_socket(&mut self, socket: &Bound<'static, Socket>) -> PyResult<Called<Client>> {
        let py = self.py;
        let borrowed = socket.get();
        let mut state = borrowed.state(py)?;
        if state.is_over() {
            self.tell_socket(&mut state);
            return Ok(match std::mem::replace(&mut state.link, Link::Gone) {
                Link::Exchange(exchange) => Called::Answered(*exchange),
                Link::Raw(_) | Link::Gone => Called::Lost,
            });
        }
        let Some(exchange) = state.link.exchange() else {
            return Ok(Called::Lost);
        };
        let departure = exchange.depart();
        state.is_away = true;
        let hands_over = state.protocol.is_some();
        if hands_over {
            state.link.hand_over();
        }
        let place = state.place;
        drop(state);
        self.note_away(place, Party::Socket(socket.clone().unbind()));
        if hands_over {
            let command = Command::HandOver(socket.clone().unbind());
            self.shared.command(py, command);
        }
        Socket::after(socket);
        Ok(Called::Away(departure))
    }

    /// The access log hears of a WebSocket when it is accepted or refused.
    fn tell_socket(&mut self, state: &mut State) {
        let Some(told) = state.told.take() else {
            return;
        };
        let mut status = Vec::new();
        let (peer, code, body_sent) = match &state.link {
            Link::Exchange(exchange) if state.protocol.is_none() => {
                (exchange.peer(), exchange.status(), exchange.body_sent())
            }
            Link::Exchange(exchange) => (exchange.peer(), 101, 0),
            Link::Raw(raw) => (raw.peer(), 101, 0),
            Link::Gone => return,
        };
        crate::asgi::message::write_status(code, &mut status);
        let answered = Answered {
            peer,
            status: &status,
            code,
            body_sent,
            fields: b"",
        };
        self.access
            .answered(state.began, &told.request(), &answered, None, None);
    }

    /// The application's task is done: ends what it has not.
    fn settle_socket(&mut self, socket: &Bound<'_, Socket>, ended: Ended) {
        let ended = self.keep_exit(ended);
        let borrowed = socket.get();
        let Ok(mut state) = borrowed.state(self.py) else {
            return;
        };
        state.task = None;
        if let Some(timer) = state.timer.take() {
            let cancelled = timer.call_method0(self.py, intern!(self.py, "cancel"));
            cancelled.map_or_else(|error| error.print(self.py), drop);
        }
        if let Some(key) = state.key.take() {
            self.shared.sockets.borrow_mut().try_remove(key);
        }
        let outcome = state.settle(self.py, &ended);
        state.flush();
        let name = std::mem::take(&mut state.name);
        drop(state);
        self.report(&outcome, || shown(&name));
    }
}

impl State {
    fn settle(&mut self, py: Python<'_>, ended: &Ended) -> Outcome {
        let is_quiet = self.inbox.end.is_some();
        let mut outcome = Outcome::default();
        match ended {
            Ended::Raised(error) => {
                outcome.raised(py, error, "Error in WebSocket ASGI application", is_quiet);
            }
            Ended::Returned if !is_quiet && matches!(self.stage, Stage::Connecting) => {
                outcome.message = "ASGI application returned without accepting the WebSocket";
            }
            Ended::Returned | Ended::Cancelled => {}
        }
        match (&self.stage, ended) {
            (Stage::Connecting, Ended::Returned) => self.deny(b"403 Forbidden", 403),
            (
                Stage::Connecting
                | Stage::Denying {
                    is_started: false, ..
                },
                _,
            ) => {
                if let Some(exchange) = self.link.exchange() {
                    exchange.answer(500, PAGE);
                }
                self.stage = Stage::Over;
            }
            (Stage::Denying { .. }, _) => self.lose(),
            (Stage::Open, _) => self.say_goodbye(1011, ""),
            (Stage::Over, _) => {}
        }
        outcome
    }
}

impl Work {
    /// The engine gives every further byte of a connection to its WebSocket.
    pub fn hand_over_socket(&mut self, socket: &Bound<'_, Socket>) {
        let borrowed = socket.get();
        let Ok(mut state) = borrowed.state(socket.py()) else {
            return;
        };
        self.asgi.tell_socket(&mut state);
        let mut behind = self.engine.hand_over(state.place);
        drop(state);
        if !behind.is_empty() {
            Socket::arrived(socket, &mut behind);
        }
        if borrowed
            .shared()
            .is_some_and(|shared| shared.is_leaving.get())
        {
            Socket::leave(socket);
        }
    }

    /// Gives a connection back that has nothing more to say. True if another turn is due.
    pub fn end_socket(&mut self, socket: &Bound<'_, Socket>) -> bool {
        let borrowed = socket.get();
        let Ok(mut state) = borrowed.state(socket.py()) else {
            return false;
        };
        self.asgi.tell_socket(&mut state);
        state.is_away = false;
        let (place, link) = (state.place, std::mem::replace(&mut state.link, Link::Gone));
        let is_left_alone = state.is_forsaken && state.task.is_some();
        drop(state);
        if is_left_alone && let Err(error) = Socket::give_grace(socket) {
            error.print(socket.py());
        }
        self.asgi.forget_away(place);
        match link {
            Link::Exchange(exchange) => self.engine.put_back(place, *exchange, &mut self.asgi),
            Link::Raw(raw) => {
                self.engine.take_back(place, *raw, 101);
                false
            }
            Link::Gone => false,
        }
    }

    /// The task of a WebSocket is done.
    pub fn socket_task_done(&mut self, socket: &Bound<'_, Socket>, ended: Ended) {
        self.asgi.settle_socket(socket, ended);
        Socket::after(socket);
    }
}

/// Closes the WebSockets of a worker that leaves, one after the other within `seconds`.
pub fn leave_all(
    py: Python<'_>,
    shared: &crate::asgi::shared::Shared,
    seconds: f64,
) -> PyResult<()> {
    let sockets: Vec<Bound<'_, PyAny>> = shared
        .sockets
        .borrow()
        .iter()
        .map(|(_, socket)| socket.bind(py).clone().into_any())
        .collect();
    let pause = seconds / (sockets.len().max(1) as f64);
    for (number, socket) in sockets.iter().enumerate() {
        let leave = Function::bind::<Leave>(socket)?;
        shared.calls.later(pause * number as f64, &leave)?;
    }
    Ok(())
}
