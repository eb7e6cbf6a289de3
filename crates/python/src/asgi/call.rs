//! From a request to a task, and from its end to the response's.

use std::io;
use std::rc::Rc;
use std::time::Duration;

use oxicorn_http::{FieldKind, Refused};
use oxicorn_worker::clock::Moment;
use oxicorn_worker::{
    Appetite, Application, Body, Called, End, Exchange, Late, NotStarted, Peer, Place, Request,
    Retirement,
};
use pyo3::exceptions::{PyKeyboardInterrupt, PySystemExit};
use pyo3::intern;
use pyo3::prelude::*;

use super::client::Client;
use super::cycle::{Cycle, Kit, State, Told};
use super::expire::Expired;
use super::outcome::{self, Outcome};
use super::respond::Stage;
use super::scope::Scopes;
use super::shared::{Command, Shared};
use super::task::{Ended, Tasks, when_done};
use super::watch::{Cancel, TaskDone};
use super::websocket::{self, Socket};
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

/// What a connection is used for while it is away from the engine.
pub enum Party {
    /// A request.
    Request(Py<Cycle>),
    /// A WebSocket.
    Socket(Py<Socket>),
}

impl Party {
    fn clone_ref(&self, py: Python<'_>) -> Party {
        match self {
            Party::Request(one) => Party::Request(one.clone_ref(py)),
            Party::Socket(one) => Party::Socket(one.clone_ref(py)),
        }
    }
}

/// How often the clients of WebSockets are looked at.
const LOOK: Duration = Duration::from_secs(1);

impl Asgi {
    fn run(
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
        let mut client = match exchange.client().take() {
            Some(client) => client,
            None => {
                let event_loop = self.shared.calls.event_loop.clone_ref(py);
                Client::new(py, exchange.peer(), exchange.socket(), event_loop)?
            }
        };
        let scope = self
            .scopes
            .scope(py, request, exchange.began(), &mut client)?;
        *exchange.client() = Some(client);
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
        kit.cycle.borrow(py).state()?.req = req;
        let arguments = [scope.as_any(), kit.receive.bind(py), kit.send.bind(py)];
        let started = call_three(&self.application, arguments)
            .and_then(|coroutine| self.tasks.start(&coroutine));
        drop(scope);
        let called = match started {
            Err(error) => self.ended_at_once(&kit, request, Ended::Raised(error)),
            Ok(task) => {
                let is_done = matches!(self.tasks, Tasks::Eager { .. })
                    && task.call_method0(intern!(py, "done"))?.is_truthy()?;
                if is_done {
                    let ended = Ended::of(&task)?;
                    drop(task);
                    self.ended_at_once(&kit, request, ended)
                } else {
                    self.goes_on(&kit, request, &task)
                }
            }
        };
        if kit.is_free(py) {
            self.kit = Some(kit);
        }
        called
    }

