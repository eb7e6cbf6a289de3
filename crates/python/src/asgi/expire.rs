//! Requests that take too long: the watchdog has answered them, and their tasks are cancelled.

use std::cell::RefCell;
use std::time::Duration;

use oxicorn_worker::clock::Moment;
use oxicorn_worker::{Late, Peer};
use pyo3::intern;
use pyo3::prelude::*;
use pyo3::types::PyDict;

use super::call::Asgi;
use super::cycle::Told;
use super::endpoint::Party;

/// A task that goes on for so long after it was cancelled is taken to go on for good.
const PATIENCE: Duration = Duration::from_secs(2);

/// A request whose client has got 504.
pub struct Expired {
    /// Of the scoreboard.
    entry: u32,
    task: Py<PyAny>,
}

/// Tasks that were cancelled, with the time at which they have to be done.
#[derive(Default)]
pub struct Cancelled(RefCell<Vec<(Moment, Py<PyAny>)>>);

impl Asgi {
    /// Tells the access log, and notes the task.
    pub fn expire(&mut self, late: Late) {
        let py = self.py;
        let task = match self.away(late.place) {
            Some(Party::Request(cycle)) => cycle.get().state(py).ok().and_then(|mut state| {
                state.is_overdue = true;
                if let (Some(told), Some(exchange)) = (&state.told, &state.exchange) {
                    self.tell_late(late, told, exchange.peer());
                }
                state.task.as_ref().map(|task| task.clone_ref(py))
            }),
            Some(Party::Socket(socket)) => socket.get().state(py).ok().and_then(|mut state| {
                let told = state.told.take();
                if let (Some(told), Some(exchange)) = (&told, state.link.exchange()) {
                    self.tell_late(late, told, exchange.peer());
                }
                state.task.as_ref().map(|task| task.clone_ref(py))
            }),
            None => None,
        };
        let entry = late.entry;
        self.expired
            .extend(task.map(|task| Expired { entry, task }));
    }

    fn tell_late(&mut self, late: Late, told: &Told, peer: &Peer) {
        if self.access.is_listening() {
            self.access.overdue(late.began, &told.request(), peer);
        }
    }
}

impl Cancelled {
    /// Reports requests of `worker`, with where their tasks are, and cancels those.
    pub fn end(
        &self,
        py: Python<'_>,
        worker: &Bound<'_, PyAny>,
        expired: &[Expired],
    ) -> PyResult<()> {
        let tasks = PyDict::new(py);
        for one in expired {
            tasks.set_item(one.entry, &one.task)?;
        }
        let reported = worker.call_method1(intern!(py, "report_overdue"), (true, tasks));
        let until = Moment::now().after(PATIENCE);
        for one in expired {
            one.task.call_method0(py, intern!(py, "cancel"))?;
            let task = one.task.clone_ref(py);
            self.0.borrow_mut().push((until, task));
        }
        reported.map(drop)
    }

    /// Whether one goes on in spite of that. Says so once.
    pub fn go_on(&self, py: Python<'_>, now: Moment) -> PyResult<bool> {
        let mut cancelled = self.0.borrow_mut();
        if cancelled.is_empty() {
            return Ok(false);
        }
        let mut goes_on = false;
        for (until, task) in std::mem::take(&mut *cancelled) {
            if task.call_method0(py, intern!(py, "done"))?.is_truthy(py)? {
                continue;
            }
            if until <= now {
                goes_on = true;
            } else {
                cancelled.push((until, task));
            }
        }
        Ok(goes_on)
    }
}
