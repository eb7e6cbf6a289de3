//! From a request to a task, and from its end to the response's.

use std::rc::Rc;

use oxicorn_http::FieldKind;
use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Body, Called, Exchange, Place, Request};
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;

use super::client::Client;
use super::cycle::{Cycle, Kit, State, Told};
use super::endpoint::Party;
use super::expire::Expired;
use super::functions::TaskDone;
use super::outcome::{self, Level, Outcome};
use super::respond::Stage;
use super::scope::Scopes;
use super::shared::{Command, Shared};
use super::task::{Ended, Tasks, when_done};
use super::websocket;
use crate::ffi::{Function, call_three};
use crate::wsgi::{Access, Answered, Began, Fault, Hooks, Journal};

/// An ASGI application, and what it takes to call it.
pub struct Asgi {
    pub py: Python<'static>,
    pub application: Bound<'static, PyAny>,
    pub worker: Bound<'static, PyAny>,
    pub journal: Journal<'static>,
    pub access: Access<'static>,
    pub hooks: Option<Hooks<'static>>,
    pub scopes: Scopes,
    pub tasks: Tasks,
    pub shared: Rc<Shared>,
    /// For the next request, if the last one left it free.
    pub kit: Option<Kit>,
    /// By the number of their seat: the requests that are away.
    pub away: Vec<Option<(Place, Party)>>,
    /// Of WebSockets.
    pub websocket: websocket::Settings,
    /// When their clients are looked at next.
    pub next_look: Moment,
    /// Requests that the watchdog has answered, for the driver.
    pub expired: Vec<Expired>,
    /// What a signal's handler raised while an application ran.
    pub exit: Option<PyErr>,
}

impl Asgi {
    /// Calls the application with a request, or answers without it.
    pub fn run(
        &mut self,
        request: &Request<'_>,
        mut exchange: Exchange<Client>,
    ) -> PyResult<Called<Client>> {
        let py = self.py;
        let began = self.access.begin();
        let opening = if request.head.has(FieldKind::Upgrade) {
            match websocket::open(request, &self.websocket) {
                Ok(opening) => opening,
                Err(refusal) => {
                    return Ok(self.refuse_socket(request, exchange, refusal, began));
                }
            }
        } else {
            None
        };
        if exchange.client().is_none() {
            let event_loop = self.shared.calls.event_loop.clone_ref(py);
            let client = Client::new(py, exchange.peer(), exchange.socket(), event_loop)?;
            *exchange.client() = Some(client);
        }
        let called_at = exchange.began();
        let Some(client) = exchange.client() else {
            return Ok(Called::Lost);
        };
        let scope = self.scopes.scope(py, request, called_at, client)?;
        let scope = match scope {
            Ok(scope) => scope,
            Err(refused) => {
                self.journal.refused(exchange.peer(), &refused);
                exchange.answer(refused.status(), &refused.page(b""));
                return Ok(Called::Answered(exchange));
            }
        };
        if let Some(opening) = opening {
            return self.call_socket(request, exchange, &scope, opening, began);
        }
        let req = match &self.hooks {
            None => None,
            Some(hooks) => {
                let req = hooks.request_object(request, exchange.peer())?;
                if let Err(error) = hooks.request_began(&req) {
                    self.journal.exception("Error in pre_request", &error);
                    exchange.answer(500, outcome::PAGE);
                    hooks.request_refused(&req);
                    self.tell_of_page(request, &exchange, began);
                    return Ok(Called::Answered(exchange));
                }
                Some(req.unbind())
            }
        };
        let kit = match self.kit.take() {
            Some(kit) => kit,
            None => Kit::new(py, &self.shared)?,
        };
        let body = match request.body {
            Body::Memory(bytes) => bytes,
            Body::File { .. } => b"",
        };
        kit.begin(py, exchange, request.head.version, body, began)?;
        kit.cycle.get().state(py)?.req = req;
        let arguments = [scope.as_any(), kit.receive.bind(py), kit.send.bind(py)];
        let started = self.start(arguments);
        drop(scope);
        let called = match started {
            Err(error) => self.ended_at_once(&kit, request, Ended::Raised(error)),
            Ok(task) => match self.tasks.ended_at_once(&task)? {
                Some(ended) => {
                    drop(task);
                    self.ended_at_once(&kit, request, ended)
                }
                None => self.goes_on(&kit, request, &task),
            },
        };
        if kit.is_free(py) {
            self.kit = Some(kit);
        }
        called
    }