    /// The application is done with its first step.
    fn ended_at_once(
        &mut self,
        kit: &Kit,
        request: &Request<'_>,
        ended: Ended,
    ) -> PyResult<Called<Client>> {
        let ended = self.keep_exit(ended);
        let cycle = kit.cycle.borrow(self.py);
        let mut state = cycle.state()?;
        let outcome = outcome::settle(self.py, &mut state, &ended, self.is_leaving());
        self.report(&outcome);
        self.tell(request, &mut state, outcome.fault);
        Ok(match state.release() {
            Some(exchange) => Called::Answered(exchange),
            None => Called::Lost,
        })
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
        let cycle = bound.borrow();
        let done = Function::bind::<TaskDone>(bound.as_any())?;
        when_done(task, &done, self.shared.calls.context.bind(py))?;
        let mut state = cycle.state()?;
        state.task = Some(task.clone().unbind());
        state.key = Some(
            self.shared
                .running
                .borrow_mut()
                .insert(bound.clone().unbind()),
        );
        if state.stage == Stage::Complete {
            self.tell(request, &mut state, None);
            return Ok(match state.release() {
                Some(exchange) => Called::Answered(exchange),
                None => Called::Lost,
            });
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

    /// Looks at the WebSockets' clients. Says when to look again, if there are any.
    fn look_at_sockets(&mut self, now: Moment) -> Option<Moment> {
        if now < self.next_look {
            return (!self.shared.sockets.borrow().is_empty()).then_some(self.next_look);
        }
        self.next_look = now.after(LOOK);
        let py = self.py;
        let mut is_any = false;
        let sockets: Vec<Py<Socket>> = self
            .away
            .iter()
            .flatten()
            .filter_map(|(_, party)| match party {
                Party::Socket(socket) => Some(socket.clone_ref(py)),
                Party::Request(_) => None,
            })
            .collect();
        for socket in sockets {
            is_any = true;
            Socket::look(socket.bind(py), Duration::from_millis(now.millis()));
        }
        is_any.then_some(self.next_look)
    }

    /// The response of a request that is away is complete: takes its exchange.
    pub fn answered_away(
        &mut self,
        cycle: &Bound<'_, Cycle>,
        fault: Option<Fault>,
    ) -> Option<(Place, Exchange<Client>)> {
        let cycle = cycle.borrow();
        let mut state = cycle.state().ok()?;
        let refused = Fault {
            reason: "refused",
            is_own_page: true,
        };
        let fault = fault.or(state.is_refused.then_some(refused));
        if let Some(told) = state.told.take() {
            self.tell(&told.request(), &mut state, fault);
        }
        let exchange = state.release()?;
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
        let cycle = bound.borrow();
        let mut state = cycle.state().ok()?;
        state.task = None;
        if let Some(key) = state.key.take() {
            self.shared.running.borrow_mut().try_remove(key);
        }
        let outcome = outcome::settle(self.py, &mut state, &ended, self.is_leaving());
        self.report(&outcome);
        drop(state);
        drop(cycle);
        self.answered_away(bound, outcome.fault)
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

    /// The error log hears of it.
    pub fn report(&self, outcome: &Outcome) {
        match &outcome.error {
            Some(error) => self.journal.exception(outcome.message, error),
            None if !outcome.message.is_empty() => self.journal.error(outcome.message),
            None => {}
        }
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

    /// The client of a request has gone: its task has some time left.
    fn give_grace(&self, cycle: &Bound<'_, Cycle>) -> PyResult<()> {
        let borrowed = cycle.borrow();
        let mut state = borrowed.state()?;
        if state.timer.is_some() || state.task.is_none() {
            return Ok(());
        }
        state.sent_at_end = state.body_sent();
        drop(state);
        let cancel = Function::bind::<Cancel>(cycle.as_any())?;
        let timer = self.shared.calls.later(self.shared.grace, &cancel)?;
        borrowed.state()?.timer = Some(timer.unbind());
        Ok(())
    }
}

impl Application for Asgi {
    type Client = Client;

    const INLINE: bool = true;

    const STREAMS: bool = true;

    fn call(&mut self, request: Request<'_>, exchange: Exchange<Client>) -> Called<Client> {
        match self.run(&request, exchange) {
            Ok(called) => called,
            Err(error) => {
                self.journal.exception("Error in the ASGI worker", &error);
                Called::Lost
            }
        }
    }

    fn arrived(&mut self, place: Place, data: &[u8]) -> Appetite {
        let Some(Party::Request(cycle)) = self.away(place) else {
            return Appetite::Enough;
        };
        if cycle.borrow(self.py).arrived(self.py, data) {
            Appetite::Enough
        } else {
            Appetite::More
        }
    }

    fn arrived_raw(&mut self, place: Place, data: &mut [u8]) -> Appetite {
        let Some(Party::Socket(socket)) = self.away(place) else {
            return Appetite::Enough;
        };
        if Socket::arrived(socket.bind(self.py), data) {
            Appetite::Enough
        } else {
            Appetite::More
        }
    }

    fn ended(&mut self, place: Place, end: End<'_>) {
        let cycle = match self.away(place) {
            Some(Party::Request(cycle)) => cycle.into_bound(self.py),
            Some(Party::Socket(socket)) => return Socket::ended(socket.bind(self.py), &end),
            None => return,
        };
        let is_answered = cycle.borrow().ended(self.py, &end);
        if let End::Refused(refused) = &end
            && let Ok(state) = cycle.borrow().state()
            && let Some(exchange) = &state.exchange
        {
            self.journal.refused(exchange.peer(), refused);
        }
        if is_answered {
            let done = Command::Done(cycle.clone().unbind());
            self.shared.command(self.py, done);
        } else if !matches!(end, End::Body)
            && let Err(error) = self.give_grace(&cycle)
        {
            error.print(self.py);
        }
    }

    fn room(&mut self, place: Place) -> bool {
        match self.away(place) {
            Some(Party::Request(cycle)) => cycle.borrow(self.py).room(self.py),
            Some(Party::Socket(socket)) => Socket::room(socket.bind(self.py)),
            None => false,
        }
    }

    fn refused(&mut self, peer: &Peer, received: &[u8], refused: &Refused) {
        self.journal.refused(peer, refused);
        self.access.refused(peer, received, refused);
    }

    fn timed_out(&mut self, peer: &Peer, received: &[u8]) {
        self.access.timed_out(peer, received);
    }

    fn overdue(&mut self, late: Late) -> bool {
        self.expire(late);
        // Whether its task ends is seen later.
        true
    }

    fn not_started(&mut self, peer: &Peer, received: &[u8], why: NotStarted) {
        self.access.not_started(peer, received, why);
    }

    fn turned(&mut self, now: Moment) -> Option<Moment> {
        let look = self.look_at_sockets(now);
        let access = self.access.turned(now);
        match (look, access) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }

    fn trouble(&mut self, peer: &Peer, what: &str, error: &io::Error) {
        self.journal.trouble(peer, what, error);
    }

    fn retiring(&mut self, reason: Retirement) {
        self.journal.retiring(reason);
    }
}
