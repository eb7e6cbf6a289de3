//! What the engine tells of connections: a request to call, and what happens to those that are away.

use std::time::Duration;

use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Appetite, Application, Called, End, Exchange, Late, Notice, Place, Request};
use pyo3::prelude::*;

use super::call::Asgi;
use super::client::Client;
use super::cycle::Cycle;
use super::endpoint::Party;
use super::shared::Command;
use super::watch::Cancel;
use super::websocket::Socket;
use crate::ffi::Function;

/// How often the clients of WebSockets are looked at.
const LOOK: Duration = Duration::from_secs(1);

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
        if cycle.get().arrived(self.py, data) {
            Appetite::Enough
        } else {
            Appetite::More
        }
    }

    fn arrived_raw(&mut self, place: Place, data: &mut [u8]) -> Appetite {
        let Some(Party::Socket(socket)) = self.away(place) else {
            return Appetite::Enough;
        };
        self.shared.has_heard.set(true);
        if Socket::arrived(socket.bind(self.py), data) {
            Appetite::Enough
        } else {
            Appetite::More
        }
    }

    fn is_over(&self) -> bool {
        self.exit.is_some()
    }

    fn ended(&mut self, place: Place, end: End<'_>) {
        let cycle = match self.away(place) {
            Some(Party::Request(cycle)) => cycle.into_bound(self.py),
            Some(Party::Socket(socket)) => return Socket::ended(socket.bind(self.py), &end),
            None => return,
        };
        let is_answered = cycle.get().ended(self.py, &end);
        if let End::Refused(refused) = &end
            && let Ok(state) = cycle.get().state(self.py)
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
            Some(Party::Request(cycle)) => cycle.get().room(self.py),
            Some(Party::Socket(socket)) => Socket::room(socket.bind(self.py)),
            None => false,
        }
    }

    fn notice(&mut self, notice: Notice<'_>) {
        self.journal.note(&notice);
        self.access.note(&notice);
    }

    fn overdue(&mut self, late: Late) -> bool {
        self.expire(late);
        // Whether its task ends is seen later.
        true
    }

    fn turned(&mut self, now: Moment) -> Option<Moment> {
        let look = self.look_at_sockets(now);
        let access = self.access.turned(now);
        match (look, access) {
            (Some(one), Some(other)) => Some(one.min(other)),
            (one, other) => one.or(other),
        }
    }
}

impl Asgi {
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

    /// The client of a request has gone: its task has some time left.
    fn give_grace(&self, cycle: &Bound<'_, Cycle>) -> PyResult<()> {
        let borrowed = cycle.get();
        let mut state = borrowed.state(self.py)?;
        if state.timer.is_some() || state.task.is_none() {
            return Ok(());
        }
        state.sent_at_end = state.body_sent();
        drop(state);
        let cancel = Function::bind::<Cancel>(cycle.as_any())?;
        let timer = self.shared.calls.later(self.shared.grace, &cancel)?;
        borrowed.state(self.py)?.timer = Some(timer.unbind());
        Ok(())
    }
}