    /// Calls the application, and starts the task of what it returns.
    #[inline]
    pub fn start(&self, arguments: [&Bound<'static, PyAny>; 3]) -> PyResult<Bound<'static, PyAny>> {
        self.shared.out_of_turn(|| {
            let coroutine = call_three(&self.application, arguments)?;
            self.tasks.start(&coroutine)
        })
    }

    /// The application is done with its first step.
    fn ended_at_once(
        &mut self,
        kit: &Kit,
        request: &Request<'_>,
        ended: Ended,
    ) -> PyResult<Called<Client>> {
        let ended = self.keep_exit(ended);
        let mut state = kit.cycle.get().state(self.py)?;
        let outcome = self.settle(&mut state, &ended);
        self.report(&outcome, || name_of(request));
        self.tell(request, &mut state, outcome.fault);
        Ok(self.answered(&mut state, request))
    }

    /// The task waits for something, or runs on after its response.
    fn goes_on(
        &mut self,
        kit: &Kit,
        request: &Request<'_>,
        task: &Bound<'static, PyAny>,
    ) -> PyResult<Called<Client>> {
        let py = self.py;
        let bound = kit.cycle.bind(py);
        let cycle = bound.get();
        let done = Function::bind::<TaskDone<Cycle>>(bound.as_any())?;
        when_done(task, &done, self.shared.calls.context.bind(py))?;
        let mut state = cycle.state(self.py)?;
        state.task = Some(task.clone().unbind());
        write_name(request, &mut state.name);
        state.key = Some(
            self.shared
                .running
                .borrow_mut()
                .insert(bound.clone().unbind()),
        );
        if state.stage == Stage::Complete {
            self.tell(request, &mut state, None);
            return Ok(self.answered(&mut state, request));
        }
        if self.access.is_listening() || self.hooks.is_some() {
            state.told = Some(Box::new(Told::of(request)));
        }
        state.is_away = true;
        let place = state.place;
        let Some(exchange) = &mut state.exchange else {
            return Ok(Called::Lost);
        };
        let departure = exchange.depart();
        let waits = exchange.unsent() > 0;
        self.note_away(place, Party::Request(bound.clone().unbind()));
        drop(state);
        if waits {
            self.shared.command(py, Command::Room(place));
        }
        Ok(Called::Away(departure))
    }

    /// Who hears of what happens to this connection.
    pub fn note_away(&mut self, place: Place, party: Party) {
        let index = place.index();
        if self.away.len() <= index {
            self.away.resize_with(index.saturating_add(1), || None);
        }
        if let Some(seat) = self.away.get_mut(index) {
            *seat = Some((place, party));
        }
    }

    pub fn away(&self, place: Place) -> Option<Party> {
        match self.away.get(place.index()) {
            Some(Some((known, party))) if *known == place => Some(party.clone_ref(self.py)),
            _ => None,
        }
    }

    /// Nobody does any more.
    pub fn forget_away(&mut self, place: Place) {
        if let Some(seat) = self.away.get_mut(place.index()) {
            *seat = None;
        }
    }

    /// The response of a request that is away is complete: takes its exchange.
    pub fn answered_away(
        &mut self,
        cycle: &Bound<'_, Cycle>,
        fault: Option<Fault>,
    ) -> Option<(Place, Exchange<Client>)> {
        let cycle = cycle.get();
        let mut state = cycle.state(self.py).ok()?;
        let refused = Fault {
            reason: "refused",
            is_own_page: true,
        };
        let fault = fault.or(state.is_refused.then_some(refused));
        if let Some(told) = state.told.take() {
            self.tell(&told.request(), &mut state, fault);
        }
        let exchange = state.release()?;
        self.note_short(&exchange, || shown(&state.name));
        let place = state.place;
        state.is_away = false;
        let timer = state.timer.take();
        drop(state);
        if let Some(timer) = timer {
            let cancelled = timer.call_method0(self.py, intern!(self.py, "cancel"));
            cancelled.map_or_else(|error| error.print(self.py), drop);
        }
        self.forget_away(place);
        Some((place, exchange))
    }

    /// The task of a request that went on is done.
    pub fn task_done(
        &mut self,
        bound: &Bound<'_, Cycle>,
        ended: Ended,
    ) -> Option<(Place, Exchange<Client>)> {
        let ended = self.keep_exit(ended);
        let cycle = bound.get();
        let mut state = cycle.state(self.py).ok()?;
        state.task = None;
        if let Some(key) = state.key.take() {
            self.shared.running.borrow_mut().try_remove(key);
        }
        let outcome = self.settle(&mut state, &ended);
        self.report(&outcome, || shown(&state.name));
        drop(state);
        self.answered_away(bound, outcome.fault)
    }

    fn settle(&self, state: &mut State, ended: &Ended) -> Outcome {
        let is_given_up = self.shared.has_stopped.get();
        outcome::settle(self.py, state, ended, is_given_up, || self.is_leaving())
    }

    /// The worker leaves, and a request goes on in spite of all: the access log hears of what was sent.
    pub fn give_up(&mut self, cycle: &Bound<'_, Cycle>) {
        let Ok(mut state) = cycle.get().state(self.py) else {
            return;
        };
        if state.is_untold() {
            return;
        }
        if let Some(told) = state.told.take() {
            let fault = Fault {
                reason: "interrupted",
                is_own_page: false,
            };
            self.tell(&told.request(), &mut state, Some(fault));
        }
    }

    /// What a signal's handler raised ends the worker; what an application raised does not.
    pub fn keep_exit(&mut self, ended: Ended) -> Ended {
        if let Ended::Raised(error) = &ended
            && (error.is_instance_of::<PySystemExit>(self.py)
                || error.is_instance_of::<PyKeyboardInterrupt>(self.py))
            && self.is_leaving()
        {
            self.exit = Some(error.clone_ref(self.py));
        }
        ended
    }

    /// The worker was told to leave.
    fn is_leaving(&self) -> bool {
        self.shared.is_leaving.get()
            || self
                .worker
                .getattr(intern!(self.py, "alive"))
                .and_then(|alive| alive.is_truthy())
                .is_ok_and(|alive| !alive)
    }

    /// The response was complete within the call.
    fn answered(&self, state: &mut State, request: &Request<'_>) -> Called<Client> {
        let Some(exchange) = state.release() else {
            return Called::Lost;
        };
        self.note_short(&exchange, || name_of(request));
        Called::Answered(exchange)
    }

    /// The error log hears of a response that is shorter than it said.
    #[inline]
    fn note_short(&self, exchange: &Exchange<Client>, request: impl FnOnce() -> String) {
        if exchange.missing() > 0 {
            self.journal.short(&request(), exchange);
        }
    }

    /// The error log hears of it.
    pub fn report(&self, outcome: &Outcome, request: impl FnOnce() -> String) {
        if outcome.message.is_empty() {
            return;
        }
        let request = request();
        let text = outcome.text(&request);
        let method = match (outcome.level, &outcome.error) {
            (Level::Error, Some(_)) => "exception",
            (Level::Error, None) => "error",
            (Level::Info, _) => "info",
            (Level::Debug, _) => "debug",
        };
        self.journal
            .about_request(method, &text, &request, outcome.error.as_ref());
    }

    /// The access log and the hook hear of a request.
    fn tell(&mut self, request: &Request<'_>, state: &mut State, fault: Option<Fault>) {
        let req = state.req.take();
        if !self.access.is_listening() && req.is_none() {
            return;
        }
        let Some(exchange) = &state.exchange else {
            return;
        };
        let answered = Answered {
            peer: exchange.peer(),
            status: &state.status,
            code: exchange.status(),
            body_sent: exchange.body_sent(),
            fields: state.fields.lines(),
        };
        if self.access.is_listening() && !state.is_overdue {
            self.access
                .answered(state.began, request, &answered, None, fault);
        }
        if let (Some(hooks), Some(req)) = (&self.hooks, req) {
            hooks.request_ended(&req.into_bound(self.py), request, &answered);
        }
    }

    /// The access log hears of a request that the application never had.
    fn tell_of_page(&mut self, request: &Request<'_>, exchange: &Exchange<Client>, began: Began) {
        if !self.access.is_listening() {
            return;
        }
        let answered = Answered {
            peer: exchange.peer(),
            status: b"",
            code: exchange.status(),
            body_sent: 0,
            fields: b"",
        };
        let fault = Fault {
            reason: "application_error",
            is_own_page: true,
        };
        self.access
            .answered(began, request, &answered, None, Some(fault));
    }
}

/// Method and target of a request, for a log.
pub fn name_of(request: &Request<'_>) -> String {
    let mut name = Vec::new();
    write_name(request, &mut name);
    shown(&name)
}

/// Keeps them until they are asked for, if ever.
pub fn write_name(request: &Request<'_>, name: &mut Vec<u8>) {
    name.clear();
    name.extend_from_slice(request.head.method(request.bytes));
    name.push(b' ');
    name.extend_from_slice(request.head.target(request.bytes));
}

/// What was kept, as a log has it.
pub fn shown(name: &[u8]) -> String {
    name.escape_ascii().to_string()
}
